"""How the losses of the tasks become one, one file a method.

A method gives each task that has labels in an update a weight, and may learn from what came of
it. What is minimised is the sum of the losses times these weights; for a method that is written
as a function of the losses (a geometric mean, a formula) the weights are its derivatives, which
comes to the same gradient.
"""

from __future__ import annotations

from collections.abc import Callable

from workbench.training.weighting.base import Weighting, WeightingSettings
from workbench.training.weighting.dwa import DynamicWeightAverage
from workbench.training.weighting.famo import Famo
from workbench.training.weighting.formula import Formula
from workbench.training.weighting.gradnorm import GradNorm
from workbench.training.weighting.plain import GeometricMean, Mean, RandomWeights, Sum
from workbench.training.weighting.scales import ImtlLoss, Uncertainty
from workbench.training.weighting.smooth_maximum import SmoothMaximum

WEIGHTINGS: dict[str, Callable[[WeightingSettings], Weighting]] = {
    "sum": Sum,
    "mean": Mean,
    "uncertainty": Uncertainty,
    "dwa": DynamicWeightAverage,
    "random": RandomWeights,
    "geometric": GeometricMean,
    "imtl_l": ImtlLoss,
    "famo": Famo,
    "stch": SmoothMaximum,
    "gradnorm": GradNorm,
    "formula": Formula,
}
"""By name in the settings."""

__all__ = ["WEIGHTINGS", "Weighting", "WeightingSettings"]
