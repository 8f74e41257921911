"""What a task can be told, one file a kind: its data, its head, its metric, how much it counts.

Others import from here. `task.py` and `data.py` have what every kind has, `text_task.py` what those
have in common that label a text, or a pair, as a whole.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workbench.config.tasks.classification import ClassificationData, ClassificationTask
from workbench.config.tasks.contrastive import ContrastiveData, ContrastiveTask
from workbench.config.tasks.data import SPLITS, DataConfig
from workbench.config.tasks.few_shot import FewShotData, FewShotTask
from workbench.config.tasks.masked_lm import MaskedLmData, MaskedLmTask
from workbench.config.tasks.multilabel import MultilabelData, MultilabelTask
from workbench.config.tasks.regression import RegressionData, RegressionTask
from workbench.config.tasks.similarity import SimilarityData, SimilarityTask
from workbench.config.tasks.tagging import TaggingData, TaggingTask
from workbench.config.tasks.task import BaseTask, PooledTask
from workbench.config.tasks.text_task import TextData, TextTask

TaskConfig = Annotated[
    ClassificationTask
    | TaggingTask
    | MultilabelTask
    | RegressionTask
    | SimilarityTask
    | ContrastiveTask
    | FewShotTask
    | MaskedLmTask,
    Field(discriminator="kind"),
]

TASK_MODELS: dict[str, type[BaseTask]] = {
    "classification": ClassificationTask,
    "few_shot": FewShotTask,
    "tagging": TaggingTask,
    "multilabel": MultilabelTask,
    "regression": RegressionTask,
    "similarity": SimilarityTask,
    "contrastive": ContrastiveTask,
    "masked_lm": MaskedLmTask,
}
"""The kinds of task and what each can be told."""

__all__ = [
    "SPLITS",
    "TASK_MODELS",
    "BaseTask",
    "ClassificationData",
    "ClassificationTask",
    "ContrastiveData",
    "ContrastiveTask",
    "DataConfig",
    "FewShotData",
    "FewShotTask",
    "MaskedLmData",
    "MaskedLmTask",
    "MultilabelData",
    "MultilabelTask",
    "PooledTask",
    "RegressionData",
    "RegressionTask",
    "SimilarityData",
    "SimilarityTask",
    "TaggingData",
    "TaggingTask",
    "TaskConfig",
    "TextData",
    "TextTask",
]
