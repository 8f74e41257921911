"""Where the words of a raw text are."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = re.compile(r"['’](?:s|re|ve|ll|d|m|t)\b|\w+|[^\w\s]")


@dataclass(frozen=True)
class Words:
    """A text cut into words, with a tag for each."""

    spans: tuple[tuple[int, int], ...]
    """Begin and end of each word in the text, in characters."""
    tags: tuple[str, ...]
    """One for each word, `UNANNOTATED` where nobody gave one."""


def word_spans(text: str) -> list[tuple[int, int]]:
    """Begin and end of each word: runs of letters and digits, and each mark by itself.

    What follows an apostrophe in English ('s, 're, 'll …) is a word with it.
    """
    return [match.span() for match in _WORD.finditer(text)]
