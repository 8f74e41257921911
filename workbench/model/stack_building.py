"""From texts and settings to a new stack: its vocabulary, its vectors, its first weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from workbench.data.vectors import read_vectors
from workbench.data.word_tokenizing import FIRST, WordTokenizer, vocabulary, words_of
from workbench.model.stack import StackBackbone, StackSettings, WordStack, WordVectors


@dataclass(frozen=True)
class VocabularySettings:
    """Which words and characters a stack knows."""

    max_length: int
    min_count: int = 2
    """Words that training has less often are unknown to the table that is learned."""
    lowercase: bool = True
    characters_per_word: int = 24
    vectors_file: Path | None = None
    first_rows: int = 0
    """Of the file of vectors, so many rows more than those of words that occur."""


def build_stack(
    settings: StackSettings,
    asked: VocabularySettings,
    *,
    train: Sequence[str],
    others: Sequence[str],
    seed: int,
) -> tuple[StackBackbone, WordTokenizer]:
    """Build a stack with seeded first weights.

    Args:
        settings: Sizes; those of vocabulary and vectors are found here.
        asked: What it is to know.
        train: Training texts.
        others: Further texts that are known beforehand; of them only words with vectors are known.
        seed: Of the first weights.

    Raises:
        DataError: The file of vectors cannot be read.
    """
    counts = words_of(train, lowercase=asked.lowercase)
    learned = "words" in settings.embeddings
    table = vocabulary(counts, min_count=asked.min_count) if learned else []
    vectors = {}
    if "word_vectors" in settings.embeddings:
        assert asked.vectors_file is not None
        wanted = {*counts, *words_of(others, lowercase=asked.lowercase)}
        vectors = read_vectors(
            asked.vectors_file,
            wanted,
            first_rows=asked.first_rows,
            lowercase=asked.lowercase,
        )
    words = vocabulary(counts, min_count=asked.min_count, others=vectors) if learned else [*vectors]
    uses_characters = any(name.startswith("char_") for name in settings.embeddings)
    characters = "".join(sorted(set("".join(train)))) if uses_characters else ""
    tokenizer = WordTokenizer(
        words,
        characters,
        max_length=asked.max_length,
        characters_per_word=asked.characters_per_word if uses_characters else 0,
        lowercase=asked.lowercase,
    )
    settings = replace(
        settings,
        words=len(table),
        known=len(words),
        vectors=len(vectors),
        vector_size=len(next(iter(vectors.values()))) if vectors else 0,
        characters=len(characters),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stack = WordStack(settings)
    if vectors:
        place = stack.embeddings["word_vectors"]
        assert isinstance(place, WordVectors)
        numbers = {word: number for number, word in enumerate(words, FIRST)}
        with torch.no_grad():
            for row, (word, values) in enumerate(vectors.items()):
                place.table[row] = torch.from_numpy(values)
                place.rows[numbers[word]] = row
    return StackBackbone(stack), tokenizer
