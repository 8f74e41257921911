"""What points against another task is projected away."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.training.aggregation.factors import FactorAggregation


class PcGrad(FactorAggregation):
    """Each gradient loses what points against the others, in a random order; then they are summed.

    Source: Yu et al. 2020, Gradient surgery for multi-task learning, algorithm 1.
    """

    def factors(self, gramian: Tensor, scale: float, tasks: Sequence[str], step: int) -> Tensor:
        """See `FactorAggregation.factors`."""
        from torchjd.aggregation import PCGradWeighting  # 0.7 s that other methods do not need

        # It draws from torch's own numbers, which dropout draws from as well.
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.random(step).get_state())
            return PCGradWeighting()(gramian)
