"""Losses brought to one size by a scale that is learned for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from workbench.training.weighting.base import (
    LearnedScalars,
    Losses,
    Weighting,
    WeightingSettings,
    stacked,
)


class Uncertainty(Weighting):
    """A task weighs one over its variance: `exp(-s) * loss + s / 2`, `s` the log-variance.

    This is the form for likelihoods of classes; the one for a regression's squares has half of
    the first term, which moves where `s` comes to rest by log 2 and nothing else.

    Source: Kendall et al. 2018, Multi-task learning using uncertainty to weigh losses, eq. 10.
    """

    def __init__(self, settings: WeightingSettings) -> None:
        super().__init__(settings)
        self._log_variances = LearnedScalars(settings)

    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """One over the variances."""
        return list((-self._log_variances.of(tasks)).exp())

    def learn(self, losses: Losses, *, norms: Losses, again: Losses) -> None:
        """Move the log-variances down their own gradient."""
        tasks = list(losses)
        scaled = (-self._log_variances.of(tasks)).exp() * stacked(losses, tasks)
        self._log_variances.step(tasks, 0.5 - scaled)

    def state(self) -> dict[str, Any]:
        """The log-variances."""
        return self._log_variances.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._log_variances.restore(state)


class ImtlLoss(Weighting):
    """Scales that bring every loss to 1: `exp(s) * loss - s`.

    Source: Liu et al. 2021, Towards impartial multi-task learning, section 3.2 (IMTL-L).
    """

    def __init__(self, settings: WeightingSettings) -> None:
        super().__init__(settings)
        self._log_scales = LearnedScalars(settings)

    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """The scales."""
        return list(self._log_scales.of(tasks).exp())

    def learn(self, losses: Losses, *, norms: Losses, again: Losses) -> None:
        """Move the scales down their own gradient."""
        tasks = list(losses)
        scaled = self._log_scales.of(tasks).exp() * stacked(losses, tasks)
        self._log_scales.step(tasks, scaled - 1.0)

    def state(self) -> dict[str, Any]:
        """The scales."""
        return self._log_scales.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._log_scales.restore(state)
