"""The pieces of a text, and which of them belong to which word: by character offsets alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CUT = -1
"""Position of a word whose pieces were all cut off, or that has none."""

NO_LABEL = -1
"""Number of the tag of a word that is not annotated."""


@dataclass(frozen=True)
class Pieces:
    """One text, or two that are read as one, without labels."""

    ids: NDArray[np.int64]
    """Numbers of the pieces, `(pieces,)`; of words with characters `(words, 1 + characters)`."""
    offsets: NDArray[np.int64]
    """Begin and end of each piece in the text, in characters, `(pieces, 2)`; 0, 0 for special
    tokens."""
    is_cut: bool
    """Whether the text was longer than the maximum length."""
    segments: NDArray[np.int64] | None = None
    """Of two texts: how the tokenizer numbers the pieces of each, `(pieces,)`; BERT gives 0 and 1
    a vector each. None for a single text."""
    sources: NDArray[np.int64] | None = None
    """Of two texts: which of them a piece's offsets are in, 0 or 1; -1 for special tokens."""


@dataclass(frozen=True)
class WordLabels:
    """The tags of one text and where its words are among its pieces."""

    positions: NDArray[np.int64]
    """First piece of each word, or `CUT`, `(words,)`."""
    lasts: NDArray[np.int64]
    """Last piece of each word, of those that were not cut off, or `CUT`, `(words,)`."""
    labels: NDArray[np.int64]
    """Tag of each word, or `NO_LABEL`, `(words,)`."""


Spans = Sequence[tuple[int, int]] | NDArray[np.integer[Any]]
"""Begin and end of each word in characters, in order."""


def first_pieces(offsets: NDArray[np.int64], spans: Spans) -> NDArray[np.int64]:
    """The first piece of each word.

    Args:
        offsets: Begin and end of each piece, `(pieces, 2)`; empty pieces are special tokens.
        spans: Of the words.

    Returns:
        `(words,)`: the first piece that shares a character with the word, or `CUT` if none
        does, because the text was cut before it or the tokenizer drops its characters. Two
        words share a piece only where the tokenizer joins them.
    """
    real = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
    positions = np.full(len(spans), CUT, dtype=np.int64)
    if not len(real) or not len(spans):
        return positions
    begins, ends = np.asarray(spans, dtype=np.int64).T
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
    offsets: NDArray[np.int64], spans: Spans, firsts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The last piece of each word.

    Args:
        offsets: Begin and end of each piece, `(pieces, 2)`; empty pieces are special tokens.
        spans: Of the words.
        firsts: What `first_pieces` found.

    Returns:
        `(words,)`: the last piece that begins before the word ends, or `CUT`.
    """
    real = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
    if not len(real) or not len(spans):
        return firsts
    ends = np.asarray(spans, dtype=np.int64)[:, 1]
    last = real[np.maximum(np.searchsorted(offsets[real, 0], ends, side="left") - 1, 0)]
    return np.where(firsts == CUT, CUT, np.maximum(last, firsts))
