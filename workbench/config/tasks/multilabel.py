"""Any number of labels for a text, or for a pair."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from workbench.config.base import IS_SET, applies, names
from workbench.config.tasks.text_task import TextData, TextTask, not_below_zero


class MultilabelData(TextData):
    """Texts with any number of labels each."""

    labels: str = Field(
        default="labels",
        description="Column with the list of labels, or with a text that lists them. An empty list "
        "means that none applies; null or an empty text, that nobody has labelled the row.",
        json_schema_extra=names("column") | applies(unless={"data.label_columns": IS_SET}),
    )
    separator: str = Field(
        default=",",
        min_length=1,
        description="What stands between the labels where the column holds a text, as in CSV.",
        json_schema_extra=applies(unless={"data.label_columns": IS_SET}),
    )
    label_columns: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="Columns with 0 or 1 instead, one for each label; one that is empty is not "
        "known and teaches nothing.",
    )


class MultilabelTask(TextTask):
    """Any number of labels for a text, or for two: each is a decision of its own."""

    kind: Literal["multilabel"] = Field(
        description="Any number of labels per text; the loss is nats per decision, that is per "
        "text and label."
    )
    data: MultilabelData = Field(description="Where the examples are.")
    metric: Literal["macro_f1", "micro_f1", "sample_accuracy"] = Field(
        default="macro_f1",
        description="What counts in choosing the best checkpoint, at the tuned "
        "thresholds. macro_f1: each label counts alike. micro_f1: each decision. sample_accuracy: "
        "share of texts with all labels right.",
    )
    thresholds: Literal["fixed", "one", "per_label"] = Field(
        default="one",
        description="From which probability on a label is given. fixed: as set by threshold. one: "
        "the best for all labels together on dev. per_label: the best of each label on dev "
        "(Lipton et al. 2014); with few examples of a label it fits dev by chance. Tuned at every "
        "evaluation and saved with the head; dev looks a little better for it than test will.",
    )
    threshold: float = Field(
        default=0.5,
        gt=0.0,
        lt=1.0,
        description="The threshold; a tuned one begins with it.",
        json_schema_extra=applies(when={"thresholds": "fixed"}),
    )
    positive_weights: Literal["none", "root", "balanced"] = Field(
        default="none",
        description="How much more a label counts where it applies. none: all decisions alike. "
        "balanced: as often as it does not apply for once that it does, so that rare labels are "
        "given more often. root: the square root of that, milder.",
    )
    label_weights: dict[str, float] = Field(
        default_factory=dict,
        description="Factors of the loss where a label applies, by label, on top of "
        "positive_weights; 1 where none is given.",
    )

    @field_validator("label_weights")
    @classmethod
    def _weights_are_no_less_than_zero(cls, weights: dict[str, float]) -> dict[str, float]:
        return not_below_zero(weights)
