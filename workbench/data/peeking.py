"""A quick look at a data file: how many rows it has and what its columns are called.

For whoever fills in a form. It reads the file once as bytes, parses its first row only, and
raises nothing: what is wrong with the rest is said by `reading`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from workbench.data.formats import format_by_ending

_LARGEST = 1 << 30
"""Bytes; a larger file is looked at, not counted."""
_LONGEST_ROW = 1 << 20


@dataclass(frozen=True)
class Peek:
    """What a look at a file told."""

    rows: int | None
    """Rows, for CoNLL sentences; None where they were not counted."""
    columns: tuple[str, ...]
    """Names of the columns; empty for CoNLL files, which have none."""
    first: str
    """The beginning of the first row, as it is written."""
    fields: int = 0
    """Columns of a CoNLL line."""

    @property
    def words(self) -> str:
        """`400 rows: text, label`."""
        if self.fields:
            count = "" if self.rows is None else f"{self.rows} sentences, "
            return f"{count}{self.fields} columns: {self.first}"
        count = "rows not counted" if self.rows is None else f"{self.rows} rows"
        return f"{count}: {', '.join(self.columns)}" if self.columns else count


def peek(path: Path, form: str = "auto") -> Peek | None:
    """Look at a file.

    Args:
        path: The file.
        form: Its format, or auto to go by its ending.

    Returns:
        What is in it; None if it is not there, has no row, or cannot be understood.
    """
    look = _LOOKS.get(format_by_ending(path) if form == "auto" else form)
    if look is None:
        return None
    try:
        return look(path)
    except (OSError, ValueError, csv.Error, RecursionError):
        return None


def _json_lines(path: Path) -> Peek | None:
    with path.open("rb") as file:
        first = next((line for line in _lines(file.readline) if line.strip()), b"")
    if not first:
        return None
    values = json.loads(first)
    if not isinstance(values, dict):
        return None
    return Peek(_count_lines(path), tuple(values), first[:200].decode(errors="replace").strip())


def _separated(path: Path, delimiter: str) -> Peek | None:
    with path.open("rb") as file:
        rows = csv.reader(TextIOWrapper(file, "utf-8-sig", newline=""), delimiter=delimiter)
        header = next(rows, None)
        first = next(rows, [])
    if header is None:
        return None
    lines = _count_lines(path)
    count = lines - 1 if lines is not None else None
    return Peek(count, tuple(header), delimiter.join(first)[:200])


def _conll(path: Path) -> Peek | None:
    """Sentences are counted by the blank lines between them."""
    sentences, is_inside, first = 0, False, ""
    if path.stat().st_size > _LARGEST:
        return None
    with path.open("rb") as file:
        for line in file:
            is_word = bool(line.strip()) and not line.startswith((b"-DOCSTART-", b"# "))
            if is_word and not is_inside:
                sentences += 1
            if is_word and not first:
                first = line.decode(errors="replace").strip()
            is_inside = is_word or (is_inside and bool(line.strip()))
    if not first:
        return None
    fields = len(first.split("\t") if "\t" in first else first.split())
    return Peek(sentences, (), " ".join(first.split())[:200], fields)


def _lines(read_line: Callable[[int], bytes]) -> Iterator[bytes]:
    while line := read_line(_LONGEST_ROW):
        yield line


def _count_lines(path: Path) -> int | None:
    """Lines that are not blank at the end; quoted line ends in a CSV count as well."""
    if path.stat().st_size > _LARGEST:
        return None
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")


_LOOKS: dict[str, Callable[[Path], Peek | None]] = {
    "jsonl": _json_lines,
    "csv": lambda path: _separated(path, ","),
    "tsv": lambda path: _separated(path, "\t"),
    "conll": _conll,
    "conllu": _conll,
}
"""By format. Parquet needs a library that the interface does not load; the plan counts its rows."""
