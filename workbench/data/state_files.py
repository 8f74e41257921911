"""States of texts, one row a piece, in memory or in files that NumPy maps."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.data.cache_folder import new_segment, segments
from workbench.data.text_keys import Keys, find

Rows = NDArray[np.floating]
"""`(pieces, width)`."""


@dataclass(frozen=True)
class TextStates:
    """Where the states of each text are."""

    lengths: NDArray[np.int64]
    """Pieces of each text, `(texts,)`."""
    starts: NDArray[np.int64]
    """First row of each text in its source, `(texts,)`."""
    sources: NDArray[np.int64]
    """Number of the source of each text, or -1 where there is none, `(texts,)`."""
    rows: tuple[Rows, ...]
    """The sources."""

    @property
    def missing(self) -> NDArray[np.int64]:
        """Numbers of the texts without states."""
        return np.flatnonzero(self.sources < 0)

    def take(self, texts: NDArray[np.int64]) -> Rows:
        """The rows of some texts, one text after the other, `(pieces, width)`."""
        lengths = self.lengths[texts]
        ends = np.cumsum(lengths)
        at = np.arange(ends[-1]) + np.repeat(self.starts[texts] - (ends - lengths), lengths)
        return self._rows(at, np.repeat(self.sources[texts], lengths))

    def take_padded(self, texts: NDArray[np.int64]) -> Rows:
        """The same as `(texts, longest, width)`; the last row of a text stands in its padding."""
        lengths = self.lengths[texts]
        places = np.minimum(np.arange(lengths.max())[None, :], lengths[:, None] - 1)
        at = self.starts[texts][:, None] + places
        return self._rows(at, np.broadcast_to(self.sources[texts][:, None], at.shape))

    def _rows(self, at: NDArray[np.int64], sources: NDArray[np.int64]) -> Rows:
        if len(self.rows) == 1:
            return self.rows[0].take(at, axis=0)
        found = np.empty((*at.shape, self.rows[0].shape[1]), self.rows[0].dtype)
        for number in np.unique(sources):
            chosen = sources == number
            found[chosen] = self.rows[number].take(at[chosen], axis=0)
        return found

    def with_source(self, texts: NDArray[np.int64], rows: Rows) -> TextStates:
        """The same with a further source, which holds these texts one after the other."""
        starts, sources = self.starts.copy(), self.sources.copy()
        lengths = self.lengths[texts]
        starts[texts] = np.cumsum(lengths) - lengths
        sources[texts] = len(self.rows)
        return replace(self, starts=starts, sources=sources, rows=(*self.rows, rows))

    def in_memory(self) -> TextStates:
        """The same as one array; all texts must have states."""
        ends = np.cumsum(self.lengths)
        rows = np.empty((int(ends[-1]), self.rows[0].shape[1]), self.rows[0].dtype)
        # In parts: a second copy of the whole would double what memory must hold.
        for begin in range(0, len(ends), 4096):
            texts = np.arange(begin, min(begin + 4096, len(ends)))
            first = int(ends[begin] - self.lengths[begin])
            rows[first : int(ends[texts[-1]])] = self.take(texts)
        return TextStates(self.lengths, ends - self.lengths, np.zeros_like(self.sources), (rows,))


def open_states(folder: Path | None, keys: Keys, lengths: NDArray[np.int64]) -> TextStates:
    """The states that are on the disk already.

    Args:
        folder: Of the cache's entry; None for none.
        keys: Of the texts, `(texts,)`.
        lengths: Pieces of each text, `(texts,)`.
    """
    starts = np.zeros(len(keys), np.int64)
    sources = np.full(len(keys), -1, np.int64)
    rows: list[Rows] = []
    for segment in segments(folder) if folder is not None else []:
        try:
            there = np.load(segment / "keys.npy", allow_pickle=False).view("V16")[:, 0]
            there_lengths = np.load(segment / "lengths.npy", allow_pickle=False)
            states = np.load(segment / "states.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):  # another process has just deleted it, or it is damaged
            continue
        places = find(keys, there)
        new = np.flatnonzero((places >= 0) & (sources < 0))
        if len(new):
            begins = np.cumsum(there_lengths) - there_lengths
            starts[new] = begins[places[new]]
            sources[new] = len(rows)
            rows.append(states)
    return TextStates(lengths, starts, sources, tuple(rows))


@contextmanager
def new_states(
    folder: Path,
    keys: Keys,
    lengths: NDArray[np.int64],
    *,
    width: int,
    dtype: np.dtype[np.floating],
) -> Iterator[Rows]:
    """Rows to be filled, which are a segment of the entry when the block ends without an error.

    Raises:
        OSError: The disk is full or cannot be written.
    """
    with new_segment(folder) as segment:
        np.save(segment / "keys.npy", np.frombuffer(keys.tobytes(), np.uint8).reshape(-1, 16))
        np.save(segment / "lengths.npy", lengths)
        file = segment / "states.npy"
        shape = (int(lengths.sum()), width)
        states = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=shape)
        with file.open("rb+") as stream:
            # Room is taken now: a mapped file that meets a full disk ends the process.
            os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)
        yield states
        states.flush()


def total_bytes(lengths: Sequence[int] | NDArray[np.int64], width: int, itemsize: int) -> int:
    """Size of the states of texts of these lengths."""
    return int(np.sum(lengths)) * width * itemsize
