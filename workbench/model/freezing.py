"""Parameters that do not move: no gradient, no optimizer state, no decay, evaluation mode."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from torch import nn

from workbench.errors import ConfigError
from workbench.model.parts import Part, is_norm, parts_of
from workbench.schedules import thaw_step, thawed_parts

if TYPE_CHECKING:
    from workbench.model.multitask import MultiTaskModel

Freezing = Callable[["MultiTaskModel", int], set[str]]
"""From a model and a number of layers to the names of the parameters that do not move."""


def _nothing(model: MultiTaskModel, layers: int) -> set[str]:
    return set()


def _everything(model: MultiTaskModel, layers: int) -> set[str]:
    return {name for name, _ in model.named_parameters()}


def _backbone(model: MultiTaskModel, layers: int) -> set[str]:
    return {f"backbone.{name}" for name, _ in model.backbone.named_parameters()}


def _embeddings(model: MultiTaskModel, layers: int) -> set[str]:
    return _names(part for part in parts_of(model) if part.role == "embeddings")


def _lowest(model: MultiTaskModel, layers: int) -> set[str]:
    parts = parts_of(model)
    _check_depth(parts, layers)
    return _names(
        part
        for part in parts
        if part.role == "embeddings" or (part.role == "layer" and part.layer < layers)
    )


def _all_but_top(model: MultiTaskModel, layers: int) -> set[str]:
    depth = _check_depth(parts_of(model), layers)
    return _lowest(model, depth - layers) if layers < depth else _embeddings(model, 0)


def _norms_only(model: MultiTaskModel, layers: int) -> set[str]:
    norms = {
        id(parameter)
        for module in model.backbone.modules()
        if is_norm(module)
        for parameter in module.parameters(recurse=False)
    }
    return _all_of_the_backbone_but(model, norms, "norms")


def _biases_only(model: MultiTaskModel, layers: int) -> set[str]:
    biases = {
        id(parameter)
        for module in model.backbone.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if name == "bias"
    }
    return _all_of_the_backbone_but(model, biases, "biases")


FREEZINGS: dict[str, Freezing] = {
    "none": _nothing,
    "everything": _everything,
    "backbone": _backbone,
    "embeddings": _embeddings,
    "lowest": _lowest,
    "all_but_top": _all_but_top,
    "norms_only": _norms_only,
    "biases_only": _biases_only,
}
"""By mode."""


def freeze(
    model: MultiTaskModel,
    mode: str,
    *,
    layers: int = 0,
    heads: Sequence[str] = (),
    patterns: Sequence[str] = (),
) -> frozenset[str]:
    """Freeze what is not to move, for good.

    Args:
        model: Not yet given to an optimizer.
        mode: A name in `FREEZINGS`.
        layers: How many layers the modes `lowest` and `all_but_top` speak of.
        heads: Tasks whose heads are frozen, too.
        patterns: Names of further parameters, with * for any text.

    Returns:
        The names of the frozen parameters, those that were frozen before among them: what adapters
        stand beside.

    Raises:
        ConfigError: The model has not what is to be frozen.
    """
    names = FREEZINGS[mode](model, layers)
    names |= _names(part for part in parts_of(model) if part.task in heads and part.task)
    for pattern in patterns:
        names |= _fitting(model, pattern)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            names.add(name)
        if name in names:
            parameter.requires_grad_(False)
            # A stale gradient would still move the parameter at the next update.
            parameter.grad = None
    return frozenset(names)


class GradualUnfreezing:
    """Thaws the backbone in the course of a run, from its top down.

    Guarantees that what was frozen before it was made stays so. A parameter without a gradient is
    passed over by the optimizer: no decay, and its state begins with its first gradient.
    """

    def __init__(self, model: MultiTaskModel, *, share: float, total_steps: int) -> None:
        """Plan the thawing.

        Args:
            model: Frozen where it shall stay frozen.
            share: Of the run in which all parts thaw; 0 for a backbone that is trained at once.
            total_steps: Updates of the whole run.
        """
        self._model = model
        self._share, self._total_steps = share, total_steps
        self._waiting = _thawing_together(model) if share else []
        self._thawed: int | None = None

    @property
    def thawed(self) -> int:
        """How many parts have thawed so far."""
        return self._thawed or 0

    def steps_as_now(self, step: int) -> int:
        """For how many updates from `step` on, itself included, no other part thaws."""
        begins = (
            thaw_step(
                number,
                parts=len(self._waiting),
                share=self._share,
                total_steps=self._total_steps,
            )
            for number in range(len(self._waiting))
        )
        return min([begin for begin in begins if begin > step], default=self._total_steps) - step

    def start_step(self, step: int) -> None:
        """Let what moves in this update move, and nothing else."""
        if not self._waiting:
            return
        thawed = thawed_parts(
            step, parts=len(self._waiting), share=self._share, total_steps=self._total_steps
        )
        if thawed == self._thawed:
            return
        self._thawed = thawed
        for number, parameters in enumerate(self._waiting):
            for parameter in parameters.values():
                parameter.requires_grad_(number < thawed)
        self._model.train()  # puts what is frozen now, and only that, into evaluation mode


def first_steps(model: MultiTaskModel, *, share: float, total_steps: int) -> dict[str, int]:
    """By name of each parameter that thaws later, the update it begins in, counted from 0.

    The arguments are those of `GradualUnfreezing`.
    """
    waiting = _thawing_together(model) if share else []
    return {
        name: thaw_step(number, parts=len(waiting), share=share, total_steps=total_steps)
        for number, parameters in enumerate(waiting)
        for name in parameters
    }


def is_frozen(part: nn.Module) -> bool:
    """Whether no parameter of this part is trained."""
    return not any(parameter.requires_grad for parameter in part.parameters())


def frozen_checksum(model: nn.Module, names: Collection[str] | None = None) -> str:
    """SHA-256 over names and values of frozen parameters; empty if there is none.

    Args:
        model: The model.
        names: Which ones; by default all that are frozen now.
    """
    digest = hashlib.sha256()
    frozen = sorted(
        (name, parameter)
        for name, parameter in model.named_parameters()
        if (name in names if names is not None else not parameter.requires_grad)
    )
    for name, parameter in frozen:
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest() if frozen else ""


def _thawing_together(model: MultiTaskModel) -> list[dict[str, nn.Parameter]]:
    """The trained parameters of the backbone by part, topmost first."""
    waiting: list[dict[str, nn.Parameter]] = []
    after_the_layers: dict[str, nn.Parameter] = {}
    for part in reversed(parts_of(model)):
        trained = {name: value for name, value in part.parameters.items() if value.requires_grad}
        if part.role == "top":
            after_the_layers = trained  # alone it would thaw a norm, and cost a step of the plan
        elif part.role in ("layer", "embeddings") and (trained or after_the_layers):
            waiting.append(after_the_layers | trained)
            after_the_layers = {}
    return [*waiting, after_the_layers] if after_the_layers else waiting


def _names(parts: Iterator[Part]) -> set[str]:
    return {name for part in parts for name in part.parameters}


def _check_depth(parts: list[Part], layers: int) -> int:
    """How many layers there are.

    Raises:
        ConfigError: Fewer than `layers`.
    """
    depth = sum(part.role == "layer" for part in parts)
    if layers > depth:
        raise ConfigError(
            f"freezing.layers is {layers}, but the backbone has {depth} layers.",
            where="[freezing] layers",
            next_step=f"set it to {depth} at most" if depth else "take another freezing.mode",
        )
    return depth


def _all_of_the_backbone_but(model: MultiTaskModel, trained: set[int], what: str) -> set[str]:
    if not trained:
        raise ConfigError(
            f"The backbone has no {what} that could be trained.",
            where="[freezing] mode",
            next_step='set it to "backbone" to train the heads alone, or take another backbone',
        )
    return {
        f"backbone.{name}"
        for name, parameter in model.backbone.named_parameters()
        if id(parameter) not in trained
    }


def _fitting(model: MultiTaskModel, pattern: str) -> set[str]:
    names = [name for name, _ in model.named_parameters()]
    found = {name for name in names if fnmatchcase(name, pattern)}
    if not found:
        raise ConfigError(
            f'freezing.patterns: "{pattern}" fits no parameter.',
            where="[freezing] patterns",
            next_step=f"names are such as {names[0]}, {names[len(names) // 2]} and {names[-1]}",
        )
    return found
