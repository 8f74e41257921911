"""Texts to word pieces, and words to their first pieces.

Works on the `tokenizers` back end alone, by character offsets: one tokenisation of the raw text
serves every task, whether its labels belong to the text or to its words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as BackEnd

from workbench.data.examples import Split
from workbench.data.kinds import KINDS, EncodedLabel
from workbench.data.labels import LabelSpace
from workbench.data.pieces import Pieces
from workbench.errors import CheckpointError


@dataclass(frozen=True)
class EncodedExample:
    """One text as the backbone takes it."""

    ids: NDArray[np.int64]
    """Word pieces with special tokens, `(pieces,)`."""
    labels: Mapping[str, EncodedLabel]
    """By task; only tasks that label this text."""
    place: str


class Tokenizer:
    """Turns texts into pieces of at most `max_length`, special tokens included."""

    def __init__(
        self,
        back_end: BackEnd,
        *,
        max_length: int,
        pad_id: int,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        back_end.no_padding()
        back_end.enable_truncation(max_length)
        self._back_end = back_end
        self.max_length = max_length
        self.pad_id = pad_id
        self.settings = dict(settings or {})
        """What `tokenizer_config.json` said, for those who open an export."""

    @classmethod
    def from_file(
        cls, file: Path, *, max_length: int, pad_id: int, settings: Mapping[str, Any] | None = None
    ) -> Tokenizer:
        """Read a `tokenizer.json`.

        Raises:
            CheckpointError: The file is damaged.
        """
        try:
            back_end = BackEnd.from_file(str(file))
        except Exception as error:  # the library raises plain Exception
            raise CheckpointError(
                f"The tokenizer cannot be read: {error}.",
                where=str(file),
                next_step="fetch the model's files again",
            ) from error
        return cls(back_end, max_length=max_length, pad_id=pad_id, settings=settings)

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """Tokenise texts, in parallel inside the back end."""
        return [_pieces(encoding) for encoding in self._back_end.encode_batch(list(texts))]

    @property
    def content(self) -> str:
        """All that decides how a text becomes pieces, as `tokenizer.json` has it."""
        return str(self._back_end.to_str())

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` as it was read: no truncation, no padding."""
        self._back_end.no_truncation()
        self._back_end.save(str(folder / "tokenizer.json"))
        self._back_end.enable_truncation(self.max_length)


def _pieces(encoding: Encoding) -> Pieces:
    return Pieces(
        ids=np.asarray(encoding.ids, dtype=np.int64),
        offsets=np.asarray(encoding.offsets, dtype=np.int64).reshape(-1, 2),
        is_cut=bool(encoding.overflowing),
    )


@dataclass(frozen=True)
class EncodedSplit:
    """A split as the engine takes it."""

    name: str
    examples: tuple[EncodedExample, ...]
    cut: Mapping[str, int]
    """Texts that were longer than the maximum length, by task."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Pieces of each example, `(examples,)`."""
        return np.fromiter(
            (len(example.ids) for example in self.examples), np.int64, len(self.examples)
        )


PieceMaker = Callable[[list[str]], list[Pieces]]
"""Makes the pieces of texts: `Tokenizer.pieces`, or one that keeps them."""


def encode_split(
    split: Split,
    tokenizer: Tokenizer,
    labels: Mapping[str, LabelSpace],
    make_pieces: PieceMaker | None = None,
) -> EncodedSplit:
    """Tokenise every text once and number its labels.

    Args:
        split: The texts with their labels.
        tokenizer: What makes pieces of them.
        labels: Label space of every task.
        make_pieces: What stands in for the tokenizer's own method.
    """
    pieces = (make_pieces or tokenizer.pieces)([example.text for example in split.examples])
    cut = dict.fromkeys(labels, 0)
    encoded = []
    for example, piece in zip(split.examples, pieces, strict=True):
        numbered: dict[str, EncodedLabel] = {}
        for task, label in example.labels.items():
            cut[task] += piece.is_cut
            space = labels[task]
            numbered[task] = KINDS[space.kind].number(space, label, piece, example.place)
        encoded.append(EncodedExample(piece.ids, numbered, example.place))
    return EncodedSplit(split.name, tuple(encoded), cut)
