from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.pieces import CUT, first_pieces
from workbench.data.word_tokenizing import (
    FIRST,
    SEPARATOR,
    UNKNOWN,
    WordTokenizer,
    vocabulary,
    words_of,
)
from workbench.data.words import word_spans
from workbench.errors import CheckpointError


def a_tokenizer(max_length: int = 8, characters_per_word: int = 4) -> WordTokenizer:
    return WordTokenizer(
        ["the", "rain"],
        "aeinrthT",
        max_length=max_length,
        characters_per_word=characters_per_word,
        lowercase=True,
    )


def test_a_piece_is_a_word_with_its_characters() -> None:
    (found,) = a_tokenizer().pieces(["The rainy rain"])

    the, rainy, rain = found.ids.tolist()
    assert (the[0], rainy[0], rain[0]) == (FIRST, UNKNOWN, FIRST + 1)
    assert the[1:] == [10, 9, 4, 0]  # T, h, e: capitals are characters of their own
    assert rainy[1:] == rain[1:] == [7, 3, 5, 6]  # cut after four
    assert found.offsets.tolist() == [[0, 3], [4, 9], [10, 14]]


@given(st.text(max_size=60))
def test_every_word_of_any_text_is_found_by_its_offsets(text: str) -> None:
    (found,) = a_tokenizer(max_length=5).pieces([text])
    words = word_spans(text)

    places = first_pieces(found.offsets, words).tolist()

    assert places == [*range(min(5, len(words))), *[CUT] * (len(words) - 5)]
    assert found.is_cut == (len(words) > 5)
    assert len(found.ids) == max(1, min(5, len(words)))  # there is always something to read
    assert found.ids.max() < FIRST + 8


@given(st.text(max_size=40), st.text(max_size=40))
def test_two_texts_become_one_row_in_which_each_has_its_place(one: str, other: str) -> None:
    tokenizer = a_tokenizer(max_length=7)

    (pair,) = tokenizer.pieces([(one, other)])

    alone = tokenizer.pieces([one, other])
    assert pair.sources is not None
    assert len(pair.ids) == len(pair.sources) <= 7
    assert pair.ids[pair.sources == -1, 0].tolist() == [SEPARATOR]
    for source, own in enumerate(alone):
        kept = pair.ids[pair.sources == source]
        assert len(kept) >= 1
        assert kept.tolist() == own.ids[: len(kept)].tolist()
    whole = sum(max(1, len(word_spans(text))) for text in (one, other)) <= 6
    assert pair.is_cut != whole


def test_a_vocabulary_is_saved_and_read_back(tmp_path: Path) -> None:
    tokenizer = a_tokenizer()
    tokenizer.save(tmp_path)

    back = WordTokenizer.load(tmp_path, max_length=8)

    text = ["The rain; the train 🙂"]
    assert back.pieces(text)[0].ids.tolist() == tokenizer.pieces(text)[0].ids.tolist()
    (tmp_path / "words.json").write_text("{")
    with pytest.raises(CheckpointError, match="vocabulary cannot be read"):
        WordTokenizer.load(tmp_path, max_length=8)


def test_rare_words_are_unknown_and_words_from_elsewhere_come_last() -> None:
    counts = words_of(["The rain, the snow", "Rain"], lowercase=True)

    assert counts == Counter({"the": 2, "rain": 2, "snow": 1, ",": 1})
    assert vocabulary(counts, min_count=2, others=["snow", "the"]) == ["rain", "the", "snow"]
