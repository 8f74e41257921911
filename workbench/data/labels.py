"""Label spaces: which labels a task has, in a fixed order, and what they mean as spans."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from workbench.errors import DataError, nearest

_BIO = re.compile(r"O|[BI]-.+")


@dataclass(frozen=True)
class LabelSpace:
    """The labels of one task; a label's index is its place in `names`."""

    task: str
    names: tuple[str, ...]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    def index(self, name: str, place: str) -> int:
        """Number of a label.

        Args:
            name: The label.
            place: Where it was read, for the message.

        Raises:
            DataError: The label does not occur in train.
        """
        try:
            return self._index[name]
        except KeyError:
            raise DataError(
                f'Task "{self.task}": the label "{name}" does not occur in train.',
                where=place,
                next_step=f"add it to train, or correct it; {nearest(name, self.names)}",
            ) from None

    @property
    def is_bio(self) -> bool:
        """Whether these are BIO tags of spans."""
        return is_bio(self.names)


def is_bio(tags: Iterable[str]) -> bool:
    """Whether all of these are `O`, `B-x` or `I-x`, and at least one is not `O`."""
    tags = set(tags)
    return bool(tags - {"O"}) and all(_BIO.fullmatch(tag) for tag in tags)


def class_labels(task: str, seen: Iterable[str]) -> LabelSpace:
    """The classes seen in train, sorted."""
    return LabelSpace(task, tuple(sorted(set(seen))))


def tag_labels(task: str, seen: Iterable[str]) -> LabelSpace:
    """The tags seen in train; BIO tags are completed, so that each type has its B- and its I-."""
    tags = set(seen)
    if not is_bio(tags):
        return LabelSpace(task, tuple(sorted(tags)))
    types = sorted({tag[2:] for tag in tags if tag != "O"})
    return LabelSpace(task, ("O", *(f"{mark}-{kind}" for kind in types for mark in "BI")))


def spans(tags: Iterable[str]) -> list[tuple[int, int, str]]:
    """Spans of BIO tags, strictly: a span begins at B-, an I- without its B- begins none.

    Returns:
        `(first word, word after the last, type)` of each span, in order.
    """
    found: list[tuple[int, int, str]] = []
    start, kind = -1, ""
    position = -1
    for position, tag in enumerate(tags):
        if start >= 0 and tag != f"I-{kind}":
            found.append((start, position, kind))
            start = -1
        if tag.startswith("B-"):
            start, kind = position, tag[2:]
    if start >= 0:
        found.append((start, position + 1, kind))
    return found
