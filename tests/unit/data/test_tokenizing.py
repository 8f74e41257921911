from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders import a_split, byte_level_tokenizer, metaspace_tokenizer, spaces, wordpiece_tokenizer
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as BackEnd

from workbench.data.examples import Example
from workbench.data.pieces import CUT, WordLabels, first_pieces, last_pieces
from workbench.data.tokenizing import Tokenizer, encode_split
from workbench.data.words import Words
from workbench.errors import CheckpointError

WORDPIECE = wordpiece_tokenizer()
TOKENIZERS = {
    "wordpiece": WORDPIECE,
    "byte-level": byte_level_tokenizer(),
    "byte-level, untrimmed": byte_level_tokenizer(trims=False),
    "metaspace": metaspace_tokenizer(),
}
ODD_WORDS = [
    "Ada",
    "don't",
    "U.S.",
    "🙂",
    "👩‍👩‍👧",
    "ﬁn",
    "naïve",
    "東京",
    "#",
    "...",
    "\u200b",
    "é",
]
WORDS = st.lists(
    st.sampled_from(ODD_WORDS)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=8),
    min_size=1,
    max_size=10,
)


def a_tokenizer(back_end: BackEnd = WORDPIECE, max_length: int = 512) -> Tokenizer:
    return Tokenizer(BackEnd.from_str(back_end.to_str()), max_length=max_length, pad_id=0)


def spans_of(words: list[str]) -> list[tuple[int, int]]:
    """Where the words are in `" ".join(words)`."""
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    return [(int(end) - len(word), int(end)) for word, end in zip(words, ends, strict=True)]


def by_word_ids(back_end: BackEnd, words: list[str]) -> list[int]:
    """The usual alignment: tokenise word by word, take the first piece of each."""
    word_ids = back_end.encode(words, is_pretokenized=True).word_ids
    return [word_ids.index(number) if number in word_ids else CUT for number in range(len(words))]


@given(WORDS)
def test_first_pieces_are_those_of_word_ids(words: list[str]) -> None:
    tokenizer = a_tokenizer()

    pieces = tokenizer.pieces([" ".join(words)])[0]

    expected = by_word_ids(WORDPIECE, words)
    assert first_pieces(pieces.offsets, spans_of(words)).tolist() == expected


@pytest.mark.parametrize("name", TOKENIZERS)
@given(words=WORDS)
def test_the_first_piece_of_a_word_is_the_first_that_holds_one_of_its_characters(
    name: str, words: list[str]
) -> None:
    pieces = a_tokenizer(TOKENIZERS[name]).pieces([" ".join(words)])[0]
    spans = spans_of(words)

    found = first_pieces(pieces.offsets, spans)

    for (begin, end), position in zip(spans, found, strict=True):
        inside = [
            number
            for number, (left, right) in enumerate(pieces.offsets.tolist())
            if left < end and right > begin and right > left
        ]
        assert position == (inside[0] if inside else CUT)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(words=WORDS)
def test_the_last_piece_of_a_word_is_the_last_that_holds_one_of_its_characters(
    name: str, words: list[str]
) -> None:
    pieces = a_tokenizer(TOKENIZERS[name]).pieces([" ".join(words)])[0]
    spans = spans_of(words)
    firsts = first_pieces(pieces.offsets, spans)

    found = last_pieces(pieces.offsets, spans, firsts)

    for (begin, end), first, last in zip(spans, firsts, found, strict=True):
        inside = [
            number
            for number, (left, right) in enumerate(pieces.offsets.tolist())
            if left < end and right > begin and right > left
        ]
        assert last == (inside[-1] if inside else CUT)
        assert last >= first


def test_the_last_pieces_of_words_that_are_cut_are_those_that_are_left() -> None:
    pieces = a_tokenizer(max_length=5).pieces(["olders rain"])[0]  # old ##er ##s, then the end
    firsts = first_pieces(pieces.offsets, [(0, 6), (7, 11)])

    assert firsts.tolist() == [1, CUT]
    assert last_pieces(pieces.offsets, [(0, 6), (7, 11)], firsts).tolist() == [3, CUT]
    assert last_pieces(pieces.offsets, [], np.array([])).tolist() == []


def test_a_piece_that_begins_with_the_space_before_its_word_is_the_words_first() -> None:
    # For SentencePiece: " lef" + "t" is the word "left".
    offsets = np.array([(0, 0), (0, 3), (3, 7), (7, 8), (0, 0)])

    assert first_pieces(offsets, [(0, 3), (4, 8)]).tolist() == [1, 2]


def test_a_piece_that_two_words_share_goes_to_the_first_if_the_second_has_its_own() -> None:
    offsets = np.array([(0, 0), (0, 4), (4, 6), (0, 0)])  # "don" and "'ts", cut as "don'" "ts"

    assert first_pieces(offsets, [(0, 3), (3, 6)]).tolist() == [1, 2]


def test_words_after_the_cut_are_cut() -> None:
    tokenizer = a_tokenizer(max_length=5)
    words = ["a", "b", "c", "d", "e"]

    pieces = tokenizer.pieces([" ".join(words), "a"])

    assert first_pieces(pieces[0].offsets, spans_of(words)).tolist() == [1, 2, 3, CUT, CUT]
    assert [piece.is_cut for piece in pieces] == [True, False]
    assert len(pieces[0].ids) == 5


def test_a_text_without_words_has_no_positions() -> None:
    pieces = a_tokenizer().pieces([""])[0]

    assert first_pieces(pieces.offsets, []).tolist() == []
    assert first_pieces(pieces.offsets, [(0, 1)]).tolist() == [CUT]


def test_a_text_is_tokenised_once_and_labelled_for_each_task() -> None:
    words = Words(((0, 3), (4, 8)), ("B-PER", "O"))
    labels = spaces(mood=["bad", "good"], entity=["O", "B-PER"], other=["x", "y"])
    split = a_split(labels, Example(("Ada left",), {"mood": "bad", "entity": words}, "a:1"))

    encoded = encode_split(split, a_tokenizer(), labels)

    example = encoded.examples[0]
    assert example.labels["mood"] == 0
    tags = example.labels["entity"]
    assert isinstance(tags, WordLabels)
    assert tags.labels.tolist() == [1, 0]
    assert "other" not in example.labels
    assert encoded.cut == {"mood": 0, "entity": 0, "other": 0}
    assert encoded.lengths.tolist() == [len(example.rows[0].ids)]


def test_cut_texts_are_counted_for_each_task_that_labels_them() -> None:
    texts = (
        Example(("a b c d e f",), {"mood": "bad"}, "a:1"),
        Example(("a",), {"mood": "bad"}, "a:2"),
    )

    labels = spaces(mood=["bad"], other=["x"])
    encoded = encode_split(a_split(labels, *texts), a_tokenizer(max_length=4), labels)

    assert encoded.cut == {"mood": 1, "other": 0}


def test_a_saved_tokenizer_neither_cuts_nor_pads_and_the_saver_still_cuts(tmp_path: Path) -> None:
    tokenizer = a_tokenizer(max_length=4)

    tokenizer.save(tmp_path)

    saved = BackEnd.from_file(str(tmp_path / "tokenizer.json"))
    assert saved.truncation is None
    assert saved.padding is None
    assert len(tokenizer.pieces(["a b c d e"])[0].ids) == 4


def test_a_damaged_tokenizer_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")

    with pytest.raises(CheckpointError, match="The tokenizer cannot be read"):
        Tokenizer.from_file(tmp_path / "tokenizer.json", max_length=8, pad_id=0)


def test_settings_of_the_file_do_not_reach_the_pieces(backbones: Callable[[str], Path]) -> None:
    # Some published tokenizer.json files pad to a fixed length and cut at 128.
    back_end = BackEnd.from_str(WORDPIECE.to_str())
    back_end.enable_padding(length=64)
    back_end.enable_truncation(6)

    pieces = Tokenizer(back_end, max_length=32, pad_id=0).pieces(["a b c d e f g h"])[0]

    assert len(pieces.ids) == 10
