"""Tasks that are through: what stops improving stops being trained, and is looked at all the same.

The head of such a task gets no gradient any more, so that it stays as it is to the last bit, while
the backbone may move on under it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workbench.events import TaskGraduated


class Graduation:
    """Which tasks are still trained, by their patience and the dev metrics so far."""

    def __init__(self, metrics: Mapping[str, str], patience: Mapping[str, int]) -> None:
        """Watch a run.

        Args:
            metrics: By task, the name of the metric that counts.
            patience: By task, how many evaluations without a new best it stays; 0 for ever.
        """
        self._metrics = dict(metrics)
        self._patience = {task: number for task, number in patience.items() if number > 0}
        self._best: dict[str, float] = {}
        self._best_steps: dict[str, int] = {}
        self._waited: dict[str, int] = {}
        self.steps: dict[str, int] = {}
        """By task that is through, the update after which it was."""

    def evaluated(
        self, step: int, metrics: Mapping[str, Mapping[str, float]]
    ) -> Iterator[TaskGraduated]:
        """Take in a planned evaluation of dev; tells which tasks are through with it."""
        for task, patience in self._patience.items():
            if task not in metrics or task in self.steps:
                continue
            value = metrics[task][self._metrics[task]]
            if task not in self._best or value > self._best[task]:
                self._best[task], self._best_steps[task] = value, step
                self._waited[task] = 0
                continue
            self._waited[task] += 1
            if self._waited[task] >= patience:
                self.steps[task] = step
                yield TaskGraduated(
                    step,
                    task,
                    self._metrics[task],
                    best=self._best[task],
                    best_step=self._best_steps[task],
                )

    def state(self) -> dict[str, Any]:
        """All that `restore` needs."""
        return {
            "best": self._best,
            "best_steps": self._best_steps,
            "waited": self._waited,
            "steps": self.steps,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._best, self._best_steps = dict(state["best"]), dict(state["best_steps"])
        self._waited, self.steps = dict(state["waited"]), dict(state["steps"])
