"""The principal directions of the gradients are scaled alike."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from workbench.training.aggregation.factors import FactorAggregation


class AlignedMtl(FactorAggregation):
    """All principal directions get the length of the shortest; then the gradients are averaged.

    Source: Senushkin et al. 2023, Independent component alignment, section 4.
    """

    def factors(self, gramian: Tensor, scale: float, tasks: Sequence[str], step: int) -> Tensor:
        """See `FactorAggregation.factors`."""
        from torchjd.aggregation import AlignedMTLWeighting  # 0.7 s that others do not need

        return AlignedMTLWeighting()(gramian)
