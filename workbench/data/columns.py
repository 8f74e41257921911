"""Columns of many rows as flat arrays. A row's value is made when it is asked for.

So a million rows take the room of their bytes and numbers, which may be in mapped files, and not
that of a million objects. A column is a sequence, so whoever reads a few rows need not know.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
S = TypeVar("S")
Numbers = NDArray[np.integer[Any]]
"""Of rows, or where something begins."""

AT_ONCE = 4096
"""Rows that are turned into objects together, where many are."""


class Column(Sequence[T]):
    """A value for each row."""

    @abstractmethod
    def at(self, row: int) -> T:
        """The value of a row, from 0."""

    @abstractmethod
    def take(self, rows: Numbers) -> Column[T]:
        """The values of some rows, in their order; flat arrays are shared."""

    @overload
    def __getitem__(self, row: int) -> T: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[T, ...]: ...
    def __getitem__(self, row: int | slice) -> T | tuple[T, ...]:
        if isinstance(row, slice):
            return tuple(self.at(one) for one in range(*row.indices(len(self))))
        size = len(self)
        if not -size <= row < size:
            raise IndexError(f"row {row} of {size}")
        return self.at(row % size)

    def __iter__(self) -> Iterator[T]:
        return map(self.at, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(
            one == another for one, another in zip(self, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # as of lists


@dataclass(frozen=True, eq=False)
class Repeated(Column[T]):
    """Values of which there are few different ones, each row with the number of its own."""

    values: tuple[T, ...]
    codes: Numbers

    def __len__(self) -> int:
        return len(self.codes)

    def at(self, row: int) -> T:
        return self.values[int(self.codes[row])]

    def take(self, rows: Numbers) -> Repeated[T]:
        return Repeated(self.values, self.codes[rows])

    def __iter__(self) -> Iterator[T]:
        for begin in range(0, len(self.codes), AT_ONCE):
            yield from map(self.values.__getitem__, self.codes[begin : begin + AT_ONCE].tolist())

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows of each value, `(values,)`."""
        return np.bincount(self.codes, minlength=len(self.values))

    @property
    def first_rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Codes that some row has, ascending, and the first row of each: found in one pass, since
        there may be as many values as rows.
        """
        used, rows = np.unique(self.codes, return_index=True)
        return used.astype(np.int64), rows

    def map(self, function: Callable[[T, int], S]) -> Repeated[S]:
        """Another value in place of each one that occurs.

        Args:
            function: Of a value and the first row that has it. Of two values it may make equal
                ones, which stay two; see `of`.
        """
        used, rows = self.first_rows
        place = np.zeros(len(self.values), np.int32)
        place[used] = np.arange(len(used))
        pairs = zip(used.tolist(), rows.tolist(), strict=True)
        made = tuple(function(self.values[code], row) for code, row in pairs)
        return Repeated(made, place[self.codes])

    @classmethod
    def of(cls, values: Sequence[T]) -> Repeated[T]:
        """Number values that can be keys of a dictionary; equal ones are one value then."""
        places: dict[T, int] = {}
        if isinstance(values, Repeated):
            merged = [places.setdefault(value, len(places)) for value in values.values]
            if len(places) == len(merged):
                return values
            return cls(tuple(places), np.array(merged, np.int32)[values.codes])
        codes = [places.setdefault(value, len(places)) for value in values]
        return cls(tuple(places), np.array(codes, np.int32))


@dataclass(frozen=True, eq=False)
class Figures(Column[float]):
    """A number for each row."""

    figures: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.figures)

    def at(self, row: int) -> float:
        return float(self.figures[row])

    def take(self, rows: Numbers) -> Figures:
        return Figures(self.figures[rows])


@dataclass(frozen=True)
class Stretches:
    """Where in flat arrays each row's own part is."""

    starts: Numbers
    lengths: Numbers

    def __len__(self) -> int:
        return len(self.starts)

    def of(self, row: int) -> slice:
        """The part of one row."""
        start = int(self.starts[row])
        return slice(start, start + int(self.lengths[row]))

    def take(self, rows: Numbers) -> Stretches:
        """Of some rows."""
        return Stretches(self.starts[rows], self.lengths[rows])

    def places(self) -> NDArray[np.int64]:
        """Where everything of all rows is, one row after the other."""
        lengths = self.lengths.astype(np.int64)
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        begins: NDArray[np.int64] = np.repeat(self.starts - (ends - lengths), lengths)
        return np.arange(total) + begins

    @classmethod
    def one_after_the_other(cls, lengths: Numbers) -> Stretches:
        """Rows that follow each other without a gap."""
        return cls(np.cumsum(lengths, dtype=np.int64) - lengths, lengths)


@dataclass(frozen=True, eq=False)
class Texts(Column[str]):
    """Texts as UTF-8."""

    utf8: NDArray[np.uint8]
    where: Stretches

    def __len__(self) -> int:
        return len(self.where)

    def at(self, row: int) -> str:
        return self.utf8[self.where.of(row)].tobytes().decode("utf-8", "surrogatepass")

    def take(self, rows: Numbers) -> Texts:
        return Texts(self.utf8, self.where.take(rows))


@dataclass(frozen=True, eq=False)
class Computed(Column[T], Generic[T]):
    """What a function makes of each row's number, anew each time."""

    function: Callable[[int], T]
    rows: Numbers

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, row: int) -> T:
        return self.function(int(self.rows[row]))

    def take(self, rows: Numbers) -> Computed[T]:
        return Computed(self.function, self.rows[rows])
