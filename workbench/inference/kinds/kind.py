"""What a kind of task says of a text, and what of it is compared with the labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

from numpy.typing import NDArray

from workbench.data.labels import LabelSpace

EncodedT = TypeVar("EncodedT", contravariant=True)


class Answer(Protocol):
    """What a task says of one text."""

    def plain(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        ...


class AnswerKind(ABC, Generic[EncodedT]):
    """From what a head gives to what a person reads and what the metrics compare."""

    def rows_of(self, label: EncodedT) -> int:
        """How many rows of scores belong to one example; one by default."""
        return 1

    @abstractmethod
    def compared(
        self, space: LabelSpace, label: EncodedT, decoded: NDArray[Any]
    ) -> tuple[Any, Any]:
        """What was expected of an example and what was predicted, as the metrics take them.

        Args:
            space: Of the task.
            label: Of the example.
            decoded: What the head decoded, one row for each of `rows_of`; none of them where
                nothing of its batch was looked at.
        """

    @abstractmethod
    def answer(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        encoded: EncodedT,
        scores: NDArray[Any],
        decoded: NDArray[Any],
    ) -> Answer:
        """What is said of a new text.

        Args:
            texts: The text, or the two that belong together.
            labels: Of the task.
            encoded: What `DataKind.unlabelled` gave for it.
            scores: Of the head, in float32, one row for each of `rows_of`.
            decoded: What the head made of them.
        """
