"""Where in a TOML text each key stands, so that an error can name its line.

`tomllib` keeps no positions. This reads lines, not the grammar: a key inside an inline table
or an array gets the line of the key that holds it, which is where a person has to look anyway.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_HEADING = re.compile(r"\s*\[(?!\[)(.*?)\]\s*(?:#.*)?$")
_MULTILINE = ('"""', "'''")

Key = tuple[str, ...]


def setting_in(where: str) -> str:
    """The dotted key out of `[section] key`, as a place without a file is written; else empty."""
    heading, _, key = where.removeprefix("[").partition("]")
    parts = key.split()
    if not where.startswith("[") or len(parts) > 1:
        return ""
    return ".".join([heading, *parts])


class Places:
    """The lines of the keys and sections of one TOML text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Key, int] = {}
        section: Key = ()
        inside = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if inside:
                if inside in line:
                    inside = ""
                continue
            heading = _HEADING.match(line)
            if heading and (parts := _key(heading[1])[0]):
                section = parts
                self._remember(section, number)
                continue
            parts, rest = _key(line)
            if parts and rest.startswith("="):
                self._remember((*section, *parts), number)
                inside = next((q for q in _MULTILINE if rest.count(q) % 2), "")

    def _remember(self, key: Key, line: int) -> None:
        # The first line of a section that is only opened by its sub-sections counts for it, too.
        for length in range(1, len(key) + 1):
            self._lines.setdefault(key[:length], line)

    def line_of(self, key: Sequence[str]) -> int | None:
        """The line of `key`, or of the nearest section or table around it; None if unknown."""
        for length in range(len(key), 0, -1):
            if tuple(key[:length]) in self._lines:
                return self._lines[tuple(key[:length])]
        return None


def _key(text: str) -> tuple[Key, str]:
    """The dotted key that `text` begins with, and what follows it."""
    parts: list[str] = []
    position = 0
    while match := _PART.match(text, position):
        basic, literal, bare = match.groups()
        parts.append(next(part for part in (basic, literal, bare) if part is not None))
        position = match.end()
        if position >= len(text) or text[position] != ".":
            break
        position += 1
    return tuple(parts), text[position:]
