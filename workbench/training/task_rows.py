"""The gradient of each task on some parameters, added up over the micro-batches of an update."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class TaskRows:
    """One row a task, `(tasks, values)`; a task that a micro-batch lacks adds nothing to its row.

    Rows of our own rather than torchjd's: there a micro-batch without a task gives this task the
    gradient of another.
    """

    def __init__(self, tasks: Sequence[str], parameters: Sequence[nn.Parameter]) -> None:
        """Begin with rows of 0.

        Args:
            tasks: Those that have labels in the update.
            parameters: What the gradients are by; each is trained.
        """
        self.tasks, self.parameters = tuple(tasks), tuple(parameters)
        self._sizes = [parameter.numel() for parameter in parameters]
        device = parameters[0].device if parameters else None
        self.matrix = torch.zeros(len(self.tasks), sum(self._sizes), device=device)

    def add(self, task: str, gradients: Sequence[Tensor | None]) -> None:
        """Add a micro-batch's gradient of one task; None where it does not reach a parameter."""
        row = self.matrix[self.tasks.index(task)]
        for part, gradient in zip(torch.split(row, self._sizes), gradients, strict=True):
            if gradient is not None:
                part.add_(gradient.reshape(-1))

    def as_gradients(self, vector: Tensor) -> list[Tensor]:
        """A vector of as many values as a row has, as one tensor per parameter."""
        return [
            part.view_as(parameter)
            for part, parameter in zip(
                torch.split(vector, self._sizes), self.parameters, strict=True
            )
        ]


def gradients_of(
    loss: Tensor, parameters: Sequence[nn.Parameter], *, keep_graph: bool
) -> tuple[Tensor | None, ...]:
    """The gradient of a loss by each parameter, None where it does not reach; `.grad` stays."""
    if not parameters:
        return ()
    return torch.autograd.grad(loss, parameters, retain_graph=keep_graph, allow_unused=True)
