"""The worst task decides, smoothly."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from workbench.training.weighting.base import Losses, Weighting, stacked


class SmoothMaximum(Weighting):
    """`mu * log(sum(exp(loss_i / tasks / mu)))`: a smooth Chebyshev scalarization, ideal point 0.

    Source: Lin et al. 2024, Smooth Tchebycheff scalarization, equation 6.
    """

    looks_at_losses = True

    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """The derivative by each loss: a softmax over the number of tasks."""
        values = stacked(losses, tasks) / len(tasks)
        return list((values / self.settings.config.smoothness).softmax(dim=0) / len(tasks))
