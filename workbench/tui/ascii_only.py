"""Terminals that know no more than ASCII: every sign is written as one of its width.

Charts draw with ASCII by themselves, since a curve of braille has no counterpart; what is left,
frames and glyphs, is exchanged when a line is sent.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

VARIABLE = "MTL_WORKBENCH_ASCII"
"""Set to 1 to do without other signs, to 0 to have them whatever the locale says."""

_TABLE = {
    **dict.fromkeys("─━═╌┄╴╶╸╺▔▁", "-"),
    **dict.fromkeys("│┃║┊┆▌▐▏▕▎▍", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛", "+"),
    **dict(zip("▁▂▃▄▅▆▇█", "_.-~=+*#", strict=True)),
    **dict.fromkeys("░▒", "."),
    **dict.fromkeys("▓■", "#"),
    **dict.fromkeys("●◆▪", "*"),
    **dict.fromkeys("○◔◑□", "o"),
    **dict.fromkeys("▲△", "^"),
    **dict.fromkeys("▼▽▾", "v"),
    **dict.fromkeys("▸▶→", ">"),
    **dict.fromkeys("◀←", "<"),
    **dict.fromkeys("·•", "."),
    **dict.fromkeys("–—−‐", "-"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("‘’", "'"),
    "✓": "v", "✗": "x", "×": "x", "★": "*", "‖": "=", "↻": "R", "…": "~", "±": "~", "⏎": "E",
    "↑": "^", "↓": "v", "≤": "<", "≥": ">", "°": "o", "└": "+", "\N{NO-BREAK SPACE}": " ",
}  # fmt: skip


def is_wanted() -> bool:
    """Whether this terminal is to be spared: it was said so, or its encoding has no more."""
    said = os.environ.get(VARIABLE, "")
    if said in ("0", "1"):
        return said == "1"
    encoding = (getattr(sys.__stdout__, "encoding", None) or "utf-8").lower()
    return "utf" not in encoding


@lru_cache(4096)
def in_ascii(text: str) -> str:
    """The text in ASCII, as wide as it was; a question mark for what has no likeness."""
    return text if text.isascii() else "".join(map(_sign, text))


@lru_cache(4096)
def _sign(character: str) -> str:
    if character.isascii():
        return character
    if "\u2800" <= character <= "\u28ff":
        return " " if character == "\u2800" else ":"
    known = _TABLE.get(character)
    if known is not None:
        return known
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    width = cell_len(character)
    return plain if len(plain) == width else "?" * width


class AsciiFilter(LineFilter):
    """Exchanges signs in every line that is sent."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line in ASCII."""
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(in_ascii(segment.text), segment.style)
            for segment in segments
        ]
