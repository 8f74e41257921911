"""A number for a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.config.tasks import RegressionTask
from workbench.data.columns import Column
from workbench.data.kinds.kind import (
    DataKind,
    is_joint,
    number_in,
    statistics_of,
    texts_of,
)
from workbench.data.label_packing import FigurePacker
from workbench.data.labelled import Labelled, LabelledRows
from workbench.data.labels import LabelSpace
from workbench.data.pieces import Pieces
from workbench.data.reading import Row, column
from workbench.errors import DataError


class RegressionKind(DataKind[RegressionTask, float, float]):
    """A label is the number, in the unit that it was given in."""

    def parse(self, name: str, task: RegressionTask, row: Row) -> Labelled[float] | None:
        """The column's number."""
        score = number_in(name, column(row, task.data.label), row)
        if score is None:
            return None
        return Labelled(row, texts_of(name, task.data, row), score, is_joint(task))

    def label_space(self, name: str, task: RegressionTask, labels: Sequence[float]) -> LabelSpace:
        """No names; mean and standard deviation of train."""
        statistics = statistics_of(labels)
        if statistics["std"] == 0.0:
            raise DataError(
                f'Task "{name}": every score of train is {labels[0]:g}.',
                where=task.data.train,
                next_step="a regression needs scores that differ",
            )
        return LabelSpace(name, (), "regression", statistics=statistics)

    def scores(self, labels: Sequence[float]) -> Sequence[float]:
        """As they are."""
        return labels

    def number(self, space: LabelSpace, label: float, pieces: Pieces, place: str) -> float:
        """As it is: the head knows the scale."""
        return label

    def packer(self) -> FigurePacker:
        """Of numbers."""
        return FigurePacker()

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
        """Any number."""
        return 0.0
