"""How alike two texts are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.config.tasks import SimilarityTask
from workbench.data.columns import Column
from workbench.data.kinds.kind import DataKind, number_in, statistics_of, text_of
from workbench.data.label_packing import FigurePacker
from workbench.data.labelled import Labelled, LabelledRows
from workbench.data.labels import LabelSpace
from workbench.data.pieces import Pieces
from workbench.data.reading import Row, column
from workbench.errors import DataError


class SimilarityKind(DataKind[SimilarityTask, float, float]):
    """A label is the score, in the unit that it was given in."""

    def parse(self, name: str, task: SimilarityTask, row: Row) -> Labelled[float] | None:
        """Two texts and the column's number."""
        score = number_in(name, column(row, task.data.label), row)
        if score is None:
            return None
        columns = (task.data.text, task.data.text_b)
        return Labelled(row, tuple(text_of(name, column(row, one), row) for one in columns), score)

    def scores(self, labels: Sequence[float]) -> Sequence[float]:
        """As they are."""
        return labels

    def label_space(self, name: str, task: SimilarityTask, labels: Sequence[float]) -> LabelSpace:
        """No names; the scores that mean cosine 0 and 1."""
        found = statistics_of(labels)
        lowest = found["lowest"] if task.lowest is None else task.lowest
        highest = found["highest"] if task.highest is None else task.highest
        if not lowest < highest:
            raise DataError(
                f'Task "{name}": the lowest score is {lowest:g} and the highest {highest:g}.',
                where=f"[tasks.{name}]",
                next_step="set lowest and highest to the ends of the scale",
            )
        ends = {"lowest": lowest, "highest": highest}
        return LabelSpace(name, (), "similarity", statistics=found | ends)

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
        """Any score."""
        return 0.0
