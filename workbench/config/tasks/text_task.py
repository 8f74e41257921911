"""What the kinds have in common that label a text, or a pair of texts, as a whole."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from workbench.config.base import IS_SET, applies, names
from workbench.config.tasks.data import DataConfig
from workbench.config.tasks.task import PooledTask

PairMode = Literal["joint", "two"]


class TextData(DataConfig):
    """Texts, or pairs of texts, that are labelled as a whole."""

    text_b: str | None = Field(
        default=None,
        description="Column with a second text, where pairs are labelled (entailment, "
        "relatedness); leave out for single texts.",
        json_schema_extra=names("column"),
    )


class TextTask(PooledTask):
    """A task that labels a text, or two, as a whole."""

    data: TextData
    hidden_size: int = Field(
        default=0,
        ge=0,
        description="Size of a hidden layer (GELU) before the last; 0 for none: one linear layer, "
        "which transformers can express.",
    )
    pair: PairMode = Field(
        default="joint",
        description="How two texts are read, where data.text_b names the second. joint: as one "
        "input with the tokenizer's separators, each word seeing both (Devlin et al. 2019, BERT); "
        "the better figures. two: each by itself, compared as u, v, |u-v|, u*v (Conneau et al. "
        "2017, InferSent); their vectors are then of use alone, and a text in many pairs is read "
        "once.",
        json_schema_extra=applies(when={"data.text_b": IS_SET}),
    )

    @model_validator(mode="after")
    def _two_texts_go_with_a_pair(self) -> TextTask:
        if self.pair == "two" and self.data.text_b is None:
            raise ValueError('pair = "two" reads two texts; name the second in data.text_b')
        return self


def not_below_zero(weights: dict[str, float]) -> dict[str, float]:
    """The factors of the loss by label, of which each has to be 0 or more."""
    for name, weight in weights.items():
        if weight < 0:
            raise ValueError(f'label_weights: "{name}" is below 0; a factor is 0 or more')
    return weights
