"""Label spaces: which labels a task has, in a fixed order, and what they mean as spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from workbench.data.schemes import UNANNOTATED, Scheme, scheme_of_names
from workbench.errors import DataError, nearest


@dataclass(frozen=True)
class LabelSpace:
    """The labels of one task; a label's index is its place in `names`."""

    task: str
    names: tuple[str, ...]
    kind: str
    """Of the task."""
    counts: tuple[int, ...] = field(default=(), compare=False)
    """How often each occurs in train, where that is known."""
    statistics: Mapping[str, float] = field(default_factory=dict, compare=False)
    """What else a head is told of train, by name: of scores their mean, standard deviation, lowest
    and highest."""

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

    @cached_property
    def scheme(self) -> Scheme:
        """How the tags write spans: BIO, BIOES, or not at all (plain)."""
        return scheme_of_names(self.names)

    @property
    def has_spans(self) -> bool:
        """Whether the tags write spans."""
        return self.scheme != "plain"


def class_labels(task: str, seen: Iterable[str]) -> LabelSpace:
    """The classes seen in train, sorted."""
    counts = Counter(seen)
    names = tuple(sorted(counts))
    return LabelSpace(task, names, "classification", tuple(counts[name] for name in names))


def tag_labels(task: str, seen: Iterable[str]) -> LabelSpace:
    """The tags seen in train; tags of spans are completed, so that each type has all its marks."""
    tags = set(seen) - {UNANNOTATED}
    scheme = scheme_of_names(tags)
    if scheme == "plain":
        return LabelSpace(task, tuple(sorted(tags)), "tagging")
    types = sorted({tag[2:] for tag in tags if tag != "O"})
    marks = "BI" if scheme == "bio" else "BIES"
    names = ("O", *(f"{mark}-{kind}" for kind in types for mark in marks))
    return LabelSpace(task, names, "tagging")
