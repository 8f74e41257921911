"""The pieces of many texts in flat arrays, in memory or mapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.columns import AT_ONCE, Column, Numbers, Stretches
from workbench.data.growing import Arrays
from workbench.data.pieces import Pieces


@dataclass(frozen=True, eq=False)
class PieceArrays:
    """Pieces of some texts, one text after the other."""

    ids: NDArray[np.integer[Any]]
    """As in `Pieces`."""
    offsets: NDArray[np.integer[Any]]
    segments: NDArray[np.integer[Any]] | None
    """None for single texts."""
    sources: NDArray[np.integer[Any]] | None


@dataclass(frozen=True, eq=False)
class PieceColumn(Column[Pieces]):
    """The pieces of each text, or pair of texts."""

    files: tuple[PieceArrays, ...]
    """Where they are."""
    codes: Numbers
    """In which of these each text's are, `(texts,)`."""
    where: Stretches
    is_cut: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Pieces of each text, `(texts,)`."""
        return self.where.lengths.astype(np.int64)

    def at(self, row: int) -> Pieces:
        arrays, own = self.files[self.codes[row]], self.where.of(row)
        is_pair = arrays.segments is not None and arrays.sources is not None
        return Pieces(
            ids=arrays.ids[own].astype(np.int64),
            offsets=arrays.offsets[own].astype(np.int64),
            is_cut=bool(self.is_cut[row]),
            segments=arrays.segments[own].astype(np.int64) if is_pair else None,
            sources=arrays.sources[own].astype(np.int64) if is_pair else None,
        )

    def take(self, rows: Numbers) -> PieceColumn:
        return PieceColumn(self.files, self.codes[rows], self.where.take(rows), self.is_cut[rows])

    def flat(self, name: str) -> NDArray[np.int64]:
        """One of the arrays of all texts, one text after the other: ids or offsets."""
        if len(self.files) == 1:
            whole: NDArray[Any] = getattr(self.files[0], name)
            return whole[self.where.places()].astype(np.int64)
        parts = [getattr(arrays, name) for arrays in self.files]
        code_of_piece = np.repeat(self.codes, self.where.lengths)
        places = self.where.places()
        shape = parts[0].shape[1:] if parts else ()
        found = np.empty((len(places), *shape), np.int64)
        for code, part in enumerate(parts):
            chosen = code_of_piece == code
            found[chosen] = part[places[chosen]]
        return found

    def some_at_once(self) -> Iterator[tuple[int, PieceColumn]]:
        """All texts in parts that are small enough to be looked at in memory, with the number of
        the first of each.
        """
        for begin in range(0, len(self), AT_ONCE):
            yield begin, self.take(np.arange(begin, min(begin + AT_ONCE, len(self))))

    @classmethod
    def of(cls, arrays: Arrays) -> PieceColumn:
        """Out of what `piece_arrays` has made, put together.

        Raises:
            KeyError: An array is absent.
        """
        lengths = arrays["lengths"]
        file = PieceArrays(
            arrays["ids"], arrays["offsets"], arrays.get("segments"), arrays.get("sources")
        )
        where = Stretches.one_after_the_other(lengths)
        return cls((file,), np.zeros(len(lengths), np.int8), where, arrays["is_cut"])

    @classmethod
    def joined(cls, parts: Sequence[PieceColumn], order: NDArray[np.int64]) -> PieceColumn:
        """Several columns as one.

        Args:
            parts: One after the other.
            order: For each row of the result its number among all of theirs.
        """
        begins = np.cumsum([0, *(len(part.files) for part in parts)])
        return cls(
            tuple(chain.from_iterable(part.files for part in parts)),
            np.concatenate(
                [part.codes + begin for part, begin in zip(parts, begins[:-1], strict=True)]
                or [np.zeros(0, np.int64)]
            ),
            Stretches(
                np.concatenate([part.where.starts for part in parts] or [np.zeros(0, np.int64)]),
                np.concatenate([part.where.lengths for part in parts] or [np.zeros(0, np.int64)]),
            ),
            np.concatenate([part.is_cut for part in parts] or [np.zeros(0, np.bool_)]),
        ).take(order)


def piece_arrays(pieces: Sequence[Pieces], *, highest_id: int) -> Arrays:
    """Flat arrays of some texts, all single ones or all pairs, to be added to those before.

    Args:
        pieces: Of each text.
        highest_id: What no number of a piece exceeds.
    """
    # Half the room, and so half of what the system has to keep of mapped files.
    small = np.uint16 if highest_id < 1 << 16 else np.int32
    made: Arrays = {
        "lengths": np.fromiter((len(one.ids) for one in pieces), np.int32, len(pieces)),
        "ids": np.concatenate([one.ids for one in pieces]).astype(small),
        "offsets": np.concatenate([one.offsets for one in pieces]).astype(np.int32),
        "is_cut": np.fromiter((one.is_cut for one in pieces), np.bool_, len(pieces)),
    }
    if pieces[0].segments is not None:
        for name in ("segments", "sources"):
            parts = [getattr(one, name) for one in pieces]
            made[name] = np.concatenate(parts).astype(np.int8)
    return made
