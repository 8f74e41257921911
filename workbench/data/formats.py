"""What a data file's name says of its format."""

from __future__ import annotations

from pathlib import Path

_SYNONYMS = {"ndjson": "jsonl", "bio": "conll", "txt": "conll"}


def format_by_ending(path: Path) -> str:
    """The format that a file's ending speaks for; the ending itself, if for none."""
    ending = path.suffix.lstrip(".").lower()
    return _SYNONYMS.get(ending, ending)
