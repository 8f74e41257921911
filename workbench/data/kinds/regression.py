"""A number for a text."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.config.tasks import RegressionTask
from workbench.data.kinds.kind import is_joint, texts_of
from workbench.data.kinds.scores import ScoreKind, number_in, statistics_of
from workbench.data.labelled import Labelled
from workbench.data.labels import LabelSpace
from workbench.data.reading import Row, column
from workbench.errors import DataError


class RegressionKind(ScoreKind[RegressionTask]):
    """A label is the number, in the unit that it was given in."""

    def parse(self, name: str, task: RegressionTask, row: Row) -> Labelled[float] | None:
        """The column's number."""
        score = number_in(name, column(row, task.data.label, "label"), row)
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
