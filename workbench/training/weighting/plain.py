"""Weights that nothing is learned for: sum, mean, random, geometric mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.training.weighting.base import Losses, Weighting, stacked


class Sum(Weighting):
    """All losses as they are."""

    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """1 for each."""
        return [1.0] * len(tasks)


class Mean(Weighting):
    """The mean over the tasks of the update."""

    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """One over the number of tasks."""
        return [1.0 / len(tasks)] * len(tasks)


class RandomWeights(Weighting):
    """Drawn anew for each update, as a function of seed and step; they sum to 1.

    Source: Lin et al. 2022, Reasonable effectiveness of random weighting, algorithm 2.
    """

    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """A softmax of normal numbers."""
        random = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
        drawn = torch.randn(len(tasks), generator=random).softmax(dim=0)
        return list(drawn.tolist())


class GeometricMean(Weighting):
    """The geometric mean of the losses: a loss of any size pulls by its relative change.

    Source: Chennupati et al. 2019, MultiNet++, section 4.
    """

    looks_at_losses = True

    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """The derivative by each loss: the mean over the loss, over the number of tasks."""
        values = stacked(losses, tasks).clamp(min=torch.finfo(torch.float32).tiny)
        mean = values.log().mean().exp()
        return list(mean / values / len(tasks))
