"""New texts for a model that is trained: out of files of any size, some at a time.

One text a line, or JSONL. A text is let go when the next window is read, so that a file may be
larger than memory. Nothing is dropped silently: a line that cannot be read is a `DataError` with
file and line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from workbench.data.formats import format_by_ending
from workbench.data.json_lines import json_object
from workbench.errors import DataError, nearest

NewText = str | tuple[str, str]
"""A text, or two that are asked about together."""
FORMATS = ("lines", "jsonl")
LONGEST_LINE = 16 << 20
"""Bytes. A longer one comes of a file that is no text, and would be held as a whole."""
MOST_CHARACTERS = 2_000_000
"""Of one window. Its pieces take about 100 times as many bytes."""


class TextFile:
    """The texts of a file, or of standard input, one after the other. Empty lines are no texts."""

    def __init__(
        self,
        path: Path,
        *,
        form: str = "auto",
        column: str = "text",
        column_b: str | None = None,
    ) -> None:
        """Name a file; nothing is read yet.

        Args:
            path: The file; `-` for standard input.
            form: lines or jsonl; auto goes by the ending, and takes what says nothing for lines.
            column: Of JSONL, the text.
            column_b: Of JSONL, the second text. With it each line has two texts, in lines with a
                tab between; without it each has one.
        """
        self.path = path
        self.position = 0
        """Bytes read so far."""
        self._is_input = str(path) == "-"
        self._column, self._column_b = column, column_b
        ending = format_by_ending(path)
        self._form = form if form != "auto" else ending if ending in FORMATS else "lines"

    @property
    def size(self) -> int | None:
        """Bytes; None where nobody can know, as of a pipe."""
        if self._is_input or not self.path.is_file():
            return None
        return self.path.stat().st_size

    def __iter__(self) -> Iterator[NewText]:
        """The texts.

        Raises:
            DataError: The file is absent, has no texts, or a line cannot be read.
        """
        self.position = 0
        count = 0
        try:
            with nullcontext(sys.stdin.buffer) if self._is_input else self.path.open("rb") as lines:
                for line, place in self._lines(lines):
                    count += 1
                    yield self._text(line, place, count)
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be read: {error.strerror}.",
                where=str(self.path),
                next_step="mend the path",
            ) from error
        if not count:
            raise DataError(
                f"{self.path} has no texts.",
                where=str(self.path),
                next_step="give a file with at least one line that is not empty",
            )

    def _lines(self, lines: BinaryIO) -> Iterator[tuple[str, str]]:
        """Every line that is not empty, and where it stands."""
        number = 0
        # Not splitlines(): a text may hold one of the signs that Python counts as a line's end.
        while raw := lines.readline(LONGEST_LINE + 1):
            number += 1
            self.position += len(raw)
            place = f"{self.path}, line {number}"
            if len(raw) > LONGEST_LINE:
                raise DataError(
                    f"A line of {self.path} is longer than {LONGEST_LINE >> 20} MB.",
                    where=place,
                    next_step="give a text file with one text per line",
                )
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{self.path} is not UTF-8 text.",
                    where=place,
                    next_step="save it as UTF-8, one text per line",
                ) from error
            if line.strip():
                yield line.removesuffix("\n").rstrip("\r"), place

    def _text(self, line: str, place: str, number: int) -> NewText:
        if self._form == "jsonl":
            values = json_object(line, place)
            first = _value(values, self._column, place)
            if self._column_b is None:
                return first
            return first, _value(values, self._column_b, place)
        if self._column_b is None:
            return line
        first, tab, second = line.partition("\t")
        if not tab or not first.strip() or not second.strip():
            raise DataError(
                f"Text {number} has no second one: {line[:40]!r}.",
                where=place,
                next_step="write two texts a line, with a tab between",
            )
        return first, second


def windows(
    texts: Iterable[NewText], *, most_texts: int, most_characters: int = MOST_CHARACTERS
) -> Iterator[list[NewText]]:
    """Texts in lists of so many; no more is read from `texts` than what is in the list.

    Args:
        texts: In order.
        most_texts: In one list.
        most_characters: A list ends with the text that reaches this number.
    """
    window: list[NewText] = []
    characters = 0
    for text in texts:
        window.append(text)
        characters += len(text) if isinstance(text, str) else sum(map(len, text))
        if len(window) == most_texts or characters >= most_characters:
            yield window
            window, characters = [], 0
    if window:
        yield window


def _value(values: dict[str, object], column: str, place: str) -> str:
    if column not in values:
        raise DataError(
            f'There is no "{column}" in the line.',
            where=place,
            next_step=f"name the texts with --column; {nearest(column, values)}",
        )
    value = values[column]
    if not isinstance(value, str):
        raise DataError(
            f'"{column}" is {type(value).__name__}, not a text.',
            where=place,
            next_step="write the text in quotation marks, or leave the line out",
        )
    return value
