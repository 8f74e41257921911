"""What every way to weight losses has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from workbench.config.weighting import WeightingConfig

Losses = Mapping[str, Tensor]
"""By task, the mean loss over all its labels in an update; without a graph."""


@dataclass(frozen=True)
class WeightingSettings:
    """What a method is made from."""

    tasks: tuple[str, ...]
    """All that are trained, in order."""
    config: WeightingConfig
    seed: int
    updates_per_epoch: int
    device: torch.device


class Weighting(ABC):
    """Gives weights, and may learn. A task that is absent from an update takes no part in it."""

    looks_at_losses: ClassVar[bool] = False
    """Whether the weights depend on the losses of the very update that they are for."""
    looks_at_norms: ClassVar[bool] = False
    """Whether it learns from the norms of the gradients of the top shared layer."""
    looks_again: ClassVar[bool] = False
    """Whether it learns from the losses of the same texts after the update."""

    def __init__(self, settings: WeightingSettings) -> None:
        self.settings = settings

    @abstractmethod
    def weights(self, tasks: Sequence[str], losses: Losses, step: int) -> list[Tensor | float]:
        """The weight of each task in an update.

        Args:
            tasks: Those that have labels in it, at least one.
            losses: Theirs; empty unless the method `looks_at_losses`.
            step: The update, counted from 0.

        Returns:
            One for each of `tasks`.
        """

    def learn(self, losses: Losses, *, norms: Losses, again: Losses) -> None:
        """Take in what came of an update; nothing is learned by default.

        Args:
            losses: Of the tasks that had labels in it.
            norms: Of their gradients on the top shared layer; empty unless it `looks_at_norms`.
            again: The losses after the update; empty unless it `looks_again`.
        """
        return

    def state(self) -> dict[str, Any]:
        """All that `restore` needs: JSON values and tensors."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; there is nothing to restore by default."""
        return


class LearnedScalars:
    """A number for each task, moved by Adam; an absent task's number and its moments rest.

    Source: Kingma and Ba 2015, algorithm 1.
    """

    BETAS = (0.9, 0.999)
    EPSILON = 1e-8

    def __init__(
        self, settings: WeightingSettings, *, initial: float = 0.0, decay: float = 0.0
    ) -> None:
        """Begin with one value for all.

        Args:
            settings: Tell tasks, rate and device.
            initial: The value.
            decay: Added to each gradient, times the value.
        """
        self._tasks = settings.tasks
        self._rate, self._decay = settings.config.learning_rate, decay
        size, device = len(settings.tasks), settings.device
        self.values = torch.full((size,), initial, device=device)
        self._means, self._squares, self._steps = torch.zeros(3, size, device=device)

    def of(self, tasks: Sequence[str]) -> Tensor:
        """The numbers of some tasks, `(tasks,)`."""
        return self.values[self._places(tasks)]

    def step(self, tasks: Sequence[str], gradients: Tensor) -> None:
        """Move the numbers of some tasks against their gradients, `(tasks,)`."""
        at = self._places(tasks)
        values = self.values[at]
        gradients = gradients + self._decay * values
        first, second = self.BETAS
        self._steps[at] += 1
        self._means[at] = first * self._means[at] + (1 - first) * gradients
        self._squares[at] = second * self._squares[at] + (1 - second) * gradients**2
        mean = self._means[at] / (1 - first ** self._steps[at])
        square = self._squares[at] / (1 - second ** self._steps[at])
        self.values[at] = values - self._rate * mean / (square.sqrt() + self.EPSILON)

    def put(self, tasks: Sequence[str], values: Tensor) -> None:
        """Set the numbers of some tasks."""
        self.values[self._places(tasks)] = values

    def state(self) -> dict[str, Any]:
        """Values and moments."""
        parts = (self.values, self._means, self._squares, self._steps)
        return {"tasks": list(self._tasks), "scalars": torch.stack(parts).cpu()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, by the tasks' names."""
        parts = (self.values, self._means, self._squares, self._steps)
        for column, task in enumerate(state["tasks"]):
            if task in self._tasks:
                for row, part in enumerate(parts):
                    part[self._tasks.index(task)] = state["scalars"][row][column]

    def _places(self, tasks: Sequence[str]) -> list[int]:
        return [self._tasks.index(task) for task in tasks]


def stacked(losses: Losses, tasks: Sequence[str]) -> Tensor:
    """The losses of these tasks in one vector, `(tasks,)`, in float32."""
    return torch.stack([losses[task].detach().float() for task in tasks])
