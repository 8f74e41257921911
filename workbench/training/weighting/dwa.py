"""Tasks whose loss falls slowly weigh more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.training.weighting.base import Losses, Weighting, WeightingSettings


class DynamicWeightAverage(Weighting):
    """A softmax of how each task's mean loss changed from the last but one period to the last.

    The weights sum to the number of tasks in the update. Until a task has two periods behind it
    in which it had labels, its loss counts as unchanged.

    Source: Liu et al. 2019, End-to-end multi-task learning with attention, section 3.2.
    """

    def __init__(self, settings: WeightingSettings) -> None:
        super().__init__(settings)
        self._period = settings.config.period or max(1, settings.updates_per_epoch)
        self._updates = 0
        size = len(settings.tasks)
        # Sums and counts of this period, and the means of the two before; on the device, so
        # that nobody waits for a number.
        self._sums, self._counts = torch.zeros(2, size, device=settings.device)
        self._last, self._last_but_one = torch.full((2, size), torch.nan, device=settings.device)

    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """By the ratios of the last two periods."""
        at = [self.settings.tasks.index(task) for task in tasks]
        ratios = torch.nan_to_num(self._last[at] / self._last_but_one[at], nan=1.0)
        shares = (ratios / self.settings.config.temperature).softmax(dim=0)
        return list(len(tasks) * shares)

    def learn(self, losses: Losses, *, norms: Losses, again: Losses) -> None:
        """Add up; at the end of a period compare."""
        for task, loss in losses.items():
            at = self.settings.tasks.index(task)
            self._sums[at] += loss.detach()
            self._counts[at] += 1
        self._updates += 1
        if self._updates % self._period == 0:
            means = self._sums / self._counts  # NaN for a task without labels
            seen = self._counts > 0
            self._last_but_one = torch.where(seen, self._last, self._last_but_one)
            self._last = torch.where(seen, means, self._last)
            self._sums, self._counts = torch.zeros_like(means), torch.zeros_like(means)

    def state(self) -> dict[str, Any]:
        """Sums and means, and how far the period is."""
        parts = (self._sums, self._counts, self._last, self._last_but_one)
        return {"updates": self._updates, "means": torch.stack(parts).cpu()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._updates = state["updates"]
        parts = state["means"].to(self.settings.device)
        self._sums, self._counts, self._last, self._last_but_one = parts.clone().unbind()
