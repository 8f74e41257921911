"""One optimizer update: the single training step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workbench.data.batching import Batch
from workbench.model.heads import Head
from workbench.training.accumulation import label_counts, loss_shares, micro_batches
from workbench.training.balance import Balanced
from workbench.training.interference import Interference, look
from workbench.training.memory_limits import halve, is_out_of_memory
from workbench.training.optimizer import set_rates, trained_parameters
from workbench.training.reproducibility import RandomStreams
from workbench.training.run import Run
from workbench.training.state import State


@dataclass(frozen=True)
class Update:
    """What one update was; the tensors may still be on their way from a GPU."""

    step: int
    losses: Mapping[str, Tensor]
    total_loss: Tensor
    gradient_norm: Tensor
    learning_rates: Mapping[str, float]
    indices: tuple[int, ...]
    """Numbers of its examples in train."""
    texts: int
    tokens: int
    skipped: str = ""
    """Why nothing was learned from it, if so."""
    warnings: tuple[str, ...] = ()
    weights: Mapping[str, Tensor | float] = field(default_factory=dict)
    task_norms: Mapping[str, Tensor] = field(default_factory=dict)
    interference: Interference | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    planned_shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Gradients:
    """What the passes of an update added up to; the gradients themselves are at the parameters."""

    balanced: Balanced
    batches: Sequence[Batch]
    counts: Mapping[str, int]
    random: State | None
    """Where the random streams stood before the passes, if they are to be made again."""


def make_update(run: Run, indices: Sequence[int]) -> Update:
    """Forward, losses, backward, step. Counts `run.step` up.

    Args:
        run: What is trained.
        indices: Numbers of the update's examples in train.

    Raises:
        WorkerError: Memory ran out, and the settings do not say to try with less at a time.
    """
    optimization = run.config.optimization
    factor = optimization.rate_schedule.factor(run.step, run.total_steps) * run.plateau.factor
    run.unfreezing.start_step(run.step)
    rates = set_rates(run.optimizer, factor * run.requests.rate_scale)
    indices = run.learning_from(indices)
    found, warnings = _gradients_that_fit(run, indices)
    run.step += 1
    norm, skipped = torch.zeros(()), ""
    if run.config.training.on_nan == "skip":
        skipped = _what_is_not_finite(found)
    if found.balanced.has_gradient and not skipped:
        run.scaler.unscale_(run.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(
            trained_parameters(run.optimizer), optimization.max_gradient_norm or math.inf
        )
        # The scaler of fp16 leaves an update with such a norm out by itself.
        if run.config.training.on_nan == "skip" and not run.scaler.is_enabled():
            skipped = "" if math.isfinite(norm) else f"The norm of the gradient is {norm.item()}"
        if not skipped:
            run.scaler.step(run.optimizer)
            run.scaler.update()
    if skipped:
        run.skipped += 1
        run.optimizer.zero_grad(set_to_none=True)
    elif not run.scaler.is_enabled() or math.isfinite(norm):  # else the scaler left it out
        run.balance.learn(_losses_again(run, found) if found.random else {})
    rows, is_drawn = found.balanced.rows, run.sampling.follows_a_rule
    return Update(
        step=run.step,
        losses=found.balanced.losses,
        total_loss=found.balanced.total,
        gradient_norm=norm.detach(),
        learning_rates=rates,
        indices=tuple(indices),
        texts=sum(batch.texts for batch in found.batches),
        tokens=sum(batch.tokens for batch in found.batches),
        skipped=skipped,
        warnings=tuple(warnings),
        weights=found.balanced.weights,
        task_norms=found.balanced.norms,
        interference=look(rows, run.balance.shared) if rows is not None else None,
        shares=run.sampling.drawn(indices) if is_drawn else {},
        planned_shares=run.sampling.planned(run.step / run.total_steps) if is_drawn else {},
    )


def _gradients_that_fit(run: Run, indices: Sequence[int]) -> tuple[_Gradients, list[str]]:
    """The gradients of an update, with smaller micro-batches if need be; and what was said."""
    warnings: list[str] = []
    while True:
        try:
            return _gradients(run, indices), warnings
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Out here the error is gone, and with it what its traceback held on the device.
        run.optimizer.zero_grad(set_to_none=True)
        if run.looks_now:
            run.looks_every = 0
            warnings.append(
                f"Memory ran out at step {run.step + 1} while the tasks' gradients were looked at "
                "beside the update: they are looked at no more."
            )
        else:
            warnings.append(halve(run, indices))


def _gradients(run: Run, indices: Sequence[int]) -> _Gradients:
    if run.masks is not None:
        run.masks.start_step(run.step)
    run.optimizer.zero_grad(set_to_none=True)
    batches = micro_batches(run, indices)
    counts = label_counts(batches)
    # Weight 0 means not trained: a zero gradient would still decay the head, and 0 x NaN is NaN.
    weights = {task: run.weight_of(task) for task in run.balance.tasks if task in counts}
    weights = {task: weight for task, weight in weights.items() if weight > 0}
    weights = {task: weight for task, weight in weights.items() if _is_taught(run, task, batches)}
    run.balance.begin(
        run.step,
        weights,
        micro_batches=len(batches),
        scaler=run.scaler,
        wants_rows=run.looks_now and len(weights) > 1,
    )
    random = RandomStreams().state() if run.balance.wants_losses_again else None
    for batch in batches:
        run.balance.add(loss_shares(run, batch, counts))
        run.fitted_pieces = max(run.fitted_pieces, batch.ids.numel())
    return _Gradients(run.balance.finish(), batches, counts, random)


def _is_taught(run: Run, task: str, batches: Sequence[Batch]) -> bool:
    """Whether an update teaches a task anything: a loss of 0 for want of anything to compare with
    would look like a task that is learned.
    """
    head: Head = run.loaded.model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
    found = [batch.targets[task] for batch in batches if task in batch.targets]
    return any(head.teaches(targets) for targets in found)


@torch.no_grad()
def _losses_again(run: Run, found: _Gradients) -> dict[str, Tensor]:
    """The mean losses of the texts of an update after it was made, with the same dropout."""
    if run.masks is not None:
        run.masks.start_step(run.step - 1)
    assert found.random is not None
    RandomStreams().restore(found.random)
    again: dict[str, Tensor] = {}
    for batch in found.batches:
        for task, share in loss_shares(run, batch, found.counts).items():
            again[task] = again[task] + share if task in again else share
    return again


def _what_is_not_finite(found: _Gradients) -> str:
    """The first loss that is not finite, as a sentence without its end."""
    for task, loss in found.balanced.losses.items():
        if not math.isfinite(loss):
            return f'The loss of task "{task}" is {loss.item()}'
    return ""
