"""Gradients of like norms, slow tasks larger ones."""

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

_SMALLEST = 1e-3
"""What a weight never falls below: at 0 a task would never come back."""


class GradNorm(Weighting):
    """Moves the weights so that each weighted gradient has the norm that its task is due.

    That is the mean of the norms times the task's relative loss (to its first) to the power of
    `asymmetry`. The norms are those of the top shared layer.

    Source: Chen et al. 2018, GradNorm, equations 1 and 2.
    """

    looks_at_norms = True

    def __init__(self, settings: WeightingSettings) -> None:
        super().__init__(settings)
        self._weights = LearnedScalars(settings, initial=1.0)
        self._first: dict[str, Tensor] = {}

    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """As learned; over all tasks they sum to the number of tasks."""
        return list(self._weights.of(tasks))

    def learn(self, losses: Losses, *, norms: Losses, again: Losses) -> None:
        """One step against the distance between the norms and what is due."""
        for task, loss in losses.items():
            # Nothing can be relative to 0: such a task would have the largest weight for good.
            if task not in self._first and loss != 0:
                self._first[task] = loss.detach()
        tasks = [task for task in losses if task in norms and task in self._first]
        if len(tasks) < 2:  # alone a task has nobody to be compared with
            return
        before, unweighted = self._weights.of(tasks), stacked(norms, tasks)
        weighted = before * unweighted
        relative = stacked(losses, tasks) / stacked(self._first, tasks)
        rates = relative / relative.mean()
        due = weighted.mean() * rates**self.settings.config.asymmetry
        self._weights.step(tasks, (weighted - due).sign() * unweighted)
        after = self._weights.of(tasks).clamp(min=_SMALLEST)
        self._weights.put(tasks, after * before.sum() / after.sum())

    def state(self) -> dict[str, Any]:
        """The weights and the first losses."""
        first = {task: float(loss) for task, loss in self._first.items()}
        return {**self._weights.state(), "first": first}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._weights.restore(state)
        make = self._weights.values.new_tensor
        self._first = {task: make(loss) for task, loss in state["first"].items()}
