"""Hidden pieces of unlabelled texts."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from workbench.config.tasks.data import DataConfig
from workbench.config.tasks.task import BaseTask


class MaskedLmData(DataConfig):
    """Texts without labels."""


class MaskedLmTask(BaseTask):
    """Pieces of unlabelled texts are hidden and guessed, so that the backbone learns their kind."""

    is_auxiliary: ClassVar[bool] = True

    kind: Literal["masked_lm"] = Field(
        description="Guess hidden words of unlabelled texts (Devlin et al. 2019); an aid to the "
        "other tasks where texts without labels abound. Has no part in choosing the best "
        "checkpoint unless selection.weights gives it one."
    )
    data: MaskedLmData = Field(description="Where the texts are.")
    metric: Literal["accuracy"] = Field(
        default="accuracy",
        description="What is reported beside the loss. accuracy: share of "
        "hidden pieces that were guessed.",
    )
    masked_share: float = Field(
        default=0.15,
        gt=0.0,
        lt=1.0,
        description="Share of the pieces that are hidden, whole words at once; of these a tenth "
        "stay as they are and a tenth become others.",
    )
