"""What a kind of task makes of the rows of its data. Knows no torch and no other kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from workbench.config.task import DataConfig
from workbench.data.labels import LabelSpace
from workbench.data.pieces import Pieces
from workbench.data.reading import Row
from workbench.errors import DataError

TaskT = TypeVar("TaskT")
LabelT = TypeVar("LabelT")
EncodedT = TypeVar("EncodedT")


@dataclass(frozen=True)
class Labelled(Generic[LabelT]):
    """What one row says to one task."""

    row: Row
    text: str
    label: LabelT


class DataKind(ABC, Generic[TaskT, LabelT, EncodedT]):
    """From a row to a text with a label, from labels to a label space, from a label to numbers.

    To add a kind of task: a subclass in a file of this folder and its line in `KINDS`; its
    settings in `config/task.py`; a head in `model/heads/`; in `inference/kinds/` what it says of a
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

    def adapt(
        self,
        task: TaskT,
        labelled: list[Labelled[LabelT]],
        place: str,
        space: LabelSpace | None,
    ) -> tuple[list[Labelled[LabelT]], list[str]]:
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

    @abstractmethod
    def check(self, space: LabelSpace, label: LabelT, row: Row) -> None:
        """Make sure that a label is in the label space.

        Raises:
            DataError: It does not occur in train.
        """

    def stratum(self, label: LabelT) -> str:
        """What a split by ratio draws from alike; one and the same for all by default."""
        return ""

    @abstractmethod
    def number(self, space: LabelSpace, label: LabelT, pieces: Pieces, place: str) -> EncodedT:
        """The label as batches take it."""

    @abstractmethod
    def unlabelled(self, text: str, pieces: Pieces) -> EncodedT:
        """What stands for the label of a new text, so that a batch can be made of it."""


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
