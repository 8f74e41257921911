"""How the tasks' gradients on the shared parameters become one, one file a method.

All but GradDrop see only which way and how far the gradients point in relation to one another:
their products, a small matrix. They give a factor to each. A task without labels in an update is
not among the rows, and one whose gradient is 0 takes no part: several methods would else stand
still.
"""

from __future__ import annotations

from collections.abc import Callable

from workbench.training.aggregation.aligned_mtl import AlignedMtl
from workbench.training.aggregation.base import Aggregation, AggregationSettings, Combined
from workbench.training.aggregation.cagrad import CaGrad
from workbench.training.aggregation.fairgrad import FairGrad
from workbench.training.aggregation.graddrop import GradDrop
from workbench.training.aggregation.gradvac import GradVac
from workbench.training.aggregation.imtl_g import ImtlGradient
from workbench.training.aggregation.mgda import Mgda
from workbench.training.aggregation.pcgrad import PcGrad
from workbench.training.aggregation.upgrad import UpGrad

AGGREGATIONS: dict[str, Callable[[AggregationSettings], Aggregation]] = {
    "pcgrad": PcGrad,
    "gradvac": GradVac,
    "graddrop": GradDrop,
    "mgda": Mgda,
    "cagrad": CaGrad,
    "imtl_g": ImtlGradient,
    "aligned_mtl": AlignedMtl,
    "upgrad": UpGrad,
    "fairgrad": FairGrad,
}
"""By name in the settings; `sum` is none of them, but one plain backward pass."""

__all__ = ["AGGREGATIONS", "Aggregation", "AggregationSettings", "Combined"]
