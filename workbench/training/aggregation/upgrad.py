"""Each gradient is made harmless to the others, then they are averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from workbench.training.aggregation.factors import FactorAggregation


class UpGrad(FactorAggregation):
    """Each gradient is projected onto the cone of what conflicts with none of them.

    The projection is ours: that of torchjd needs a solver under the GPL. Projecting `u` comes
    to the smallest `|J^T (u + x)|` with `x >= 0`, which is non-negative least squares.

    Source: Quinton and Rey 2024, Jacobian descent for multi-objective optimization, section 3.
    """

    def factors(self, gramian: Tensor, scale: float, tasks: Sequence[str], step: int) -> Tensor:
        """See `FactorAggregation.factors`."""
        from scipy.optimize import nnls

        values, vectors = np.linalg.eigh(gramian.numpy())
        # root.T @ root is the matrix of products; where gradients depend on each other rounding
        # leaves an eigenvalue just below 0.
        root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
        count = len(tasks)
        own = np.eye(count) / count
        projected = [unit + nnls(root, -root @ unit)[0] for unit in own]
        return torch.from_numpy(np.sum(projected, axis=0))
