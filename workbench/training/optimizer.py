"""Optimizers over parameter groups built from the structure of the model, never from names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from workbench.errors import ConfigError
from workbench.events import ParameterGroup
from workbench.model.multitask import MultiTaskModel
from workbench.model.parts import Part, is_embedding, parts_of
from workbench.schedules import layer_factors

BACKBONE, HEADS = "backbone", "heads"

Groups = list[dict[str, Any]]


@dataclass(frozen=True)
class Rates:
    """The highest rate of every part of a model."""

    backbone: float
    heads: float
    tasks: Mapping[str, float] = field(default_factory=dict)
    """Rates of heads that have one of their own."""
    layers: str = "uniform"
    """How the rate differs inside the backbone, as `layer_factors` knows it."""
    decay: float = 1.0
    table: Sequence[float] = ()

    def of(self, parts: Sequence[Part]) -> list[tuple[Part, str, float]]:
        """Each part with the name and the highest rate of its group."""
        depth = sum(part.role == "layer" for part in parts)
        factors = layer_factors(self.layers, depth, decay=self.decay, table=self.table)
        found = []
        for part in parts:
            if part.role in ("head", "pooling", "mix"):
                own = part.task in self.tasks
                rate = self.tasks[part.task] if own else self.heads
                found.append((part, part.name if own else HEADS, rate))
            else:
                factor = 1.0 if part.role == "top" else factors[part.layer + 1]
                name = BACKBONE if self.layers == "uniform" else part.name
                found.append((part, name, self.backbone * factor))
        return found


def build_optimizer(
    model: MultiTaskModel, *, rates: Rates, weight_decay: float, kind: str = "adamw"
) -> torch.optim.Optimizer:
    """An optimizer of the parameters that are trained.

    Every group carries its `name` and its highest rate as `peak`. Vectors (biases, the
    weights of norms), embeddings and what says `no_decay` are in groups without decay.

    Args:
        model: Frozen where it shall be frozen.
        rates: Highest rate of each part.
        weight_decay: Decoupled decay of the matrices of layers.
        kind: A name in `OPTIMIZERS`.

    Raises:
        ConfigError: The optimizer's package is not installed.
    """
    groups: dict[tuple[str, float, float], list[nn.Parameter]] = {}
    for one in _slices(model, rates, weight_decay):
        if not one.frozen:
            groups.setdefault((one.group, one.rate, one.decay), []).extend(one.parameters.values())
    made = [
        {"params": parameters, "lr": rate, "peak": rate, "weight_decay": decay, "name": name}
        for (name, rate, decay), parameters in groups.items()
    ]
    # torch refuses to have no group at all, which is what a model has that is wholly frozen.
    return OPTIMIZERS[kind](made or [{"params": [], "lr": 0.0, "peak": 0.0, "name": HEADS}])


def parameter_table(
    model: MultiTaskModel, *, rates: Rates, weight_decay: float, begins: Mapping[str, int]
) -> tuple[ParameterGroup, ...]:
    """What moves how fast: one line for all that is alike in a part, from the bottom up.

    Args:
        model: Frozen where it shall be frozen for good.
        rates: Highest rate of each part.
        weight_decay: Of what decays.
        begins: By name of what thaws later, the update (counted from 0) that it begins in.
    """
    return tuple(
        ParameterGroup(
            name=one.part.name,
            parameters=sum(parameter.numel() for parameter in one.parameters.values()),
            rate=0.0 if one.frozen else one.rate,
            decay=0.0 if one.frozen else one.decay,
            frozen=one.frozen,
            first_step=max(begins.get(name, 0) for name in one.parameters) + 1,
        )
        for one in _slices(model, rates, weight_decay)
    )


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> dict[str, float]:
    """Give each group its highest rate times `factor`.

    Returns:
        The rates by group name, of the groups that move.
    """
    rates = {}
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
        if any(parameter.requires_grad for parameter in group["params"]):
            rates[group["name"]] = group["lr"]
    return rates


def trained_parameters(optimizer: torch.optim.Optimizer) -> Iterable[nn.Parameter]:
    """All parameters that the optimizer moves."""
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def weights_to_train(optimizer: Any) -> None:
    """Put the weights where gradients are to be taken; only schedule-free knows two places."""
    if hasattr(optimizer, "train"):
        optimizer.train()


def weights_to_use(optimizer: Any) -> None:
    """Put the weights where the model is to be looked at and saved: there, their average."""
    if hasattr(optimizer, "eval"):
        optimizer.eval()


def _adamw(groups: Groups) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, fused=True)


def _adafactor(groups: Groups) -> torch.optim.Optimizer:
    from transformers.optimization import Adafactor

    # With the rate as it is given: relative steps would leave the schedule without effect.
    made: torch.optim.Optimizer = Adafactor(groups, scale_parameter=False, relative_step=False)
    return made


def _schedule_free(groups: Groups) -> torch.optim.Optimizer:
    try:
        from schedulefree import AdamWScheduleFree
    except ImportError as error:
        raise ConfigError(
            "The optimizer schedule_free needs the package schedulefree, which is not installed.",
            where="[optimization] optimizer",
            next_step="pip install 'mtl-workbench[schedulefree]', or set it to adamw",
        ) from error
    made: torch.optim.Optimizer = AdamWScheduleFree(groups)
    return made


OPTIMIZERS: dict[str, Callable[[Groups], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "adafactor": _adafactor,
    "schedule_free": _schedule_free,
}
"""By name in the settings."""


@dataclass(frozen=True)
class _Slice:
    """Parameters of one part that are alike in all that an optimizer asks of them."""

    part: Part
    group: str
    rate: float
    decay: float
    frozen: bool
    parameters: Mapping[str, nn.Parameter]


def _slices(model: MultiTaskModel, rates: Rates, weight_decay: float) -> Iterator[_Slice]:
    embeddings = {
        id(parameter)
        for module in model.modules()
        if is_embedding(module)
        for parameter in module.parameters(recurse=False)
    }
    for part, group, rate in rates.of(parts_of(model)):
        found: dict[tuple[bool, float], dict[str, nn.Parameter]] = {}
        for name, parameter in part.parameters.items():
            decays = (
                parameter.ndim > 1
                and id(parameter) not in embeddings
                and not getattr(parameter, "no_decay", False)
            )
            key = (not parameter.requires_grad, weight_decay if decays else 0.0)
            found.setdefault(key, {})[name] = parameter
        for (frozen, decay), parameters in found.items():
            yield _Slice(part, group, rate, decay, frozen, parameters)
