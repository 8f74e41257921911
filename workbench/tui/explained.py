"""A setting's help, taken apart: what it is for, and what each of its words does.

The schema explains the words of a choice as `word: what it does.`, one after the other. On a
narrow screen the word that is chosen is what one wants to read of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.config.fields import FieldSpec


@dataclass(frozen=True)
class Explained:
    """The help of one setting."""

    intro: str
    """What is said before the words, or all of it if no word is explained by itself."""
    words: dict[str, str]
    """What is said of each word; a word that has none is missing."""

    def of(self, word: str) -> str:
        """What to read while this word is chosen: of the words this one, and what all share."""
        if word not in self.words:
            return self.intro or "  ".join(f"{one}: {text}" for one, text in self.words.items())
        return f"{self.words[word]} {self.intro}".strip()


def explain(spec: FieldSpec) -> Explained:
    """Take the help of a setting apart."""
    if not spec.choices:
        return Explained(spec.help, {})
    word = "|".join(re.escape(one) for one in sorted(spec.choices, key=len, reverse=True))
    marks = list(re.finditer(rf"(?:^|(?<=[.;] ))((?:{word})(?:, (?:{word}))*): ", spec.help))
    if not marks:
        return Explained(spec.help, {})
    words: dict[str, str] = {}
    ends = [mark.start() for mark in marks[1:]] + [len(spec.help)]
    for mark, end in zip(marks, ends, strict=True):
        text = spec.help[mark.end() : end].strip()
        text = text[:1].upper() + text[1:]
        words |= dict.fromkeys(mark[1].split(", "), text)
    return Explained(spec.help[: marks[0].start()].strip(), words)
