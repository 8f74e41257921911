"""Word pieces kept on the disk: a text that any run has tokenised is not tokenised again.

Kept as flat arrays, so that a million texts are read as five files and not as a million lists.
Keyed by the tokenizer as a whole, the maximum length and the text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.data.cache_folder import entry_folder, new_segment, segments, shrink, touch
from workbench.data.pieces import Pieces
from workbench.data.text_keys import Keys, find, text_keys
from workbench.data.tokenizing import Tokenizer

FORMAT = "1"
FEWEST = 1000
"""Fewer texts are tokenised sooner than found: a thousand take 30 ms."""


def cached_pieces(
    tokenizer: Tokenizer, texts: Sequence[str | tuple[str, str]], root: Path, *, most_bytes: int
) -> list[Pieces]:
    """The pieces of texts, out of the cache as far as they are there; what is new is added to it.

    Args:
        tokenizer: What makes them.
        texts: The texts; where one is a pair, all are tokenised.
        root: Of the cache. That it cannot be written is no error: then nothing is kept.
        most_bytes: What the cache may hold.

    Returns:
        What `tokenizer.pieces` returns.
    """
    singles = [text for text in texts if isinstance(text, str)]
    if len(texts) < FEWEST or most_bytes == 0 or len(singles) < len(texts):
        return tokenizer.pieces(texts)
    digest = hashlib.sha256(f"{FORMAT} {tokenizer.max_length} {tokenizer.content}".encode())
    about = f"word pieces, at most {tokenizer.max_length} a text"
    try:
        folder = entry_folder(root, "tokens", digest.hexdigest()[:32], about)
    except OSError:
        return tokenizer.pieces(texts)
    touch(folder)
    keys = text_keys(text.encode("utf-8", "surrogatepass") for text in singles)
    found = _read(folder, keys)
    missing = [number for number, piece in enumerate(found) if piece is None]
    new = tokenizer.pieces([singles[number] for number in missing])
    for number, piece in zip(missing, new, strict=True):
        found[number] = piece
    if missing:
        with suppress(OSError):
            _write(folder, keys[missing], new)
            shrink(root, most_bytes)
    return [piece for piece in found if piece is not None]


def _read(folder: Path, keys: Keys) -> list[Pieces | None]:
    """What is there, by place among the keys."""
    found: list[Pieces | None] = [None] * len(keys)
    for segment in segments(folder):
        try:
            there, lengths, ids, offsets, is_cut = (
                np.load(segment / f"{name}.npy", allow_pickle=False)
                for name in ("keys", "lengths", "ids", "offsets", "is_cut")
            )
        except (OSError, ValueError):  # another process has just deleted it, or it is damaged
            continue
        ends = np.cumsum(lengths)
        ids, offsets = ids.astype(np.int64), offsets.astype(np.int64)
        cut, begins, stops = is_cut.tolist(), (ends - lengths).tolist(), ends.tolist()
        for number, place in enumerate(find(keys, there.view("V16")[:, 0]).tolist()):
            if place >= 0 and found[number] is None:
                inside = slice(begins[place], stops[place])
                found[number] = Pieces(ids[inside], offsets[inside], cut[place])
    return found


def _write(folder: Path, keys: Keys, pieces: Sequence[Pieces]) -> None:
    ids = [piece.ids for piece in pieces]
    arrays: dict[str, NDArray[np.generic]] = {
        "keys": np.frombuffer(keys.tobytes(), np.uint8).reshape(-1, 16),
        "lengths": np.fromiter(map(len, ids), np.int64, len(ids)),
        "ids": np.concatenate(ids).astype(np.int32),
        "offsets": np.concatenate([piece.offsets for piece in pieces]).astype(np.int32),
        "is_cut": np.fromiter((piece.is_cut for piece in pieces), np.bool_, len(pieces)),
    }
    with new_segment(folder) as segment:
        for name, array in arrays.items():
            np.save(segment / f"{name}.npy", array)
