"""Texts that belong together, and perhaps some that do not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.config.tasks import ContrastiveTask
from workbench.data.columns import Column, Numbers, Stretches
from workbench.data.growing import Arrays
from workbench.data.kinds.kind import DataKind, text_of
from workbench.data.label_packing import LabelPacker
from workbench.data.labelled import Labelled, LabelledRows
from workbench.data.labels import LabelSpace
from workbench.data.pieces import Pieces
from workbench.data.reading import Row, column

ABSENT = 0
"""Stands for the key of a text that is not there."""


@dataclass(frozen=True)
class TextKeys:
    """Which texts belong together: a number for each, equal for equal texts.

    By them a batch knows that a text of another pair is no negative of this one.
    """

    keys: tuple[int, ...]
    """Of the first text, of the one that belongs to it, and of those that do not."""


@dataclass(frozen=True, eq=False)
class KeyColumn(Column[TextKeys]):
    """The keys of many rows."""

    keys: NDArray[np.int64]
    where: Stretches

    def __len__(self) -> int:
        return len(self.where)

    def at(self, row: int) -> TextKeys:
        return TextKeys(tuple(self.keys[self.where.of(row)].tolist()))

    def take(self, rows: Numbers) -> KeyColumn:
        return KeyColumn(self.keys, self.where.take(rows))


class KeyPacker(LabelPacker[TextKeys]):
    """The keys of one row after those of the other."""

    def pack(self, labels: Sequence[TextKeys]) -> Arrays:
        return {
            "labels": np.array([key for label in labels for key in label.keys], np.int64),
            "label_counts": np.array([len(label.keys) for label in labels], np.int32),
        }

    def unpack(self, arrays: Mapping[str, Any], about: Any) -> KeyColumn:
        where = Stretches.one_after_the_other(arrays["label_counts"])
        return KeyColumn(arrays["labels"], where)


class ContrastiveKind(DataKind[ContrastiveTask, TextKeys, TextKeys]):
    """The texts are the label: the second belongs to the first, the others do not."""

    def parse(self, name: str, task: ContrastiveTask, row: Row) -> Labelled[TextKeys] | None:
        """Two texts, and the negatives that are there."""
        data = task.data
        if column(row, data.text_b, "text_b") in (None, ""):
            return None
        pair = (
            text_of(name, column(row, data.text, "text"), row),
            text_of(name, column(row, data.text_b, "text_b"), row),
        )
        given = (column(row, one, "negatives") for one in data.negatives)
        others = tuple(text_of(name, one, row) for one in given if one not in (None, ""))
        texts = pair + others
        return Labelled(row, texts, TextKeys(tuple(map(_key, texts))))

    def label_space(
        self, name: str, task: ContrastiveTask, labels: Sequence[TextKeys]
    ) -> LabelSpace:
        """There is nothing to name."""
        return LabelSpace(name, (), "contrastive")

    def number(self, space: LabelSpace, label: TextKeys, pieces: Pieces, place: str) -> TextKeys:
        """The keys, as they are numbers already."""
        return label

    def packer(self) -> KeyPacker:
        """Of keys."""
        return KeyPacker()

    def number_all(
        self,
        space: LabelSpace,
        labelled: LabelledRows[TextKeys],
        pieces: Column[Pieces],
        tokenizer: Any,
    ) -> Column[TextKeys]:
        """As they are."""
        return labelled.labels

    def unlabelled(self, texts: tuple[str, ...], labels: int, pieces: Pieces) -> TextKeys:
        """The keys of the texts."""
        return TextKeys(tuple(map(_key, texts)))


def _key(text: str) -> int:
    """A number of 62 bits for a text; never `ABSENT`. Two texts of a million share one with a
    probability of 1e-7.
    """
    digest = hashlib.blake2b(" ".join(text.split()).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (2**62 - 1) + 1
