"""The rows of a source as one task reads them: texts, labels and places, in flat arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.data.columns import AT_ONCE, Column, Computed, Numbers, Stretches, Texts
from workbench.data.growing import Arrays, GrowingArrays
from workbench.data.label_packing import LabelPacker, Numbering
from workbench.data.reading import Row
from workbench.data.splits import bare_keys
from workbench.data.text_keys import Keys, text_keys

LabelT = TypeVar("LabelT")


@dataclass(frozen=True)
class Labelled(Generic[LabelT]):
    """What one row says to one task."""

    row: Row
    texts: tuple[str, ...]
    """One, or several that are labelled together."""
    label: LabelT
    joint: bool = False
    """Whether the backbone reads two texts as one; alike in all rows of a task."""
    alone: bool = False
    """Whether the text is read apart from the same text of other tasks; alike in all rows of a
    task."""

    @property
    def key(self) -> str:
        """The texts in one, for drawing and splitting."""
        return "\t".join(self.texts)


@dataclass(frozen=True, eq=False)
class Places(Column[str]):
    """Where rows were read: beginnings that repeat, with a number behind."""

    beginnings: tuple[str, ...]
    codes: Numbers
    numbers: Numbers
    """-1 where the beginning is all."""

    def __len__(self) -> int:
        return len(self.codes)

    def at(self, row: int) -> str:
        return self.with_number(row, self.numbers[row])

    def with_number(self, row: int, number: Any) -> str:
        """Another place in the same file."""
        return f"{self.beginnings[self.codes[row]]}{number if number >= 0 else ''}"

    def take(self, rows: Numbers) -> Places:
        return Places(self.beginnings, self.codes[rows], self.numbers[rows])


@dataclass(frozen=True, eq=False)
class LabelledRows(Column[Labelled[LabelT]]):
    """All rows of one task in a split that have a label."""

    all_texts: Texts
    """Of all rows of the source, those of a row one after the other."""
    text_keys: Keys
    """Of each of the texts."""
    bare: NDArray[np.uint64]
    """Of each of the texts, what it is known by without white space and case."""
    where: Stretches
    """Which of the texts are a row's own."""
    labels: Column[LabelT]
    places: Places
    lines: tuple[Stretches, NDArray[np.int64]] | None
    """Of each word, where words have lines of their own."""
    skipped: NDArray[np.int32]
    """`Row.skipped` of each."""
    joint: bool
    alone: bool

    def __len__(self) -> int:
        return len(self.where)

    def at(self, row: int) -> Labelled[LabelT]:
        read = Row({}, self.places.at(row), self._word_places(row), int(self.skipped[row]))
        return Labelled(read, self.texts_at(row), self.labels.at(row), self.joint, self.alone)

    def texts_at(self, row: int) -> tuple[str, ...]:
        """The texts of a row."""
        own = self.where.of(row)
        return tuple(self.all_texts.at(number) for number in range(own.start, own.stop))

    @property
    def keys(self) -> Column[str]:
        """`Labelled.key` of each row."""
        return Computed(lambda row: "\t".join(self.texts_at(row)), np.arange(len(self)))

    @cached_property
    def row_keys(self) -> Keys:
        """A key for all texts of a row together."""
        keys = self.text_keys[self.where.starts]
        many = np.flatnonzero(self.where.lengths > 1)
        if len(many):
            keys[many] = text_keys(
                self.text_keys[self.where.of(row)].tobytes() for row in many.tolist()
            )
        return keys

    def take(self, rows: Numbers) -> LabelledRows[LabelT]:
        lines = self.lines and (self.lines[0].take(rows), self.lines[1])
        return replace(
            self,
            where=self.where.take(rows),
            labels=self.labels.take(rows),
            places=self.places.take(rows),
            lines=lines,
            skipped=self.skipped[rows],
        )

    def _word_places(self, row: int) -> tuple[str, ...]:
        if self.lines is None:
            return ()
        stretches, lines = self.lines
        return tuple(self.places.with_number(row, line) for line in lines[stretches.of(row)])


class RowPacker:
    """Puts rows into arrays, some at a time; each is let go as soon as it is packed."""

    def __init__(self, labels: LabelPacker[Any], arrays: GrowingArrays) -> None:
        """Begin with none.

        Args:
            labels: Packs the labels.
            arrays: Where the rows go.
        """
        self._packing, self._arrays = _Packing(labels), arrays
        self._waiting: list[Labelled[Any]] = []
        self._is_begun = False

    def add(self, row: Labelled[Any]) -> None:
        """Pack a row.

        Raises:
            OSError: The arrays are on a disk that cannot be written.
        """
        self._waiting.append(row)
        if len(self._waiting) == AT_ONCE:
            self._pack()

    def close(self) -> dict[str, Any]:
        """Pack what is left.

        Returns:
            What `unpack_rows` has to be told beside the arrays, as plain values.

        Raises:
            OSError: The arrays are on a disk that cannot be written.
        """
        if self._waiting or not self._is_begun:
            self._pack()
        return self._packing.about()

    def _pack(self) -> None:
        self._arrays.add(self._packing.arrays_of(self._waiting))
        self._waiting = []
        self._is_begun = True


def unpack_rows(
    arrays: Arrays, about: Mapping[str, Any], packer: LabelPacker[LabelT]
) -> LabelledRows[LabelT]:
    """The rows again.

    Args:
        arrays: Where a `RowPacker` has put them.
        about: What it said in the end.
        packer: Of the labels; one that has packed them, or a new one.

    Raises:
        KeyError: An array is absent.
    """
    lines = None
    if "lines" in arrays:
        lines = (Stretches(arrays["line_starts"], arrays["line_counts"]), arrays["lines"])
    return LabelledRows(
        all_texts=Texts(arrays["utf8"], Stretches(arrays["utf8_starts"], arrays["utf8_lengths"])),
        text_keys=arrays["text_keys"].view("V16")[:, 0],
        bare=arrays["bare"],
        where=Stretches(arrays["first_texts"], arrays["texts"]),
        labels=packer.unpack(arrays, about["labels"]),
        places=Places(tuple(about["beginnings"]), arrays["files"], arrays["numbers"]),
        lines=lines,
        skipped=arrays["skipped"],
        joint=about["joint"],
        alone=about["alone"],
    )


class _Packing:
    """What has been packed so far decides where the next rows begin."""

    def __init__(self, packer: LabelPacker[Any]) -> None:
        self._packer = packer
        self._beginnings = Numbering()
        self._bytes = self._texts = self._lines = 0
        self._joint = self._alone = False

    def arrays_of(self, rows: Sequence[Labelled[Any]]) -> Arrays:
        self._joint, self._alone = (rows[0].joint, rows[0].alone) if rows else (False, False)
        assert all((one.joint, one.alone) == (self._joint, self._alone) for one in rows)
        texts = [
            text.encode("utf-8", "surrogatepass")
            for text in chain.from_iterable(r.texts for r in rows)
        ]
        lengths = np.fromiter(map(len, texts), np.int32, len(texts))
        counts = np.fromiter((len(row.texts) for row in rows), np.int32, len(rows))
        parted = [_parted(row.row.place) for row in rows]
        made: Arrays = {
            "utf8": np.frombuffer(b"".join(texts), np.uint8),
            "utf8_starts": self._bytes + Stretches.one_after_the_other(lengths).starts,
            "utf8_lengths": lengths,
            "text_keys": text_keys(texts).view(np.uint8).reshape(-1, 16),
            "bare": bare_keys(chain.from_iterable(row.texts for row in rows)),
            "first_texts": self._texts + Stretches.one_after_the_other(counts).starts,
            "texts": counts,
            "files": self._beginnings([beginning for beginning, _ in parted]),
            "numbers": np.array([number for _, number in parted], np.int64),
            "skipped": np.fromiter((row.row.skipped for row in rows), np.int32, len(rows)),
            **self._packer.pack([row.label for row in rows]),
        }
        if any(row.row.word_places for row in rows):
            words = np.fromiter((len(row.row.word_places) for row in rows), np.int32, len(rows))
            lines = [_parted(place)[1] for row in rows for place in row.row.word_places]
            made["line_starts"] = self._lines + Stretches.one_after_the_other(words).starts
            made["line_counts"], made["lines"] = words, np.array(lines, np.int64)
            self._lines += len(lines)
        self._bytes += int(lengths.sum())
        self._texts += len(texts)
        return made

    def about(self) -> dict[str, Any]:
        return {
            "beginnings": self._beginnings.values,
            "labels": self._packer.about(),
            "joint": self._joint,
            "alone": self._alone,
        }


def _parted(place: str) -> tuple[str, int]:
    """A place without the number at its end, and the number; -1 if there is none to be parted."""
    beginning = place.rstrip("0123456789")
    digits = place[len(beginning) :]
    if (
        not digits
        or len(digits) > 18
        or (digits[0] == "0" and digits != "0")
        or not digits.isascii()
    ):
        return place, -1
    return beginning, int(digits)
