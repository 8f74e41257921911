"""How alike two texts are."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.config.base import applies, names
from workbench.config.tasks.data import DataConfig
from workbench.config.tasks.task import PooledTask


class SimilarityData(DataConfig):
    """Pairs of texts with a score of how alike they are."""

    text_b: str = Field(
        default="text_b",
        description="Column with the second text.",
        json_schema_extra=names("column"),
    )
    label: str = Field(
        default="score",
        description="Column with the score, higher for more alike; a row where it is null or empty "
        "teaches other tasks only.",
        json_schema_extra=names("column"),
    )


class SimilarityTask(PooledTask):
    """Two texts whose vectors are to be as near as their score says."""

    kind: Literal["similarity"] = Field(
        description="A score of how alike two texts are, learned by the cosine of their vectors."
    )
    data: SimilarityData = Field(description="Where the examples are.")
    metric: Literal["spearman", "pearson"] = Field(
        default="spearman",
        description="What counts in choosing the best checkpoint: how the cosine goes with the "
        "score. spearman: correlation of the ranks. pearson: of the values.",
    )
    dropout: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="Dropout of the texts' vectors."
    )
    hidden_size: int = Field(
        default=0,
        ge=0,
        description="Size of a linear layer between the texts' vectors and the cosine; 0 for none: "
        "the vectors themselves are compared, as whoever uses them will.",
    )
    loss: Literal["cosine", "cosent"] = Field(
        default="cosine",
        description="cosine: square of what the cosine differs from the score, scaled to 0 to 1 "
        "(Reimers and Gurevych 2019). cosent: the order only, each pair of examples in a batch of "
        "which one is more alike (Su 2022); often better, wants batches of 16 or more.",
    )
    scale: float = Field(
        default=20.0,
        gt=0.0,
        description="Factor of the cosines in cosent (1 / temperature).",
        json_schema_extra=applies(when={"loss": "cosent"}),
    )
    lowest: float | None = Field(
        default=None,
        description="The score that means cosine 0; the lowest of train where none is given.",
        json_schema_extra=applies(when={"loss": "cosine"}),
    )
    highest: float | None = Field(
        default=None,
        description="The score that means cosine 1; the highest of train where none is given.",
        json_schema_extra=applies(when={"loss": "cosine"}),
    )
