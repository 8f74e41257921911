"""The shortest mean of the gradients, which hurts no task."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from workbench.training.aggregation.factors import FactorAggregation


class Mgda(FactorAggregation):
    """The point nearest to 0 among all weighted means, found by Frank and Wolfe's method.

    Source: Sener and Koltun 2018, Multi-task learning as multi-objective optimization, section 3.
    """

    def factors(self, gramian: Tensor, scale: float, tasks: Sequence[str], step: int) -> Tensor:
        """See `FactorAggregation.factors`."""
        from torchjd.aggregation import MGDAWeighting  # 0.7 s that other methods do not need

        return MGDAWeighting()(gramian)
