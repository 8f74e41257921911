"""What a kind of task makes of the rows of its data. Knows no torch and no other kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

import numpy as np

from workbench.config.tasks import DataConfig, TextData, TextTask
from workbench.data.columns import Column, Computed, Repeated
from workbench.data.label_packing import LabelPacker
from workbench.data.labelled import Labelled, LabelledRows
from workbench.data.labels import LabelSpace
from workbench.data.pieces import Pieces
from workbench.data.reading import Row, column
from workbench.data.splits import draw
from workbench.errors import DataError

TaskT = TypeVar("TaskT")
LabelT = TypeVar("LabelT")
EncodedT = TypeVar("EncodedT")


class DataKind(ABC, Generic[TaskT, LabelT, EncodedT]):
    """From a row to a text with a label, from labels to a label space, from a label to numbers.

    To add a kind of task: a subclass in a file of this folder and its line in `KINDS`; its
    settings in `config/tasks/`; a head in `model/heads/`; in `inference/kinds/` what it says of a
    text; its metrics in `training/metrics.py`; and a line in the dictionary of each.
    """

    def reading_settings(self, data: DataConfig) -> tuple[Hashable, ...]:
        """Settings of this kind that change how a file is read; none by default."""
        return ()

    @abstractmethod
    def parse(self, name: str, task: TaskT, row: Row) -> Labelled[LabelT] | None:
        """The label of a row; None where the row has none.

        Args:
            name: Of the task, for messages.
            task: Its settings.
            row: One of its data.

        Raises:
            DataError: The row is malformed.
        """

    @abstractmethod
    def packer(self) -> LabelPacker[LabelT]:
        """What makes flat arrays of the labels, a new one each time."""

    def parsing_settings(self, task: TaskT) -> tuple[Hashable, ...]:
        """Settings beside those of the data that decide what `parse` makes of a row: a source that
        was parsed with the same ones need not be parsed again.
        """
        return (getattr(task, "pair", None),)

    def drawn(self, task: TaskT, labelled: LabelledRows[LabelT], seed: int) -> LabelledRows[LabelT]:
        """The examples of train that are used, by the settings of its data."""
        count = task.data.max_examples  # type: ignore[attr-defined]  # every task has data
        if count is None:
            return labelled
        return labelled.take(draw(labelled.keys, count, seed))

    def adapt(
        self,
        task: TaskT,
        labelled: LabelledRows[LabelT],
        place: str,
        space: LabelSpace | None,
    ) -> tuple[LabelledRows[LabelT], list[str]]:
        """The labels of a whole split as the task learns them, and what is to be told of it.

        Args:
            task: Its settings.
            labelled: All that was parsed.
            place: `task/split`, for what is told.
            space: Of train; None while train itself is read.
        """
        return labelled, []

    @abstractmethod
    def label_space(self, name: str, task: TaskT, labels: Sequence[LabelT]) -> LabelSpace:
        """What can be predicted, from the labels of train.

        Raises:
            DataError: Nothing can be learned from them.
        """

    def check(self, space: LabelSpace, label: LabelT, row: Row) -> None:
        """Make sure that a label is in the label space; any is, by default.

        Raises:
            DataError: It does not occur in train.
        """
        return

    def check_all(self, space: LabelSpace, labelled: LabelledRows[LabelT]) -> None:
        """The same for all rows of a split.

        Raises:
            DataError: A label does not occur in train; of the first row that has one.
        """
        if type(self).check is DataKind.check:
            return
        labels = labelled.labels
        rows = (
            np.sort(labels.first_rows[1]).tolist()
            if isinstance(labels, Repeated)
            else range(len(labelled))
        )
        for row in rows:
            item = labelled.at(row)
            self.check(space, item.label, item.row)

    def stratum(self, label: LabelT) -> str:
        """What a split by ratio draws from alike; one and the same for all by default."""
        return ""

    def tally(self, labels: Sequence[LabelT]) -> dict[str, int]:
        """How often each label occurs, for whoever judges the balance; by stratum by default."""
        return dict(Counter(filter(None, map(self.stratum, labels))))

    def counted(self, task: TaskT, space: LabelSpace, labels: Sequence[LabelT]) -> LabelSpace:
        """A label space with the counts of what is learned from, drawn and without dev.

        Args:
            task: Its settings.
            space: Of all of train.
            labels: Those that are learned from.

        Raises:
            DataError: Nothing can be learned from them.
        """
        if not space.counts:
            return space
        found = self.tally(labels)
        statistics = dict(space.statistics)
        if "texts" in statistics:
            statistics["texts"] = float(len(labels))
        counts = tuple(found.get(label, 0) for label in space.names)
        return replace(space, counts=counts, statistics=statistics)

    def scores(self, labels: Sequence[LabelT]) -> Sequence[float]:
        """The labels as numbers, where they are numbers; none by default."""
        return ()

    @abstractmethod
    def number(self, space: LabelSpace, label: LabelT, pieces: Pieces, place: str) -> EncodedT:
        """The label as batches take it.

        Args:
            space: Of the task.
            label: Of one example.
            pieces: Of its first text, or of two that are read as one.
            place: Where it was read, for messages.
        """

    def number_all(
        self,
        space: LabelSpace,
        labelled: LabelledRows[LabelT],
        pieces: Column[Pieces],
        tokenizer: Any,
    ) -> Column[Any]:
        """What `number` and `finish` make of each row; by default when it is asked for.

        Args:
            space: Of the task.
            labelled: All its rows in a split.
            pieces: For each row as for `number`.
            tokenizer: That made them.
        """

        def numbered(row: int) -> Any:
            own = pieces.at(row)
            found = self.number(space, labelled.labels.at(row), own, labelled.places.at(row))
            return self.finish(found, own, tokenizer, new=False)

        column = Computed(numbered, np.arange(len(labelled)))
        if len(column):
            column.at(0)  # what cannot be at all is said now
        return column

    def finish(self, encoded: EncodedT, pieces: Pieces, tokenizer: Any, *, new: bool) -> Any:
        """What the tokenizer has to do with a label; nothing by default.

        Args:
            encoded: What `number` or `unlabelled` gave.
            pieces: As for `number`.
            tokenizer: That made them.
            new: Whether the text is a new one, without a label.
        """
        return encoded

    @abstractmethod
    def unlabelled(self, texts: tuple[str, ...], labels: int, pieces: Pieces) -> EncodedT:
        """What stands for the label of a new text, so that a batch can be made of it.

        Args:
            texts: The text, or two.
            labels: How many labels the task has.
            pieces: As for `number`.
        """


AnyKind = DataKind[Any, Any, Any]


def text_of(name: str, value: Any, row: Row) -> str:
    """A column's value, which has to be a text.

    Args:
        name: Of the task.
        value: What the row has.
        row: For the message.

    Raises:
        DataError: It is empty, or no string.
    """
    if not isinstance(value, str) or not value.strip():
        raise DataError(
            f'Task "{name}": the text is empty.'
            if value is None or isinstance(value, str)
            else f'Task "{name}": the text is a {type(value).__name__}, not a string.',
            where=row.place,
            next_step="give the row a text, or remove it",
        )
    return value


def texts_of(name: str, data: TextData, row: Row) -> tuple[str, ...]:
    """The text of a row, or its two.

    Args:
        name: Of the task.
        data: Names the columns.
        row: With these columns.

    Raises:
        DataError: A column is absent, or a text is empty.
    """
    text = text_of(name, column(row, data.text, "text"), row)
    if data.text_b is None:
        return (text,)
    return text, text_of(name, column(row, data.text_b, "text_b"), row)


def is_joint(task: TextTask) -> bool:
    """Whether a task reads two texts as one."""
    return task.data.text_b is not None and task.pair == "joint"
