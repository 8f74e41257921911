"""What every way to combine gradients has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
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


class Aggregation(ABC):
    """Combines gradients: a gradient of 0 takes no part, one that stands alone stays as it is."""

    def __init__(self, settings: AggregationSettings) -> None:
        self.settings = settings

    @abstractmethod
    def combine(self, rows: Tensor, gramian: Tensor, tasks: Sequence[str], step: int) -> Combined:
        """One gradient out of those of the tasks that are present.

        Args:
            rows: A gradient each, `(tasks, parameters)`.
            gramian: Their products, `(tasks, tasks)`, in float64 on the CPU.
            tasks: Whose they are.
            step: The update, counted from 0.
        """

    def random(self, step: int) -> torch.Generator:
        """Random numbers that are a function of the run's seed and the update."""
        return torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)

    def state(self) -> dict[str, Any]:
        """All that `restore` needs: JSON values and tensors."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; there is nothing to restore by default."""
        return
