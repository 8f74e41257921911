"""What every kind of task can be told: how much it counts, how it learns, how it is pooled."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from workbench.config.base import Settings
from workbench.config.model import TaskPoolingConfig


class BaseTask(Settings):
    """What every kind of task has."""

    is_auxiliary: ClassVar[bool] = False
    """Whether it is there for the others' sake: then its metric chooses no checkpoint."""

    weight: float = Field(
        default=1.0, ge=0.0, description="Factor of this task's mean loss in the sum."
    )
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="Dropout before the head.")
    learning_rate: float | None = Field(
        default=None, gt=0.0, le=10.0, description="Highest rate of this task's head, if another."
    )
    evaluate_every: int = Field(
        default=1,
        ge=1,
        description="Look at this task at every n-th evaluation only, and at the last; in between "
        "its latest metrics stand for it in choosing the best checkpoint.",
    )
    patience: int = Field(
        default=0,
        ge=0,
        description="Evaluations of this task without a new best after which it is trained no "
        "longer: its loss stops, its head stays as it is, it is evaluated on. When all trained "
        "tasks are through, the run ends. 0 = never.",
    )
    layer_mix: bool = Field(
        default=False,
        description="Read a mean of all layers whose weights are learned (Peters et al. 2018), in "
        "place of the last alone. Pays where a task is of form more than of sense, as parts of "
        "speech, above all on a frozen backbone; keeps all layers in memory.",
    )


class PooledTask(BaseTask):
    """What every task has that looks at the pooled vector of a text."""

    pooling: TaskPoolingConfig = Field(
        default_factory=TaskPoolingConfig, description="What differs from [pooling]."
    )
