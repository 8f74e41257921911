"""What each word of a choice means, read out of the setting's own description.

A description explains its words one after the other, as `mean: the average. max, min: the largest
or smallest value (De Boom et al. 2016).`; so the form can show the line of the word in hand, and
the documentation a table, without a second text to keep in step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.config.fields import FieldSpec

_SOURCE = re.compile(r"\(([A-Z][^()]*\b(?:19|20)\d\d[a-z]?\b[^()]*)\)")


@dataclass(frozen=True)
class Meaning:
    """One word of a choice."""

    word: str
    text: str
    """What it does; empty if the description does not say."""
    source: str
    """Where it was published, as `Howard and Ruder 2018`; empty if nowhere in particular."""

    @property
    def sentence(self) -> str:
        """The text with its source, to be read by itself."""
        source = f" ({self.source})" if self.source else ""
        text = f"{self.text.rstrip('.')}{source}." if self.text else ""
        return text[:1].upper() + text[1:]


def meanings(field: FieldSpec) -> list[Meaning]:
    """The words of a choice, in the order of the schema; none for other settings."""
    told: dict[str, str] = {}
    found = _explanations(field)
    for number, match in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(field.help)
        for word in re.findall(_any_of(field.choices), match[1]):
            told[word] = field.help[match.end() : end].strip()
    return [_meaning(word, told.get(word, "")) for word in field.choices]


def lead(field: FieldSpec) -> str:
    """What the description says before it explains the words; all of it if it explains none."""
    found = _explanations(field)
    return field.help[: found[0].start()].strip() if found else field.help


def _explanations(field: FieldSpec) -> list[re.Match[str]]:
    """Where one or several words are explained; the words are the first group."""
    if not field.choices:
        return []
    word = _any_of(field.choices)
    return list(
        re.finditer(rf"(?:^|(?<=[.;] ))((?:{word})(?:,? (?:and )?(?:{word}))*): ", field.help)
    )


def _any_of(words: tuple[str, ...]) -> str:
    return "|".join(sorted((re.escape(word) for word in words), key=len, reverse=True))


def _meaning(word: str, text: str) -> Meaning:
    source = _SOURCE.search(text)
    without = _SOURCE.sub("", text) if source else text
    return Meaning(word, re.sub(r"\s+([.,;])", r"\1", without).strip(), source[1] if source else "")
