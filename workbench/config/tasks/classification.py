"""One label for a text, or for a pair."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from workbench.config.base import names
from workbench.config.tasks.text_task import TextData, TextTask, not_below_zero


class ClassificationData(TextData):
    """Texts with one label each."""

    label: str = Field(
        default="label",
        description="Column with the label; a row where it is null or empty teaches other tasks "
        "only.",
        json_schema_extra=names("column"),
    )
    examples_per_class: int | None = Field(
        default=None,
        ge=1,
        description="Use at most so many examples of each label of train, drawn with the seed.",
    )


class ClassificationTask(TextTask):
    """One label out of several for a text, or for two."""

    kind: Literal["classification"] = Field(description="One label per text.")
    data: ClassificationData = Field(description="Where the examples are.")
    metric: Literal["accuracy", "macro_f1"] = Field(
        default="accuracy",
        description="What counts in choosing the best checkpoint. accuracy: share of right texts. "
        "macro_f1: F1 averaged over the classes, rare ones counting alike.",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Share of the target that is spread over all labels; 0.1 keeps the model from "
        "being too sure, at noisy labels above all.",
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="none: every text counts alike. balanced: rare labels count more, so that "
        "each label has the same weight in the loss; raises macro F1, may cost accuracy.",
    )
    label_weights: dict[str, float] = Field(
        default_factory=dict,
        description="Factors of the loss by label, on top of class_weights; 1 where none is given.",
    )
    focal_gamma: float = Field(
        default=0.0,
        ge=0.0,
        le=10.0,
        description="Focal loss: texts that are right already count less, the more so the larger "
        "this is; 0 for plain cross-entropy, 2 is usual.",
    )

    @field_validator("label_weights")
    @classmethod
    def _weights_are_no_less_than_zero(cls, weights: dict[str, float]) -> dict[str, float]:
        return not_below_zero(weights)
