"""What every way to combine gradients has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.config.weighting import WeightingConfig


@dataclass(frozen=True)
class AggregationSettings:
    """What a method is made from."""

    tasks: tuple[str, ...]
    """All that are trained, in order."""
    config: WeightingConfig
    seed: int


@dataclass(frozen=True)
class Combined:
    """One gradient out of several."""

    vector: Tensor
    """`(parameters,)`."""
    factors: tuple[float, ...]
    """What each gradient was multiplied with; empty where a method takes them apart."""


class Aggregation:
    """Combines gradients by factors that follow from their products.

    Guarantees that a gradient of 0 and one that stands alone come out as they are, and that a
    gradient that is not finite does so, too, and is seen by whoever looks at the result.
    """

    def __init__(self, settings: AggregationSettings) -> None:
        self.settings = settings

    def combine(self, rows: Tensor, gramian: Tensor, tasks: Sequence[str], step: int) -> Combined:
        """One gradient out of those of the tasks that are present.

        Args:
            rows: A gradient each, `(tasks, parameters)`.
            gramian: Their products, `(tasks, tasks)`, in float64 on the CPU.
            tasks: Whose they are.
            step: The update, counted from 0.
        """
        factors = torch.ones(len(tasks), dtype=torch.float64)
        sizes = gramian.diagonal()
        there = torch.nonzero(sizes > 0).flatten().tolist()
        if len(there) > 1 and bool(torch.isfinite(gramian).all()):
            # Only the proportions matter to the methods, but solvers have absolute tolerances.
            scale = float(sizes[there].mean())
            names = [tasks[at] for at in there]
            found = self.factors(gramian[there][:, there] / scale, scale, names, step)
            if bool(torch.isfinite(found).all()):
                factors[there] = found
        vector = factors.to(rows.device, rows.dtype) @ rows
        return Combined(vector, tuple(factors.tolist()))

    def factors(self, gramian: Tensor, scale: float, tasks: Sequence[str], step: int) -> Tensor:
        """The factor of each gradient, `(tasks,)`.

        Args:
            gramian: Products of gradients of which none is 0, their squares 1 on average, in
                float64 on the CPU, `(tasks, tasks)`, at least two.
            scale: What they were divided by.
            tasks: Whose they are.
            step: The update, counted from 0.
        """
        raise NotImplementedError

    def random(self, step: int) -> torch.Generator:
        """Random numbers that are a function of the run's seed and the update."""
        return torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)

    def state(self) -> dict[str, Any]:
        """All that `restore` needs: JSON values and tensors."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
