"""A grid of cells, each with a code point and an ink: what is compared and painted."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.tui.charts.raster import FAINT

CellLength = Callable[[str], int]
"""Counts the cells of a text; handed in, since only the interface knows its terminal."""

FAR_CELLS = 4
"""Differences further apart are painted one by one: to move the terminal's cursor costs 8 bytes,
to paint what lies between at least 40, since every change of colour is spelled out."""

CONTINUED = 0
"""Code point of a cell that the wide character to its left covers too."""

INK_LINE = 0
"""First of eight inks of series, by colour slot."""
INK_FAINT = FAINT
"""First of eight faint inks."""
INK_TEXT = 16
INK_AXIS = 17
INK_TITLE = 18
INK_EVENT = 19
INK_NAN = 20
INK_EMPTY = 21
INK_STATUS = 22
INK_LABEL = 23
INK_CURSOR = 32
"""Added to another ink beneath the cursor."""


@dataclass(frozen=True, slots=True)
class Span:
    """Cells of one row, `start` to before `end`."""

    row: int
    start: int
    end: int


class Canvas:
    """Guarantees that each row fills its width exactly, whatever is written on it."""

    def __init__(self, width: int, height: int, cell_length: CellLength) -> None:
        self.codes: NDArray[np.uint32] = np.full((height, width), ord(" "), dtype=np.uint32)
        self.inks: NDArray[np.uint8] = np.full((height, width), INK_TEXT, dtype=np.uint8)
        self.width, self.height = width, height
        self._cell_length = cell_length

    def write(self, row: int, column: int, text: str, ink: int, end: int | None = None) -> int:
        """Write text, cut before `end` (the right edge if None), and return where it stopped.

        Combining characters are merged or left out: a cell holds one code point.
        """
        limit = self.width if end is None else min(end, self.width)
        for character in unicodedata.normalize("NFC", text):
            cells = self._cell_length(character) if character.isprintable() else 0
            if cells and column + cells > limit:
                break
            if cells:
                self.codes[row, column : column + cells] = CONTINUED
                self.codes[row, column] = ord(character)
                self.inks[row, column : column + cells] = ink
                column += cells
        return column

    def cells(self, text: str) -> int:
        """Count the cells that `write` uses for a text."""
        if text.isascii() and text.isprintable():
            return len(text)
        characters = unicodedata.normalize("NFC", text)
        return sum(self._cell_length(c) for c in characters if c.isprintable())

    def shorten(self, text: str, cells: int, ellipsis: str = "…") -> str:
        """Cut a text to at most so many cells, with an ellipsis if anything is lost."""
        if self.cells(text) <= cells:
            return text
        if text.isascii() and text.isprintable():
            text = text[: max(0, cells - self.cells(ellipsis))]
        while text and self.cells(text) + self.cells(ellipsis) > cells:
            text = text[:-1]
        return text.rstrip() + ellipsis if self.cells(ellipsis) <= cells else ""

    def runs(self, row: int) -> list[tuple[str, int]]:
        """Return the row as texts of one ink each."""
        codes, inks = self.codes[row], self.inks[row]
        starts = np.concatenate(([0], np.flatnonzero(inks[1:] != inks[:-1]) + 1)).tolist()
        return [
            (_decode(codes[start:end]), int(inks[start]))
            for start, end in zip(starts, [*starts[1:], codes.size], strict=True)
        ]

    def text(self) -> str:
        """Return all rows, for tests and plain output."""
        return "\n".join(_decode(row).rstrip() for row in self.codes)

    def changed_spans(self, old: "Canvas") -> list[Span]:
        """Return the cells that differ, with what lies between two that are close together.

        Raises:
            ValueError: The sizes differ.
        """
        if self.codes.shape != old.codes.shape:
            raise ValueError(f"Sizes differ: {self.codes.shape} and {old.codes.shape}.")
        differs = (self.codes != old.codes) | (self.inks != old.inks)
        spans = []
        for row in np.flatnonzero(differs.any(axis=1)).tolist():
            places = np.flatnonzero(differs[row])
            for group in np.split(places, np.flatnonzero(np.diff(places) > FAR_CELLS) + 1):
                start, end = int(group[0]), int(group[-1]) + 1
                while start and CONTINUED in (self.codes[row, start], old.codes[row, start]):
                    start -= 1
                while end < self.width and CONTINUED in (self.codes[row, end], old.codes[row, end]):
                    end += 1
                spans.append(Span(row, start, end))
        return spans


def _decode(codes: NDArray[np.uint32]) -> str:
    encoded: bytes = codes[codes != CONTINUED].astype("<u4").tobytes()
    return encoded.decode("utf-32-le")
