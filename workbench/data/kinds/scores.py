"""Labels that are scores: a number each, kept in the unit that it was given in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.data.columns import Column
from workbench.data.kinds.kind import DataKind, TaskT
from workbench.data.label_packing import FigurePacker
from workbench.data.labelled import LabelledRows
from workbench.data.labels import LabelSpace
from workbench.data.pieces import Pieces
from workbench.data.reading import Row
from workbench.errors import DataError


class ScoreKind(DataKind[TaskT, float, float]):
    """A label is the score itself; what it means, and on which scale, is the head's to know."""

    def packer(self) -> FigurePacker:
        """Of numbers."""
        return FigurePacker()

    def scores(self, labels: Sequence[float]) -> Sequence[float]:
        """As they are."""
        return labels

    def number(self, space: LabelSpace, label: float, pieces: Pieces, place: str) -> float:
        """As it is: the head knows the scale."""
        return label

    def number_all(
        self,
        space: LabelSpace,
        labelled: LabelledRows[float],
        pieces: Column[Pieces],
        tokenizer: Any,
    ) -> Column[float]:
        """As they are."""
        return labelled.labels

    def unlabelled(self, texts: tuple[str, ...], labels: int, pieces: Pieces) -> float:
        """Any score."""
        return 0.0


def number_in(name: str, value: Any, row: Row) -> float | None:
    """A column's value, which has to be a number; None where there is none.

    Args:
        name: Of the task.
        value: A number, or a text that is one, as in CSV.
        row: For the message.

    Raises:
        DataError: It is no finite number.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            f'Task "{name}": the score is {str(value)[:40]!r}, which is no number.',
            where=row.place,
            next_step="write a number such as 3.5, or leave it empty where there is none",
        )
    return number


def statistics_of(scores: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation, lowest and highest."""
    values = np.asarray(scores, dtype=np.float64)
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "lowest": float(values.min()),
        "highest": float(values.max()),
    }
