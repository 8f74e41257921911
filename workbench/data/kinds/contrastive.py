"""Texts that belong together, and perhaps some that do not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.config.task import ContrastiveTask
from workbench.data.kinds.kind import DataKind, Labelled, text_of
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


class ContrastiveKind(DataKind[ContrastiveTask, TextKeys, TextKeys]):
    """The texts are the label: the second belongs to the first, the others do not."""

    def parse(self, name: str, task: ContrastiveTask, row: Row) -> Labelled[TextKeys] | None:
        """Two texts, and the negatives that are there."""
        data = task.data
        if column(row, data.text_b) in (None, ""):
            return None
        pair = tuple(text_of(name, column(row, one), row) for one in (data.text, data.text_b))
        given = (column(row, one) for one in data.negatives)
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

    def unlabelled(self, texts: tuple[str, ...], labels: int, pieces: Pieces) -> TextKeys:
        """The keys of the texts."""
        return TextKeys(tuple(map(_key, texts)))


def _key(text: str) -> int:
    """A number of 62 bits for a text; never `ABSENT`. Two texts of a million share one with a
    probability of 1e-7.
    """
    digest = hashlib.blake2b(" ".join(text.split()).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (2**62 - 1) + 1
