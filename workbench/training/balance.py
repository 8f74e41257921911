"""From the losses of the tasks to the gradients that an update follows.

The usual case, losses added up with known weights, is one backward pass per micro-batch. Where
gradients are combined by a method, or weights depend on losses that only the last micro-batch
completes, each task's gradient is kept apart (`TaskRows`) until all of the update is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from workbench.config.weighting import WeightingConfig
from workbench.model.multitask import MultiTaskModel
from workbench.model.parts import Part, parts_of
from workbench.training.aggregation import AGGREGATIONS, AggregationSettings
from workbench.training.task_rows import TaskRows, gradients_of
from workbench.training.weighting import WEIGHTINGS, WeightingSettings


@dataclass(frozen=True)
class Balanced:
    """How an update's losses became one."""

    losses: Mapping[str, Tensor]
    """The mean loss of each task, without a graph."""
    total: Tensor
    """The losses times their weights, summed."""
    has_gradient: bool
    """Whether anything that moves was reached."""
    weights: Mapping[str, Tensor | float]
    """By task that was trained, what its gradient on the shared parameters was multiplied with;
    empty if that was its own weight, as configured."""
    norms: Mapping[str, Tensor]
    """By task, of its gradient on the shared parameters that a method combined, before that."""
    rows: TaskRows | None
    """Each task's gradient on all shared parameters, as it is, if somebody wanted to look."""


class Balance:
    """Makes gradients of losses, update for update: `begin`, `add` each micro-batch, `finish`."""

    def __init__(
        self,
        model: MultiTaskModel,
        *,
        tasks: Sequence[str],
        config: WeightingConfig,
        seed: int,
        updates_per_epoch: int,
        device: torch.device,
    ) -> None:
        """Balance the tasks of a run.

        Args:
            model: As it is trained, on its device.
            tasks: Those that may be trained, in order.
            config: How.
            seed: Of the run.
            updates_per_epoch: Of its first epoch.
            device: Where losses are.
        """
        order = self.tasks = tuple(tasks)
        self._config = config
        self.weighting = WEIGHTINGS[config.method](
            WeightingSettings(order, config, seed, updates_per_epoch, device)
        )
        self.aggregation = (
            None
            if config.gradients == "sum"
            else AGGREGATIONS[config.gradients](AggregationSettings(order, config, seed))
        )
        parts = parts_of(model)
        self.shared = [part for part in parts if not part.task]
        self._combined = _top_parts(self.shared, config.last_layers)
        self._own = {task: [part for part in parts if part.task == task] for task in order}
        self._update = _Update()

    @property
    def is_plain(self) -> bool:
        """Whether losses are added up with the tasks' own weights."""
        return self._config.method == "sum" and self.aggregation is None

    def begin(
        self,
        step: int,
        own_weights: Mapping[str, float],
        *,
        micro_batches: int,
        scaler: torch.amp.GradScaler,
        wants_rows: bool = False,
    ) -> None:
        """Begin an update.

        Args:
            step: The update, counted from 0.
            own_weights: The tasks that have labels in it and are trained, with their own weights.
            micro_batches: How many will be added.
            scaler: Scales losses for fp16.
            wants_rows: Whether somebody wants to look at each task's gradient.
        """
        update = self._update = _Update(step, dict(own_weights), scaler)
        tasks = list(own_weights)
        shared = moving(self.shared)
        if not tasks or not shared:
            # Nothing is shared where the backbone is frozen: heads have their gradients anyhow.
            update.is_late = bool(tasks) and self.weighting.looks_at_losses and micro_batches > 1
            update.rows = TaskRows(tasks, []) if update.is_late else None
            return
        update.is_late = self.weighting.looks_at_losses and micro_batches > 1
        if self.aggregation is not None or update.is_late:
            combined = moving(self._combined) if self.aggregation is not None else []
            ids = {id(parameter) for parameter in combined}
            plain = [parameter for parameter in shared if id(parameter) not in ids]
            update.combined_values = sum(parameter.numel() for parameter in combined)
            # Where weights are known only at the end, nothing can be added up before it.
            update.rows = TaskRows(tasks, combined + (plain if update.is_late else []))
            update.plain = [] if update.is_late else plain
        if self.weighting.looks_at_norms:
            layers = [part for part in self.shared if part.role == "layer" and moving([part])]
            update.top = TaskRows(tasks, moving(layers[-1:]) or shared)
        if wants_rows:
            update.looked_at = TaskRows(tasks, shared)

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Take a micro-batch's part of the mean losses, and send its gradients on their way.

        Args:
            losses: By task: its sum over this micro-batch over its count in the whole update,
                with a graph.
        """
        update = self._update
        moved = {}
        for task, loss in losses.items():
            known = update.losses.get(task)
            update.losses[task] = loss.detach() if known is None else known + loss.detach()
            if task in update.own_weights and loss.requires_grad:
                moved[task] = loss
        if not moved:
            return
        for rows in (update.looked_at, update.top):
            if rows is not None:
                for task, loss in moved.items():
                    scaled = update.scaler.scale(loss)
                    rows.add(task, gradients_of(scaled, rows.parameters, keep_graph=True))
        if update.rows is not None:
            self._keep_apart(update, update.rows, moved)
            update.has_gradient = True
        else:
            total = _weighted(moved, self._weights(update))
            if total is not None:
                update.has_gradient = True
                update.scaler.scale(total).backward()  # type: ignore[no-untyped-call]  # torch's is untyped

    def finish(self) -> Balanced:
        """Put the gradients of what was kept apart into the parameters, scaled as by `scaler`."""
        update = self._update
        weights = self._weights(update)
        total = _weighted(update.losses, weights)
        effective: Mapping[str, Tensor | float] = weights
        norms: Mapping[str, Tensor] = {}
        if update.rows is not None and update.has_gradient:
            effective, norms = self._combine(update, update.rows, weights)
            for task, gradients in update.own.items():
                for parameter, gradient in gradients:
                    parameter.grad = gradient * weights[task]
        for rows in (update.looked_at, update.top):
            if rows is not None:  # now: the scale may change with the optimizer's step
                _unscale(rows, update.scaler)
        return Balanced(
            losses=update.losses,
            total=torch.zeros(()) if total is None else total,
            has_gradient=update.has_gradient,
            weights={} if self.is_plain else effective,
            norms=norms,
            rows=update.looked_at,
        )

    @property
    def wants_losses_again(self) -> bool:
        """Whether the losses of the same texts after the update are to be given to `learn`."""
        return self.weighting.looks_again

    def learn(self, again: Mapping[str, Tensor]) -> None:
        """Let the weighting learn from the update that was just made.

        Args:
            again: The losses after the update; empty unless it `wants_losses_again`.
        """
        update = self._update
        losses = {task: loss for task, loss in update.losses.items() if task in update.own_weights}
        if not losses:
            return
        norms: dict[str, Tensor] = {}
        if update.top is not None:
            lengths = update.top.matrix.norm(dim=1).unbind()
            norms = dict(zip(update.top.tasks, lengths, strict=True))
        self.weighting.learn(losses, norms=norms, again=again)
        self._update = _Update()  # lets go of the rows

    def state(self) -> dict[str, Any]:
        """What the methods have learned."""
        return {
            "weighting": self.weighting.state(),
            "aggregation": self.aggregation.state() if self.aggregation is not None else {},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.weighting.restore(state["weighting"])
        if self.aggregation is not None:
            self.aggregation.restore(state["aggregation"])

    def _weights(self, update: _Update) -> dict[str, Tensor | float]:
        """What each task's loss is multiplied with; known before the losses, or only after all."""
        tasks = list(update.own_weights)
        if not tasks:
            return {}
        # Only what has been seen: a task may be labelled and yet have no loss, all of it cut off.
        losses = {task: update.losses[task] for task in tasks if task in update.losses}
        if self.weighting.looks_at_losses:
            tasks = list(losses)
        found = self.weighting.weights(tasks, losses, update.step)
        if self._config.method == "formula":
            return dict(zip(tasks, found, strict=True))
        return {
            task: weight * update.own_weights[task]
            for task, weight in zip(tasks, found, strict=True)
        }

    def _keep_apart(self, update: _Update, rows: TaskRows, moved: Mapping[str, Tensor]) -> None:
        """Each task's gradient on shared parameters into its row, that on its head beside it."""
        last = list(moved)[-1]
        for task, loss in moved.items():
            own = moving(self._own[task])
            gradients = gradients_of(
                update.scaler.scale(loss),
                [*rows.parameters, *own],
                keep_graph=task != last or bool(update.plain),
            )
            shared = len(rows.parameters)
            rows.add(task, gradients[:shared])
            update.add_own(task, own, gradients[shared:])
        if update.plain and (total := _weighted(moved, self._weights(update))) is not None:
            scaled = update.scaler.scale(total)
            found = gradients_of(scaled, update.plain, keep_graph=False)
            for parameter, gradient in zip(update.plain, found, strict=True):
                if gradient is not None:
                    before = parameter.grad
                    parameter.grad = gradient if before is None else before + gradient

    def _combine(
        self, update: _Update, rows: TaskRows, weights: Mapping[str, Tensor | float]
    ) -> tuple[dict[str, Tensor | float], dict[str, Tensor]]:
        """The rows as one gradient; the factors in effect, and the norms before."""
        _unscale(rows, update.scaler)
        tasks, matrix = list(rows.tasks), rows.matrix
        own = torch.stack(
            [torch.as_tensor(weights.get(task, 0.0), dtype=torch.float32) for task in tasks]
        ).to(matrix.device)
        combined, plain = torch.split(
            matrix, [update.combined_values, matrix.shape[1] - update.combined_values], dim=1
        )
        effective: dict[str, Tensor | float] = dict(weights)
        norms: dict[str, Tensor] = {}
        vectors = [own @ plain]
        if self.aggregation is not None and update.combined_values:
            norms = dict(zip(tasks, combined.norm(dim=1).unbind(), strict=True))
            weighted = combined * own.unsqueeze(1)
            gramian = (weighted @ weighted.T).cpu().double()
            found = self.aggregation.combine(weighted, gramian, tasks, update.step)
            factor: Tensor | float = 1.0
            if self._config.match_norm:
                length = found.vector.norm()
                wanted = weighted.sum(dim=0).norm()
                factor = torch.where(length > 0, wanted / length, torch.ones_like(length))
            vectors = [found.vector * factor, *vectors]
            if found.factors:
                effective = {
                    task: own[at] * found.factors[at] * factor for at, task in enumerate(tasks)
                }
        scale = update.scaler.get_scale() if update.scaler.is_enabled() else 1.0
        for parameter, gradient in zip(
            rows.parameters, rows.as_gradients(torch.cat(vectors) * scale), strict=True
        ):
            parameter.grad = gradient
        return effective, norms


@dataclass
class _Update:
    """What is known of an update so far."""

    step: int = 0
    own_weights: dict[str, float] = field(default_factory=dict)
    scaler: torch.amp.GradScaler = field(
        default_factory=lambda: torch.amp.GradScaler("cpu", enabled=False)
    )
    is_late: bool = False
    """Whether the weights are known only when all micro-batches are there."""
    losses: dict[str, Tensor] = field(default_factory=dict)
    has_gradient: bool = False
    rows: TaskRows | None = None
    """Gradients that are kept apart: what is combined first, then what waits for its weights."""
    combined_values: int = 0
    """How many values of a row a method combines."""
    plain: list[nn.Parameter] = field(default_factory=list)
    """Shared parameters beside those in `rows`: their gradients are added up as they come."""
    own: dict[str, list[tuple[nn.Parameter, Tensor]]] = field(default_factory=dict)
    """By task, gradients of its head while `rows` are kept, unweighted."""
    top: TaskRows | None = None
    looked_at: TaskRows | None = None

    def add_own(
        self, task: str, parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor | None]
    ) -> None:
        """Add a micro-batch's gradients on the head of a task."""
        known = {id(parameter): gradient for parameter, gradient in self.own.get(task, [])}
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                before = known.get(id(parameter))
                known[id(parameter)] = gradient if before is None else before + gradient
        self.own[task] = [(p, known[id(p)]) for p in parameters if id(p) in known]


def moving(parts: Sequence[Part]) -> list[nn.Parameter]:
    """The parameters of these parts that are trained now."""
    return [
        parameter
        for part in parts
        for parameter in part.parameters.values()
        if parameter.requires_grad
    ]


def _top_parts(shared: Sequence[Part], layers: int) -> list[Part]:
    """The topmost layers and what is above them; all, if `layers` is 0."""
    depth = sum(part.role == "layer" for part in shared)
    return [
        part
        for part in shared
        if not layers or part.role in ("top", "pooling") or part.layer >= depth - layers
        if not (layers and part.role == "embeddings")
    ]


def _weighted(losses: Mapping[str, Tensor], weights: Mapping[str, Tensor | float]) -> Tensor | None:
    """The weighted sum of the losses that have a weight; None if none has."""
    terms = []
    for task, loss in losses.items():
        weight = weights.get(task, 0.0)
        # A product with 0 would still decay the head, and 0 x NaN is NaN.
        if isinstance(weight, Tensor) or weight != 0:
            terms.append(loss * weight)
    return torch.stack(terms).sum() if terms else None


def _unscale(rows: TaskRows, scaler: torch.amp.GradScaler) -> None:
    if scaler.is_enabled():
        rows.matrix.div_(scaler.get_scale())
