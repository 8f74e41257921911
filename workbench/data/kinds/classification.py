"""One label out of several for a text."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.config.task import ClassificationTask
from workbench.data.kinds.kind import DataKind, Labelled, text_of
from workbench.data.labels import LabelSpace, class_labels
from workbench.data.pieces import Pieces
from workbench.data.reading import Row, column
from workbench.errors import DataError, nearest


class ClassificationKind(DataKind[ClassificationTask, str, int]):
    """A label is its name, in numbers its place in the label space."""

    def parse(self, name: str, task: ClassificationTask, row: Row) -> Labelled[str] | None:
        """Whatever the column holds, as a text; null and empty are no label."""
        label = column(row, task.data.label)
        if label is None or label == "":
            return None
        if isinstance(label, (list, dict)):
            raise DataError(
                f'Task "{name}": the label is a {type(label).__name__}, where one value is '
                f"expected.",
                where=row.place,
                next_step='name another column, or use kind = "tagging" for a list of tags',
            )
        return Labelled(row, text_of(name, column(row, task.data.text), row), str(label))

    def label_space(self, name: str, task: ClassificationTask, labels: Sequence[str]) -> LabelSpace:
        """The classes of train, sorted; at least two."""
        space = class_labels(name, labels)
        if len(space.names) < 2:
            raise DataError(
                f'Task "{name}": train has only the label "{space.names[0]}".',
                where=task.data.train,
                next_step="a classification needs two labels or more",
            )
        for label in task.label_weights:
            if label not in space.names:
                raise DataError(
                    f'Task "{name}": label_weights names "{label}", which does not occur in train.',
                    where=f"[tasks.{name}.label_weights]",
                    next_step=nearest(label, space.names),
                )
        return space

    def check(self, space: LabelSpace, label: str, row: Row) -> None:
        """The class has to occur in train."""
        space.index(label, row.place)

    def stratum(self, label: str) -> str:
        """Each class by itself."""
        return label

    def number(self, space: LabelSpace, label: str, pieces: Pieces, place: str) -> int:
        """The place of the class."""
        return space.index(label, place)

    def unlabelled(self, text: str, pieces: Pieces) -> int:
        """Any class."""
        return 0
