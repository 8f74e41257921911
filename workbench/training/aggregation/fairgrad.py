"""Equal gains by a notion of fairness."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from workbench.training.aggregation.factors import FactorAggregation


class FairGrad(FactorAggregation):
    """Factors `w` with `G w = w ** (-1 / fairness)`, `G` the products of the gradients.

    Source: Ban and Ji 2024, Fair resource allocation in multi-task learning, equation 7.
    """

    def factors(self, gramian: Tensor, scale: float, tasks: Sequence[str], step: int) -> Tensor:
        """See `FactorAggregation.factors`."""
        from torchjd.aggregation import FairGradWeighting  # 0.7 s that other methods do not need

        fairness = self.settings.config.fairness
        found = FairGradWeighting(alpha=fairness)(gramian)
        # Back from products that were divided by `scale`.
        back: Tensor = found * scale ** (-fairness / (1 + fairness))
        return back
