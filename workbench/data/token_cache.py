"""Word pieces kept on the disk: a text that any run has tokenised is not tokenised again.

Kept as flat arrays that are mapped, so that a million texts are a few files and take no memory but
what the system can take back. Keyed by the tokenizer as a whole, the maximum length and the text.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.data.cache_folder import entry_folder, new_segment, segments, shrink, touch
from workbench.data.growing import GrowingArrays, read_arrays
from workbench.data.inputs import Inputs, add_pieces, singles_and_pairs, tokenized
from workbench.data.piece_column import PieceColumn
from workbench.data.text_keys import Keys, find
from workbench.data.tokenizing import Tokenizer

FORMAT = "2"
FEWEST = 1000
"""Fewer texts are tokenised sooner than found: a thousand take 30 ms."""


def cached_pieces(
    tokenizer: Tokenizer, inputs: Inputs, root: Path, *, most_bytes: int
) -> PieceColumn:
    """The pieces of texts, out of the cache as far as they are there; what is new is added to it.

    Args:
        tokenizer: What makes them.
        inputs: The texts, each once or more often.
        root: Of the cache. That it cannot be written is no error: then nothing is kept.
        most_bytes: What the cache may hold.

    Returns:
        What `tokenizer.pieces` returns, as a column.
    """
    if len(inputs) < FEWEST or most_bytes == 0:
        return tokenized(tokenizer, inputs)
    digest = hashlib.sha256(f"{FORMAT} {tokenizer.max_length} {tokenizer.content}".encode())
    about = f"word pieces, at most {tokenizer.max_length} a text"
    try:
        folder = entry_folder(root, "tokens", digest.hexdigest()[:32], about)
    except OSError:
        return tokenized(tokenizer, inputs)
    touch(folder)
    parts: list[PieceColumn] = []
    place = np.full(len(inputs), -1, np.int64)
    """Of each text among those of all parts."""
    for segment in segments(folder):
        if (place >= 0).all():
            break
        _look_into(segment, inputs.keys, parts, place)
    missing = np.flatnonzero(place < 0)
    for group in singles_and_pairs(inputs, missing):
        place[group] = sum(map(len, parts)) + np.arange(len(group))
        parts.append(_kept(tokenizer, inputs, group, folder))
    if len(missing):
        shrink(root, most_bytes)
    return PieceColumn.joined(parts, place)


def _look_into(
    segment: Path, keys: Keys, parts: list[PieceColumn], place: NDArray[np.int64]
) -> None:
    """Take what a segment has of the texts that are still without a place."""
    try:
        arrays = read_arrays(segment)
        there = arrays["keys"].view("V16")[:, 0]
        column = PieceColumn.of(arrays)
    except (OSError, ValueError, KeyError):  # another process has just deleted it, or it is damaged
        return
    wanted = np.flatnonzero(place < 0)
    found = find(keys[wanted], there)
    is_there = found >= 0
    if is_there.any():
        place[wanted[is_there]] = sum(map(len, parts)) + found[is_there]
        parts.append(column)


def _kept(
    tokenizer: Tokenizer, inputs: Inputs, group: NDArray[np.int64], folder: Path
) -> PieceColumn:
    """Tokenise into a new segment; into memory if it cannot be written."""
    try:
        with new_segment(folder) as segment:
            arrays = GrowingArrays(segment)
            try:
                arrays.add({"keys": inputs.keys[group].view(np.uint8).reshape(-1, 16)})
                add_pieces(tokenizer, inputs, group, arrays)
                return PieceColumn.of(arrays.close())
            finally:
                arrays.abandon()
    except OSError:
        arrays = GrowingArrays()
        add_pieces(tokenizer, inputs, group, arrays)
        return PieceColumn.of(arrays.close())
