"""Texts to words with their characters: what a backbone without a transformer reads.

A piece is a word. Its row of numbers is the word's, then those of its characters, so that one
table of numbers carries both and all that counts pieces counts words.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.data.pieces import Pieces
from workbench.data.words import word_spans
from workbench.errors import CheckpointError

PADDING, UNKNOWN, SEPARATOR, FIRST = 0, 1, 2, 3
"""Numbers that are no word's and no character's, and the first that is; the third stands between
two texts."""
FILE = "words.json"


class WordTokenizer:
    """Turns texts into at most `max_length` words, each with its first characters."""

    pad_id = PADDING
    vocabulary = None
    """There is no mask: a word that is hidden would show its characters."""

    def __init__(
        self,
        words: Sequence[str],
        characters: str,
        *,
        max_length: int,
        characters_per_word: int,
        lowercase: bool,
    ) -> None:
        """Know these words and characters; all others are unknown.

        Args:
            words: In the order of their numbers.
            characters: The same.
            max_length: Longest text in words.
            characters_per_word: A longer word is cut; 0 to leave characters out.
            lowercase: Whether words are looked up in small letters; characters stay as they are.
        """
        self.words = tuple(words)
        self.characters = characters
        self.max_length = max_length
        self.characters_per_word = characters_per_word
        self.lowercase = lowercase
        self._number_of_word = {word: number for number, word in enumerate(words, FIRST)}
        self._number_of_character = {
            character: number for number, character in enumerate(characters, FIRST)
        }

    def pieces(self, texts: Sequence[str | tuple[str, str]]) -> list[Pieces]:
        """Cut texts into words; one without a word has a single unknown one.

        Two texts become one row with a separator between them. Where they are too long together,
        words are taken from the end of the longer.
        """
        return [
            self._pair(*text) if isinstance(text, tuple) else self._pieces(text) for text in texts
        ]

    @property
    def highest_id(self) -> int:
        """What no number of a word or character exceeds."""
        return FIRST + max(len(self.words), len(self.characters))

    def is_like(self, other: object) -> bool:
        """Whether the other has the same words and characters under the same numbers."""
        return isinstance(other, WordTokenizer) and (self.words, self.characters) == (
            other.words,
            other.characters,
        )

    def save(self, folder: Path) -> None:
        """Write `words.json`."""
        content = {
            "words": self.words,
            "characters": self.characters,
            "characters_per_word": self.characters_per_word,
            "lowercase": self.lowercase,
        }
        (folder / FILE).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, max_length: int) -> WordTokenizer:
        """Read `words.json`.

        Raises:
            CheckpointError: It is absent or damaged.
        """
        try:
            content: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
            return cls(**content, max_length=max_length)
        except (OSError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"The vocabulary cannot be read: {error}.",
                where=str(folder / FILE),
                next_step="take another checkpoint; this one is damaged",
            ) from error

    def _pieces(self, text: str, room: int | None = None) -> Pieces:
        room = self.max_length if room is None else room
        all_spans = word_spans(text)
        spans = all_spans[:room] or [(0, 0)]
        ids = np.zeros((len(spans), 1 + self.characters_per_word), dtype=np.int64)
        for row, (begin, end) in enumerate(spans):
            word = text[begin:end]
            ids[row, 0] = self._number_of_word.get(self.key(word), UNKNOWN)
            for column, character in enumerate(word[: self.characters_per_word], start=1):
                ids[row, column] = self._number_of_character.get(character, UNKNOWN)
        return Pieces(
            ids=ids,
            offsets=np.array(spans, dtype=np.int64),
            is_cut=len(all_spans) > room,
        )

    def _pair(self, one: str, other: str) -> Pieces:
        lengths = [max(1, len(word_spans(text))) for text in (one, other)]
        room, half = self.max_length - 1, (self.max_length - 1) // 2
        first = min(lengths[0], max(half, room - lengths[1]))
        parts = self._pieces(one, first), self._pieces(other, room - first)
        between = np.zeros((1, 1 + self.characters_per_word), dtype=np.int64)
        between[0, 0] = SEPARATOR
        sizes = [len(part.ids) for part in parts]
        return Pieces(
            ids=np.concatenate([parts[0].ids, between, parts[1].ids]),
            offsets=np.concatenate([parts[0].offsets, [[0, 0]], parts[1].offsets]),
            is_cut=any(part.is_cut for part in parts),
            sources=np.repeat([0, -1, 1], [sizes[0], 1, sizes[1]]),
        )

    def key(self, word: str) -> str:
        """How a word is looked up."""
        return word.lower() if self.lowercase else word


def words_of(texts: Iterable[str], *, lowercase: bool) -> Counter[str]:
    """How often each word occurs."""
    return Counter(
        text[begin:end].lower() if lowercase else text[begin:end]
        for text in texts
        for begin, end in word_spans(text)
    )


def vocabulary(counts: Counter[str], *, min_count: int, others: Collection[str] = ()) -> list[str]:
    """The words to know: those of the texts that are frequent enough, most frequent first.

    Args:
        counts: Of the training texts.
        min_count: A rarer word is unknown, so that what stands for unknown ones is learned.
        others: Further words, known from elsewhere; they come last.
    """
    frequent = sorted(word for word, count in counts.items() if count >= min_count)
    frequent.sort(key=lambda word: -counts[word])
    known = set(frequent)
    return [*frequent, *sorted(word for word in others if word not in known)]
