"""What the methods have in common that give each gradient a factor."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.training.aggregation.base import Aggregation, Combined


class FactorAggregation(Aggregation):
    """Combines gradients by factors that follow from their products.

    Guarantees that a gradient of 0 and one that stands alone come out as they are, and that a
    gradient that is not finite does so, too, and is seen by whoever looks at the result.
    """

    def combine(self, rows: Tensor, gramian: Tensor, tasks: Sequence[str], step: int) -> Combined:
        """See `Aggregation.combine`."""
        factors = torch.ones(len(tasks), dtype=torch.float64)
        sizes = gramian.diagonal()
        there = torch.nonzero(sizes > 0).flatten().tolist()
        if len(there) > 1 and bool(torch.isfinite(gramian).all()):
            # Only the proportions matter to the methods, but solvers have absolute tolerances.
            scale = float(sizes[there].mean())
            names = [tasks[at] for at in there]
            found = self.factors(gramian[there][:, there] / scale, scale, names, step)
            if bool(torch.isfinite(found).all()):
                factors[there] = found
        vector = factors.to(rows.device, rows.dtype) @ rows
        return Combined(vector, tuple(factors.tolist()))

    @abstractmethod
    def factors(self, gramian: Tensor, scale: float, tasks: Sequence[str], step: int) -> Tensor:
        """The factor of each gradient, `(tasks,)`.

        Args:
            gramian: Products of gradients of which none is 0, their squares 1 on average, in
                float64 on the CPU, `(tasks, tasks)`, at least two.
            scale: What they were divided by.
            tasks: Whose they are.
            step: The update, counted from 0.
        """
