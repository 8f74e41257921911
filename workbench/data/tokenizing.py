"""Texts to word pieces, and words to their first pieces.

Works on the `tokenizers` back end alone, by character offsets: one tokenisation of the raw text
serves every task, whether its labels belong to the text or to its words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as BackEnd

from workbench.data.examples import Split, Words
from workbench.data.labels import LabelSpace
from workbench.data.schemes import UNANNOTATED
from workbench.errors import CheckpointError

CUT = -1
"""Position of a word whose pieces were all cut off, or that has none."""

NO_LABEL = -1
"""Number of the tag of a word that is not annotated."""


@dataclass(frozen=True)
class WordLabels:
    """The tags of one text and where its words are among its pieces."""

    positions: NDArray[np.int64]
    """First piece of each word, or `CUT`, `(words,)`."""
    lasts: NDArray[np.int64]
    """Last piece of each word, of those that were not cut off, or `CUT`, `(words,)`."""
    labels: NDArray[np.int64]
    """Tag of each word, or `NO_LABEL`, `(words,)`."""


EncodedLabel = int | WordLabels


@dataclass(frozen=True)
class EncodedExample:
    """One text as the backbone takes it."""

    ids: NDArray[np.int64]
    """Word pieces with special tokens, `(pieces,)`."""
    labels: Mapping[str, EncodedLabel]
    """By task; only tasks that label this text."""
    place: str


@dataclass(frozen=True)
class Pieces:
    """One text without labels."""

    ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    """Begin and end of each piece in the text, in characters, `(pieces, 2)`; 0, 0 for special
    tokens."""
    is_cut: bool
    """Whether the text was longer than the maximum length."""


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
        cls,
        file: Path,
        *,
        max_length: int,
        pad_id: int | None,
        settings: Mapping[str, Any] | None = None,
    ) -> Tokenizer:
        """Read a `tokenizer.json`.

        Args:
            file: The file.
            max_length: Longest text in pieces.
            pad_id: The piece that padding is made of; by default what `settings` says.
            settings: Content of `tokenizer_config.json`. One that names no padding, as those of
                models that read left to right, gets the piece that ends a text for it; any would
                do, since no position looks at padding.

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
        settings = dict(settings or {})
        for name in ("pad_token", "eos_token", "unk_token"):
            token = settings.get(name)
            token = token.get("content") if isinstance(token, dict) else token
            found = back_end.token_to_id(token) if isinstance(token, str) else None
            if found is not None:
                settings.setdefault("pad_token", None)
                settings["pad_token"] = settings["pad_token"] or token
                pad_id = found if pad_id is None else pad_id
                break
        return cls(back_end, max_length=max_length, pad_id=pad_id or 0, settings=settings)

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """Tokenise texts, in parallel inside the back end."""
        return [
            _pieces(encoding, self.pad_id) for encoding in self._back_end.encode_batch(list(texts))
        ]

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` as it was read: no truncation, no padding."""
        self._back_end.no_truncation()
        self._back_end.save(str(folder / "tokenizer.json"))
        self._back_end.enable_truncation(self.max_length)


def _pieces(encoding: Encoding, filler: int) -> Pieces:
    # A tokenizer without special tokens makes no piece of an empty text; a model needs one.
    ids, offsets = (encoding.ids, encoding.offsets) if encoding.ids else ([filler], [(0, 0)])
    return Pieces(
        ids=np.asarray(ids, dtype=np.int64),
        offsets=np.asarray(offsets, dtype=np.int64).reshape(-1, 2),
        is_cut=bool(encoding.overflowing),
    )


def first_pieces(offsets: NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """The first piece of each word.

    Args:
        offsets: Begin and end of each piece, `(pieces, 2)`; empty pieces are special tokens.
        spans: Begin and end of each word, in order.

    Returns:
        `(words,)`: the first piece that shares a character with the word, or `CUT` if none
        does, because the text was cut before it or the tokenizer drops its characters. Two
        words share a piece only where the tokenizer joins them.
    """
    real = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
    positions = np.full(len(spans), CUT, dtype=np.int64)
    if not len(real) or not spans:
        return positions
    begins = np.fromiter((begin for begin, _ in spans), dtype=np.int64, count=len(spans))
    ends = np.fromiter((end for _, end in spans), dtype=np.int64, count=len(spans))
    piece_begins, piece_ends = offsets[real, 0], offsets[real, 1]
    # The first piece that ends after the word begins; it is the word's if it begins before its end.
    candidate = np.searchsorted(piece_ends, begins, side="right")
    inside = candidate < len(real)
    found = np.where(inside, candidate, 0)
    inside &= piece_begins[found] < ends
    # A piece that begins in the word before belongs to that word, if this one has a piece too.
    # One that begins in the white space before the word (SentencePiece, ModernBERT) is its own.
    following = np.minimum(found + 1, len(real) - 1)
    ends_before = np.concatenate(([0], ends[:-1]))
    shared = inside & (piece_begins[found] < ends_before) & (following > found)
    shared &= piece_begins[following] < ends
    found = np.where(shared, following, found)
    positions[inside] = real[found[inside]]
    return positions


def last_pieces(
    offsets: NDArray[np.int64], spans: Sequence[tuple[int, int]], firsts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The last piece of each word.

    Args:
        offsets: Begin and end of each piece, `(pieces, 2)`; empty pieces are special tokens.
        spans: Begin and end of each word, in order.
        firsts: What `first_pieces` found.

    Returns:
        `(words,)`: the last piece that begins before the word ends, or `CUT`.
    """
    real = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
    if not len(real) or not spans:
        return firsts
    ends = np.fromiter((end for _, end in spans), dtype=np.int64, count=len(spans))
    last = real[np.maximum(np.searchsorted(offsets[real, 0], ends, side="left") - 1, 0)]
    return np.where(firsts == CUT, CUT, np.maximum(last, firsts))


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


def encode_split(
    split: Split, tokenizer: Tokenizer, labels: Mapping[str, LabelSpace]
) -> EncodedSplit:
    """Tokenise every text once and number its labels."""
    pieces = tokenizer.pieces([example.text for example in split.examples])
    cut = dict.fromkeys(labels, 0)
    encoded = []
    for example, piece in zip(split.examples, pieces, strict=True):
        numbered: dict[str, EncodedLabel] = {}
        for task, label in example.labels.items():
            cut[task] += piece.is_cut
            if isinstance(label, Words):
                numbered[task] = _number_words(label, piece, labels[task], example.place)
            else:
                numbered[task] = labels[task].index(label, example.place)
        encoded.append(EncodedExample(piece.ids, numbered, example.place))
    return EncodedSplit(split.name, tuple(encoded), cut)


def _number_words(words: Words, pieces: Pieces, space: LabelSpace, place: str) -> WordLabels:
    firsts = first_pieces(pieces.offsets, words.spans)
    numbers = [NO_LABEL if tag == UNANNOTATED else space.index(tag, place) for tag in words.tags]
    return WordLabels(
        positions=firsts,
        lasts=last_pieces(pieces.offsets, words.spans, firsts),
        labels=np.array(numbers, dtype=np.int64),
    )
