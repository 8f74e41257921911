"""One label out of several for a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.config.tasks import ClassificationTask
from workbench.data.columns import Column, Repeated
from workbench.data.kinds.kind import DataKind, is_joint, texts_of
from workbench.data.label_packing import NamePacker
from workbench.data.labelled import Labelled, LabelledRows
from workbench.data.labels import LabelSpace, class_labels
from workbench.data.pieces import Pieces
from workbench.data.reading import Row, column
from workbench.data.splits import draw_of_each
from workbench.errors import DataError, nearest


class ClassificationKind(DataKind[ClassificationTask, str, int]):
    """A label is its name, in numbers its place in the label space."""

    def parse(self, name: str, task: ClassificationTask, row: Row) -> Labelled[str] | None:
        """Whatever the column holds, as a text; null and empty are no label."""
        label = column(row, task.data.label, "label")
        if label is None or label == "":
            return None
        if isinstance(label, (list, dict)):
            raise DataError(
                f'Task "{name}": the label is a {type(label).__name__}, where one value is '
                f"expected.",
                where=row.place,
                next_step='name another column, or use kind = "tagging" for a list of tags, '
                '"multilabel" for a list of labels',
            )
        return Labelled(row, self.texts(name, task, row), str(label), self.reads_two_as_one(task))

    def texts(self, name: str, task: ClassificationTask, row: Row) -> tuple[str, ...]:
        """What is labelled: a text, or two."""
        return texts_of(name, task.data, row)

    def reads_two_as_one(self, task: ClassificationTask) -> bool:
        """Whether two texts go through the backbone as one."""
        return is_joint(task)

    def label_space(self, name: str, task: ClassificationTask, labels: Sequence[str]) -> LabelSpace:
        """The classes of train, sorted; at least two."""
        space = self.classes(name, task.data.train, labels)
        for label in task.label_weights:
            if label not in space.names:
                raise DataError(
                    f'Task "{name}": label_weights names "{label}", which does not occur in train.',
                    where=f"[tasks.{name}.label_weights]",
                    next_step=nearest(label, space.names),
                )
        return space

    def classes(self, name: str, train: str, labels: Sequence[str]) -> LabelSpace:
        """The classes of train, sorted.

        Raises:
            DataError: There is only one.
        """
        space = class_labels(name, labels)
        if len(space.names) < 2:
            raise DataError(
                f'Task "{name}": train has only the label "{space.names[0]}".',
                where=train,
                next_step="a classification needs two labels or more",
            )
        return space

    def packer(self) -> NamePacker:
        """Of names."""
        return NamePacker()

    def drawn(
        self, task: ClassificationTask, labelled: LabelledRows[str], seed: int
    ) -> LabelledRows[str]:
        """So many of each class, then so many in all."""
        count = task.data.examples_per_class
        if count is not None:
            labelled = labelled.take(draw_of_each(labelled.keys, labelled.labels, count, seed))
        return super().drawn(task, labelled, seed)

    def check(self, space: LabelSpace, label: str, row: Row) -> None:
        """The class has to occur in train."""
        space.index(label, row.place)

    def stratum(self, label: str) -> str:
        """Each class by itself."""
        return label

    def number(self, space: LabelSpace, label: str, pieces: Pieces, place: str) -> int:
        """The place of the class."""
        return space.index(label, place)

    def number_all(
        self,
        space: LabelSpace,
        labelled: LabelledRows[str],
        pieces: Column[Pieces],
        tokenizer: Any,
    ) -> Column[int]:
        """Each class is looked up once."""
        return Repeated.of(labelled.labels).map(
            lambda label, row: space.index(label, labelled.places.at(row))
        )

    def unlabelled(self, texts: tuple[str, ...], labels: int, pieces: Pieces) -> int:
        """Any class."""
        return 0
