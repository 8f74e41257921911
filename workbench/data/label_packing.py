"""How the labels of many rows become flat arrays, and a column again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from workbench.data.columns import Column, Figures, Repeated
from workbench.data.growing import Arrays

LabelT = TypeVar("LabelT")


class LabelPacker(ABC, Generic[LabelT]):
    """Packs the labels of one task, some rows after the other."""

    @abstractmethod
    def pack(self, labels: Sequence[LabelT]) -> Arrays:
        """Arrays of some rows, to be added to those of the rows before."""

    def about(self) -> Any:
        """What the arrays do not say, as plain values; asked when all rows are packed."""
        return None

    @abstractmethod
    def unpack(self, arrays: Mapping[str, Any], about: Any) -> Column[LabelT]:
        """The labels of all rows.

        Args:
            arrays: What `pack` gave, put together, and perhaps others.
            about: What `about` gave.
        """


class Numbering:
    """Numbers for values, in the order in which they come."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def __call__(self, values: Sequence[str]) -> np.ndarray:
        """The number of each, `(values,)`."""
        places = self._places
        return np.array([places.setdefault(value, len(places)) for value in values], np.int32)

    @property
    def values(self) -> tuple[str, ...]:
        """By number."""
        return tuple(self._places)


class NamePacker(LabelPacker[str]):
    """Names, of which there are few."""

    def __init__(self) -> None:
        self._numbers = Numbering()

    def pack(self, labels: Sequence[str]) -> Arrays:
        return {"labels": self._numbers(labels)}

    def about(self) -> Any:
        return self._numbers.values

    def unpack(self, arrays: Mapping[str, Any], about: Any) -> Repeated[str]:
        return Repeated(tuple(about), arrays["labels"])


class FigurePacker(LabelPacker[float]):
    """Numbers."""

    def pack(self, labels: Sequence[float]) -> Arrays:
        return {"labels": np.array(labels, np.float64)}

    def unpack(self, arrays: Mapping[str, Any], about: Any) -> Figures:
        return Figures(arrays["labels"])
