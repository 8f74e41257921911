"""A person's own formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.config.formula import parse_formula, work_out
from workbench.training.weighting.base import Losses, Weighting, WeightingSettings, stacked


def _vector(values: Sequence[Any]) -> Tensor:
    return torch.stack([torch.as_tensor(value, dtype=torch.float32) for value in values])


_ON_TENSORS: dict[str, Callable[[Sequence[Any]], Tensor]] = {
    "min": lambda values: _vector(values).min(),
    "max": lambda values: _vector(values).max(),
    "mean": lambda values: _vector(values).mean(),
    "sqrt": lambda values: _vector(values).sum().sqrt(),
    "log": lambda values: _vector(values).sum().log(),
}


class Formula(Weighting):
    """What a person typed; the weights are its derivatives by the losses."""

    looks_at_losses = True

    def __init__(self, settings: WeightingSettings) -> None:
        super().__init__(settings)
        self._formula = parse_formula(settings.config.formula or "", settings.tasks)

    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """0 for a task that the formula passes over, such as the lower one of a `max`."""
        # On the CPU: a few numbers, which a constant beside them must share a device with.
        device = losses[tasks[0]].device
        with torch.enable_grad():
            leaves = stacked(losses, tasks).cpu().requires_grad_()
            named = dict(zip(tasks, leaves.unbind(), strict=True))
            value = work_out(self._formula, named, _ON_TENSORS)
            if not isinstance(value, Tensor) or not value.requires_grad:
                return [0.0] * len(tasks)
            (slopes,) = torch.autograd.grad(value, leaves)
        return list(slopes.to(device))
