"""Near to the mean gradient, best for the worst task."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.training.aggregation.factors import FactorAggregation

_SHORTEST = 1e-6


class CaGrad(FactorAggregation):
    """The step within `caution` times the mean's length of the mean that helps the worst task most.

    Solved by its dual, a convex function of one weight per task: torchjd's needs a modelling
    language for it.

    Source: Liu et al. 2021, Conflict-averse gradient descent, equation 4 and algorithm 1.
    """

    def factors(self, gramian: Tensor, scale: float, tasks: Sequence[str], step: int) -> Tensor:
        """See `FactorAggregation.factors`."""
        products = gramian.numpy()
        count = len(tasks)
        mean = np.full(count, 1.0 / count)
        radius = self.settings.config.caution * _length(mean, products)
        weights = worst_case_weights(products, radius)
        length = _length(weights, products)
        # Where a mean of the gradients is 0 no step helps all of them: only the mean is left.
        towards = radius / length * weights if length > _SHORTEST else 0.0 * weights
        return torch.from_numpy(mean + towards)


def worst_case_weights(products: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Weights, none below 0, that sum to 1 and make `g_w · g_0 + radius * |g_w|` smallest."""
    from scipy.optimize import minimize

    count = len(products)
    with_mean = products.mean(axis=0)

    def value(weights: NDArray[np.float64]) -> float:
        length = max(_SHORTEST, _length(weights, products))
        return float(weights @ with_mean + radius * length)

    def slope(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        length = max(_SHORTEST, _length(weights, products))
        found: NDArray[np.float64] = with_mean + radius * (products @ weights) / length
        return found

    solved = minimize(
        value,
        np.full(count, 1.0 / count),
        jac=slope,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * count,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1.0},
        options={"ftol": 1e-12, "maxiter": 200},
    )
    weights = np.clip(solved.x, 0.0, None)
    normal: NDArray[np.float64] = weights / weights.sum()
    return normal


def _length(weights: NDArray[np.float64], products: NDArray[np.float64]) -> float:
    """Of the sum of the gradients with these weights."""
    return math.sqrt(max(0.0, float(weights @ products @ weights)))
