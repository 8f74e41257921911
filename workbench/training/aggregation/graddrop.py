"""Per value one sign is drawn, and gradients of the other sign are dropped."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.training.aggregation.base import Aggregation, Combined


class GradDrop(Aggregation):
    """A value's sign is positive with the share that the positive parts have in its gradients.

    Source: Chen et al. 2020, Just pick a sign, algorithm 1.
    """

    def combine(self, rows: Tensor, gramian: Tensor, tasks: Sequence[str], step: int) -> Combined:
        """See `Aggregation.combine`."""
        # torchjd's own divides by 0 where no task moves a value, as in rows of embeddings.
        total, size = rows.sum(dim=0), rows.abs().sum(dim=0)
        positive = 0.5 * (1 + total / size.clamp(min=torch.finfo(rows.dtype).tiny))
        random = self.random(step)
        drawn = torch.rand(rows.shape[1], generator=random).to(rows.device)
        vector = torch.zeros_like(total)
        for row in rows:
            kept = torch.where(positive > drawn, row.clamp(min=0), row.clamp(max=0))
            vector += torch.where(positive == drawn, 0.0, kept)
        # An infinite value has no share of a sign: it would be dropped unheard.
        return Combined(torch.where(size.isfinite(), vector, size), ())
