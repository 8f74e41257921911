"""One label per text, learned from a handful of examples of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.data.kinds.classification import ClassificationKind
from workbench.data.kinds.kind import text_of
from workbench.data.labels import LabelSpace
from workbench.data.reading import Row, column
from workbench.errors import DataError, nearest


class FewShotKind(ClassificationKind):
    """Rows and labels are those of a classification of single texts; settings are its own."""

    def texts(self, name: str, task: Any, row: Row) -> tuple[str, ...]:
        """A single text."""
        return (text_of(name, column(row, task.data.text, "text"), row),)

    def reads_two_as_one(self, task: Any) -> bool:
        """There is only one."""
        return False

    def label_space(self, name: str, task: Any, labels: Sequence[str]) -> LabelSpace:
        """The classes of train; each description is of one of them."""
        space = self.classes(name, task.data.train, labels)
        for label in task.descriptions:
            if label not in space.names:
                raise DataError(
                    f'Task "{name}": descriptions names "{label}", which does not occur in train.',
                    where=f"[tasks.{name}.descriptions]",
                    next_step=nearest(label, space.names),
                )
        return space

    def counted(self, task: Any, space: LabelSpace, labels: Sequence[str]) -> LabelSpace:
        """As of a classification; a layer is fitted between two classes or more."""
        found = super().counted(task, space, labels)
        if task.method == "contrastive" and sum(count > 0 for count in found.counts) < 2:
            raise DataError(
                f'Task "{space.task}": of the examples that were drawn for training, none has '
                "another label than the first.",
                where=task.data.train,
                next_step="draw more (examples_per_class, max_examples), keep fewer for dev "
                "(dev_share), or take method = matching",
            )
        return found
