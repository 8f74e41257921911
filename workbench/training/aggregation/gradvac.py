"""Cosines are brought up to what they are on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.training.aggregation.base import AggregationSettings
from workbench.training.aggregation.factors import FactorAggregation

_SMALLEST = 1e-8


class GradVac(FactorAggregation):
    """A gradient whose cosine with another is below their running mean is turned towards it.

    Ours, not torchjd's: that one forgets its running means whenever a task is absent.

    Source: Wang et al. 2021, Gradient vaccine, section 3.2, equation 2 and algorithm 1.
    """

    def __init__(self, settings: AggregationSettings) -> None:
        super().__init__(settings)
        size = len(settings.tasks)
        self._means = torch.zeros(size, size, dtype=torch.float64)

    def factors(self, gramian: Tensor, scale: float, tasks: Sequence[str], step: int) -> Tensor:
        """See `FactorAggregation.factors`."""
        random, rate = self.random(step), self.settings.config.smoothing
        places = [self.settings.tasks.index(task) for task in tasks]
        norms = gramian.diagonal().sqrt()
        factors = torch.eye(len(tasks), dtype=torch.float64)
        for one, own in enumerate(factors):
            others = [other for other in range(len(tasks)) if other != one]
            for drawn in torch.randperm(len(others), generator=random).tolist():
                other = others[drawn]
                norm = (own @ gramian @ own).clamp(min=0.0).sqrt()
                cosine = (gramian[other] @ own) / (norm * norms[other] + _SMALLEST)
                mean = self._means[places[one], places[other]].clone()
                if cosine < mean:
                    sine, due = ((1 - value**2).clamp(min=0.0).sqrt() for value in (cosine, mean))
                    turn = norm * (mean * sine - cosine * due) / (norms[other] * due + _SMALLEST)
                    own[other] += turn
                self._means[places[one], places[other]] = (1 - rate) * mean + rate * cosine
        return factors.sum(dim=0)

    def state(self) -> dict[str, Any]:
        """The running means of the cosines."""
        return {"means": self._means.clone()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._means = state["means"].clone()
