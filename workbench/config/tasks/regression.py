"""A number for a text, or for a pair."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.config.base import names
from workbench.config.tasks.text_task import TextData, TextTask


class RegressionData(TextData):
    """Texts with a number each."""

    label: str = Field(
        default="score",
        description="Column with the number; a row where it is null or empty teaches other tasks "
        "only.",
        json_schema_extra=names("column"),
    )


class RegressionTask(TextTask):
    """A number for a text, or for two."""

    kind: Literal["regression"] = Field(
        description="A number per text; learned in standard deviations of train, said in your unit."
    )
    data: RegressionData = Field(description="Where the examples are.")
    metric: Literal["pearson", "spearman"] = Field(
        default="pearson",
        description="What counts in choosing the best checkpoint; at most 1, like the metrics of "
        "other tasks, so that a mean over tasks says something. rmse and mae are reported, too. "
        "pearson: correlation of the values. spearman: of their ranks.",
    )
    huber_delta: float = Field(
        default=0.0,
        ge=0.0,
        description="Beyond so many standard deviations an error counts by its size, not by its "
        "square (Huber 1964), so that outliers pull less; 0 for the square everywhere.",
    )
