"""One label per text, learned from a handful of examples of each."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.config.task import FewShotTask
from workbench.data.kinds.classification import ClassificationKind
from workbench.data.labels import LabelSpace
from workbench.errors import DataError, nearest


class FewShotKind(ClassificationKind):
    """Rows and labels are those of a classification."""

    def label_space(self, name: str, task: FewShotTask, labels: Sequence[str]) -> LabelSpace:  # type: ignore[override]  # its own settings
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
