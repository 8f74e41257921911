"""A step that has equal projections on all gradients."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from workbench.training.aggregation.factors import FactorAggregation


class ImtlGradient(FactorAggregation):
    """Factors that sum to 1 (some may be negative) and give equal projections.

    Source: Liu et al. 2021, Towards impartial multi-task learning, section 3.1 (IMTL-G).
    """

    def factors(self, gramian: Tensor, scale: float, tasks: Sequence[str], step: int) -> Tensor:
        """See `FactorAggregation.factors`."""
        from torchjd.aggregation import IMTLGWeighting  # 0.7 s that other methods do not need

        return IMTLGWeighting()(gramian)
