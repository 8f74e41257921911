"""One tag per word, and the spans that the tags write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from workbench.data.labels import LabelSpace
from workbench.data.pieces import CUT, NO_LABEL, WordLabels
from workbench.data.schemes import UNANNOTATED, scheme_of_names, spans
from workbench.data.words import word_spans
from workbench.inference.kinds.kind import AnswerKind


@dataclass(frozen=True)
class Entity:
    """A span that a tagging task found in a text."""

    start: int
    """First character."""
    end: int
    """Character after the last."""
    text: str
    label: str


@dataclass(frozen=True)
class WordTags:
    """Tags of the words of one text."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    entities: tuple[Entity, ...]
    """Spans, where the tags are BIO or BIOES."""

    def plain(self) -> dict[str, Any]:
        """Words, tags and entities."""
        return {
            "words": list(self.words),
            "tags": list(self.tags),
            "entities": [vars(entity) for entity in self.entities],
        }


class TaggingAnswers(AnswerKind[WordLabels]):
    """Tags of words are compared; a word that was cut off is predicted `O`, so that it costs."""

    def rows_of(self, label: WordLabels) -> int:
        """The words that were not cut off."""
        return int((label.positions != CUT).sum())

    def compared(
        self, space: LabelSpace, label: WordLabels, decoded: NDArray[Any]
    ) -> tuple[list[str], list[str]]:
        """Tags of all words; `UNANNOTATED` is expected where there is none."""
        expected = [
            UNANNOTATED if number == NO_LABEL else space.names[number]
            for number in label.labels.tolist()
        ]
        return expected, _tags(space.names, label, decoded)

    def answer(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        encoded: WordLabels,
        scores: NDArray[Any],
        decoded: NDArray[Any],
    ) -> WordTags:
        """The words that the text is cut into, their tags and spans."""
        text = texts[0]
        tags, cuts = _tags(labels, encoded, decoded), word_spans(text)
        scheme = scheme_of_names(labels)
        entities = tuple(
            Entity(
                start=cuts[begin][0],
                end=cuts[end - 1][1],
                text=text[cuts[begin][0] : cuts[end - 1][1]],
                label=label,
            )
            for begin, end, label in (spans(tags, scheme) if scheme != "plain" else [])
        )
        surface = tuple(text[begin:end] for begin, end in cuts)
        return WordTags(surface, tuple(tags), entities)


def _tags(labels: Sequence[str], words: WordLabels, decoded: NDArray[Any]) -> list[str]:
    """A tag for each word: `O`, or the first tag, where nothing was predicted."""
    missing = "O" if "O" in labels else labels[0]
    found = iter(decoded.tolist())
    tags = []
    for position in words.positions.tolist():
        guess = None if position == CUT else next(found, None)
        tags.append(missing if guess is None else labels[guess])
    return tags
