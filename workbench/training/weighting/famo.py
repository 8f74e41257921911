"""Weights such that all losses fall at one rate."""

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

_DECAY = 1e-3
_SMALLEST = 1e-8


class Famo(Weighting):
    """The weights move towards the task whose loss fell least in relation to its size.

    What is minimised is the sum of `z_i * log(loss_i)`, scaled so that the weights sum to 1,
    with `z` the softmax of learned numbers; these learn from the change of `log(loss)` that an
    update makes on its own texts.

    Source: Liu et al. 2023, FAMO: Fast adaptive multitask optimization, algorithm 2.
    """

    looks_at_losses = True
    looks_again = True

    def __init__(self, settings: WeightingSettings) -> None:
        super().__init__(settings)
        self._logits = LearnedScalars(settings, decay=_DECAY)

    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """Shares over losses, scaled to sum to 1."""
        pulls = self._logits.of(tasks).softmax(dim=0) / (stacked(losses, tasks) + _SMALLEST)
        return list(pulls / pulls.sum())

    def learn(self, losses: Losses, *, norms: Losses, again: Losses) -> None:
        """Give more to who gained least."""
        tasks = [task for task in losses if task in again]
        if not tasks:
            return
        before, after = stacked(losses, tasks), stacked(again, tasks)
        gains = (before + _SMALLEST).log() - (after + _SMALLEST).log()
        shares = self._logits.of(tasks).softmax(dim=0)
        self._logits.step(tasks, shares * (gains - (shares * gains).sum()))

    def state(self) -> dict[str, Any]:
        """What the shares are the softmax of."""
        return self._logits.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._logits.restore(state)
