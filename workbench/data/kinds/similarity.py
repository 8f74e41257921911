"""How alike two texts are."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.config.tasks import SimilarityTask
from workbench.data.kinds.kind import text_of
from workbench.data.kinds.scores import ScoreKind, number_in, statistics_of
from workbench.data.labelled import Labelled
from workbench.data.labels import LabelSpace
from workbench.data.reading import Row, column
from workbench.errors import DataError


class SimilarityKind(ScoreKind[SimilarityTask]):
    """A label is the score, in the unit that it was given in."""

    def parse(self, name: str, task: SimilarityTask, row: Row) -> Labelled[float] | None:
        """Two texts and the column's number."""
        score = number_in(name, column(row, task.data.label, "label"), row)
        if score is None:
            return None
        texts = (
            text_of(name, column(row, task.data.text, "text"), row),
            text_of(name, column(row, task.data.text_b, "text_b"), row),
        )
        return Labelled(row, texts, score)

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
