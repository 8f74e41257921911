"""Which texts belong together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.config.base import names
from workbench.config.tasks.data import DataConfig
from workbench.config.tasks.task import PooledTask


class ContrastiveData(DataConfig):
    """Pairs of texts that belong together: question and answer, text and paraphrase."""

    text_b: str = Field(
        default="text_b",
        description="Column with the text that belongs to it; a row where it is null or empty is "
        "left out.",
        json_schema_extra=names("column"),
    )
    negatives: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="Columns with texts that are like it and do not belong to it (hard negatives); "
        "each may be null or empty.",
    )


class ContrastiveTask(PooledTask):
    """Texts that belong together are to be nearer than the others of the batch."""

    kind: Literal["contrastive"] = Field(
        description="Pairs that belong together, told from the other texts of the batch; nats per "
        "pair."
    )
    data: ContrastiveData = Field(description="Where the pairs are.")
    metric: Literal["accuracy_at_1", "mrr"] = Field(
        default="accuracy_at_1",
        description="What counts in choosing the best checkpoint, looking for the right one among "
        "64 texts of dev. accuracy_at_1: how often it is the nearest. mrr: the mean of 1 / its "
        "rank.",
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
    scale: float = Field(
        default=20.0,
        gt=0.0,
        description="Factor of the cosines before the softmax (1 / temperature); 20 is usual "
        "(Henderson et al. 2017; Gao et al. 2021).",
    )
    symmetric: bool = Field(
        default=False,
        description="Whether the first text is looked for among the batch, too, given the second.",
    )
