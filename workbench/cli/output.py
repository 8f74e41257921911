"""The only place that prints: data on standard output, everything else on standard error.

Text from outside (names, labels, log lines) is shown, never obeyed: control characters and those
that turn the direction of writing are replaced by signs.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from workbench.errors import WorkbenchError
from workbench.secrecy import scrub
from workbench.tui.visible import UNSAFE, visible

if TYPE_CHECKING:
    from rich.console import Console

_UNSAFE_IN_JSON = re.compile(rf"(?!\n){UNSAFE.pattern}")  # JSON has line ends beside texts only
_MOST_INDENTED = 50
_KNOWN_TO_JSON = frozenset({str, int, bool, type(None)})


class OutputClosed(Exception):
    """Whoever read the output has gone, as `head` does when it has enough."""


def prepare() -> None:
    """Make both streams write what they can: a sign they cannot encode becomes an escape."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def is_terminal() -> bool:
    """Whether a person looks at standard output."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb"


def can_ask() -> bool:
    """Whether there is a person to ask, and a place to ask."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def line(text: str = "") -> None:
    """One line of data."""
    _write(sys.stdout, "\n".join(visible(part) for part in text.split("\n")))


def note(text: str) -> None:
    """One line for the person, beside the data."""
    _write(sys.stderr, "\n".join(visible(part) for part in text.split("\n")))


def error(problem: WorkbenchError) -> None:
    """What happened, where, and what to do next; all problems of it."""
    for each in problem.problems:
        for text in each.lines():
            note(scrub(text))


def ask(question: str) -> str | None:
    """Ask the person; returns what they typed, in small letters. Ctrl-C and Ctrl-D are None."""
    sys.stderr.write(visible(question))
    sys.stderr.flush()
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = ""
    if not answer:
        note("")
        return None
    return answer.strip().lower()


def json_document(value: object) -> None:
    """A value as JSON. What is not finite is null; times are ISO 8601 in UTC."""
    _write(sys.stdout, _escaped(_as_json(plain(value))))


def _escaped(text: str) -> str:
    return _UNSAFE_IN_JSON.sub(lambda match: json.dumps(match[0])[1:-1], text)


def json_list(values: Iterable[object]) -> None:
    """Values as a list of JSON, written as they come; few of them as `json_document` does."""
    coming = iter(values)
    first = list(islice(coming, _MOST_INDENTED + 1))
    if len(first) <= _MOST_INDENTED:
        json_document(first)
        return
    _write(sys.stdout, "[")
    before: str | None = None
    for value in chain(first, coming):
        if before is not None:
            _write(sys.stdout, f"{before},")
        before = _escaped(json.dumps(plain(value), ensure_ascii=False, allow_nan=False))
    _write(sys.stdout, f"{before}\n]")


def _as_json(value: Any) -> str:
    """Indented; of a long list one element a line, since indenting 500 runs takes 0.3 s."""
    if isinstance(value, list) and len(value) > _MOST_INDENTED:
        lines = (json.dumps(one, ensure_ascii=False, allow_nan=False) for one in value)
        return "[\n" + ",\n".join(lines) + "\n]"
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)


def plain(value: Any) -> Any:
    """A value as what JSON knows."""
    kind = type(value)
    if kind in _KNOWN_TO_JSON:
        return value
    if kind is dict:
        return {str(key): plain(inner) for key, inner in value.items()}
    if kind is float:
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return plain(dict(value))
    if isinstance(value, float):
        return plain(float(value))
    if isinstance(value, str | int):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return [plain(inner) for inner in value]


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[str] = (),
    whole: Collection[str] = (),
) -> None:
    """A table: drawn on a terminal, aligned text elsewhere.

    Args:
        columns: The headings.
        rows: Cells, as many as there are columns.
        right: Headings of the columns whose cells go to the right, such as numbers.
        whole: Headings of the columns that keep to one line where the terminal is narrow.
    """
    cells = [[visible(cell) for cell in row] for row in rows]
    columns, right, whole = ([visible(name) for name in names] for names in (columns, right, whole))
    if is_terminal():
        _drawn_table(columns, cells, right, whole)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in ([*columns], *cells):
        parts = (
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        )
        _write(sys.stdout, "  ".join(parts).rstrip())


def heading(text: str) -> None:
    """A line above a table or a list."""
    if is_terminal():
        from rich.text import Text

        console().print(Text(visible(text), style="bold"))
    else:
        line(text)


def console() -> Console:
    """The terminal, for what is drawn on it."""
    from rich.console import Console  # 60 ms that plain output does without

    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def close() -> None:
    """Write out what is still on its way; raises OutputClosed if nobody reads it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up(sys.stdout)
        raise OutputClosed from None


def _drawn_table(
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
    right: Collection[str],
    whole: Collection[str],
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        drawn.add_column(
            Text(name),
            justify="right" if name in right else "left",
            no_wrap=name in whole,
            overflow="fold",
        )
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    try:
        console().print(drawn)
    except BrokenPipeError:
        _give_up(sys.stdout)
        raise OutputClosed from None


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text + "\n")
        stream.flush()
    except BrokenPipeError:
        _give_up(stream)
        raise OutputClosed from None


def _give_up(stream: TextIO) -> None:
    """Point the stream nowhere, or Python would complain once more when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):  # it has no file behind it, as in a test
        return
