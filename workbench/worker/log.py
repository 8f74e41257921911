"""The run's log: a file that the worker's two outputs go to."""

from __future__ import annotations

import os
import sys
import unicodedata
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from workbench.secrecy import scrub

LOG_NAME = "worker.log"
_BLOCK_BYTES = 64 * 1024
_LINE_CHARACTERS = 4096


def say(line: str) -> None:
    """Write a line into it, with the time of day; on a full disk it is not written."""
    with suppress(OSError):
        print(f"{datetime.now():%H:%M:%S} {scrub(line)}", file=sys.stderr, flush=True)


def tail(log: Path, lines: int) -> list[str]:
    """The last lines of a log; none if there is no log.

    Tokens are hidden, as libraries print into it, too. Escape sequences and other control
    characters are shown, not obeyed: a log holds texts from data files. Of a line that was
    overwritten in place (a progress bar) the last state is kept.
    """
    try:
        raw = _last_bytes(log, lines)
    except OSError:
        return []
    found = raw.decode("utf-8", errors="replace").split("\n")
    if found and not found[-1]:
        found.pop()
    return [_visible(scrub(line)) for line in found[-lines:]] if lines > 0 else []


def _last_bytes(file: Path, lines: int) -> bytes:
    with file.open("rb") as opened:
        position = opened.seek(0, os.SEEK_END)
        blocks: list[bytes] = []
        ends = 0
        # One more than asked for, since the first may be cut.
        while position > 0 and ends <= lines:
            size = min(_BLOCK_BYTES, position)
            position -= size
            opened.seek(position)
            blocks.append(opened.read(size))
            ends += blocks[-1].count(b"\n")
    return b"".join(reversed(blocks))


def _visible(line: str) -> str:
    line = line.rstrip("\r").rpartition("\r")[2]
    if len(line) > _LINE_CHARACTERS:
        line = line[:_LINE_CHARACTERS] + "…"
    return "".join(_shown(character) for character in line)


def _shown(character: str) -> str:
    if character == "\t":
        return "    "
    # Control, and format: that is also what turns the direction of writing around.
    if unicodedata.category(character) in ("Cc", "Cf"):
        return character.encode("unicode_escape").decode("ascii")
    return character
