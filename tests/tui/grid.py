"""Screens as grids of text, compared with what was approved.

    UPDATE_GRIDS=1 python -m pytest tests/tui/test_grids.py

writes them anew; read the difference before it is committed. What differs from run to run (times,
folders, what the machine is doing) is replaced by signs of the same width.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

GRIDS = Path(__file__).parent / "grids"
_CHANGING = (
    (re.compile(r"\b\d\d:\d\d\b"), "hh:mm"),
    (re.compile(r"Process \d+ gave a sign of life \d+ s ago\."), "Process … gave a sign of life."),
    (re.compile(r"(?<=in the queue of )\S+(?=\.$)", re.MULTILINE), "host"),
    (re.compile(r"\b\d+s(?= so far)"), "…s"),
    (re.compile(r"(?<=hh:mm)( +)\d+s\b"), r"\1…s"),
    (re.compile(r"(?<=[▁█]  )( *)\d+s$", re.MULTILINE), r"\1…s"),
    (re.compile(r"(?<=took )\d+s"), "…s"),
    (re.compile(r"(?<=elapsed )\w+ *"), "…"),
    (re.compile(r"(?<=ETA )\w+ *"), "…"),
    (re.compile(r" {2,}\S*/experiments\.db *$", re.MULTILINE), ""),
)


def steady(text: str) -> str:
    """The grid without what differs from run to run."""
    for pattern, sign in _CHANGING:
        text = pattern.sub(sign, text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def assert_grid(name: str, text: str) -> None:
    """The screen looks as it was approved.

    Raises:
        AssertionError: It does not; with both grids.
    """
    file, found = GRIDS / f"{name}.txt", steady(text)
    if os.environ.get("UPDATE_GRIDS"):
        GRIDS.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
    approved = file.read_text(encoding="utf-8")
    assert found == approved, f"{name} looks otherwise:\n{found}\n\napproved was:\n{approved}"
