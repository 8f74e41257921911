"""Two texts: as one input with the tokenizer's marks, or as two rows of a batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from builders import a_row, a_split, byte_level_tokenizer, spaces, wordpiece_tokenizer
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as BackEnd

from workbench.data.batching import collate
from workbench.data.examples import Example
from workbench.data.kinds import TextKeys
from workbench.data.labels import LabelSpace
from workbench.data.tokenizing import EncodedExample, Tokenizer, encode_split
from workbench.errors import ConfigError

TOKENIZERS: dict[str, Callable[[], BackEnd]] = {
    "bert": wordpiece_tokenizer,
    "roberta": byte_level_tokenizer,
}
FIRST, SECOND = "The rain in Turin", "Ada loves the old town"


def a_tokenizer(name: str = "bert", max_length: int = 64) -> Tokenizer:
    return Tokenizer(TOKENIZERS[name](), max_length=max_length, pad_id=0)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_pair_is_what_the_tokenizers_template_makes_of_it(name: str) -> None:
    (pair,) = a_tokenizer(name).pieces([(FIRST, SECOND)])

    expected = TOKENIZERS[name]().encode(FIRST, SECOND)
    assert pair.ids.tolist() == expected.ids
    assert pair.segments is not None
    assert pair.segments.tolist() == expected.type_ids


@pytest.mark.parametrize("name", TOKENIZERS)
def test_offsets_of_a_pair_are_in_the_text_that_a_piece_is_from(name: str) -> None:
    tokenizer = a_tokenizer(name)

    pair, first, second = tokenizer.pieces([(FIRST, SECOND), FIRST, SECOND])

    assert pair.sources is not None
    for number, alone in enumerate((first, second)):
        real = alone.offsets[:, 1] > alone.offsets[:, 0]
        assert pair.offsets[pair.sources == number].tolist() == alone.offsets[real].tolist()
        assert pair.ids[pair.sources == number].tolist() == alone.ids[real].tolist()
    assert first.segments is None
    assert first.sources is None


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_longer_text_of_a_pair_is_cut(first: int, second: int) -> None:
    tokenizer = a_tokenizer(max_length=24)

    (pair,) = tokenizer.pieces([("a " * first, "b " * second)])

    room = 24 - 3
    assert pair.sources is not None
    left = [int((pair.sources == number).sum()) for number in (0, 1)]
    assert pair.is_cut == (first + second > room)
    assert sum(left) == min(room, first + second)
    shorter = min(first, second)
    assert min(left) >= min(shorter, room // 2)


def test_a_maximum_length_without_room_for_two_texts_is_an_error_for_pairs_only() -> None:
    tokenizer = a_tokenizer(max_length=4)

    assert len(tokenizer.pieces(["rain in the old"])[0].ids) == 4
    with pytest.raises(ConfigError, match="4 pieces leaves no room for two texts"):
        tokenizer.pieces([("rain", "old")])


def test_a_tokenizer_without_a_mark_between_two_texts_is_refused_for_pairs() -> None:
    tokenizer = Tokenizer(byte_level_tokenizer(trims=False), max_length=64, pad_id=0)

    assert tokenizer.pieces([FIRST])[0].sources is None
    with pytest.raises(ConfigError, match="puts nothing between two texts"):
        tokenizer.pieces([(FIRST, SECOND)])


def test_every_text_is_tokenised_once_and_each_task_reads_its_own_rows() -> None:
    labels = spaces(two=["no", "yes"], joint=["no", "yes"])
    examples = (
        Example((FIRST, SECOND), {"two": "no", "joint": "yes"}, "x:1", frozenset(["joint"])),
        Example((SECOND, FIRST), {"two": "yes"}, "x:2"),
    )
    asked: list[object] = []
    tokenizer = a_tokenizer()
    pieces = tokenizer.pieces
    tokenizer.pieces = lambda texts: asked.extend(texts) or pieces(texts)  # type: ignore[method-assign]

    encoded = encode_split(a_split(labels, *examples), tokenizer, labels)

    assert asked == [FIRST, SECOND, (FIRST, SECOND)]
    one, two = encoded.examples
    assert one.reads == {"two": (0, 1), "joint": (2,)}
    assert two.reads == {"two": (0, 1)}
    assert one.rows[0].ids.tolist() == two.rows[1].ids.tolist()
    assert encoded.lengths.tolist() == [len(one.rows[2].ids), len(one.rows[1].ids)]


def test_a_pair_is_cut_if_one_of_its_texts_is() -> None:
    labels = {"alike": LabelSpace("alike", (), "similarity")} | spaces(mood=["a", "b"])
    long = "rain " * 30
    examples = (
        Example(("old", long), {"alike": 1.0}, "x:1"),
        Example(("old", "rain"), {"alike": 2.0}, "x:2"),
    )

    encoded = encode_split(a_split(labels, *examples), a_tokenizer(max_length=16), labels)

    assert encoded.cut == {"alike": 1, "mood": 0}


def test_a_batch_has_each_row_once_whoever_reads_it() -> None:
    same = a_row(4, 30)
    examples = [
        EncodedExample((a_row(3), same), {"alike": 1.0}, "x:1", {"alike": (0, 1)}),
        EncodedExample((a_row(4, 30),), {"mood": 1}, "x:2"),
        EncodedExample((same, a_row(3)), {"alike": 0.5}, "x:3", {"alike": (0, 1)}),
    ]

    batch = collate(examples, [0, 1, 2], pad_id=0)

    assert batch.ids.tolist() == [[10, 11, 12, 0], [30, 31, 32, 33]]
    assert (batch.texts, batch.tokens) == (3, 7)
    assert batch.targets["alike"].rows.tolist() == [[0, 1], [1, 0]]
    assert batch.targets["mood"].rows.tolist() == [1]
    assert batch.segments is None


def test_segments_tell_pairs_from_equal_pieces_in_one_text() -> None:
    tokenizer = a_tokenizer()
    pair = tokenizer.pieces([("rain", "old")])[0]
    alone = a_row(3)
    examples = [
        EncodedExample((alone,), {"t": 0}, "x:1"),
        EncodedExample((pair,), {"t": 1}, "x:2"),
    ]

    batch = collate(examples, [0, 1], pad_id=0)

    assert batch.segments is not None
    assert batch.segments.tolist() == [[0] * len(pair.ids), [0, 0, 0, 1, 1]]


def test_texts_that_an_example_lacks_are_rows_of_another_and_marked_absent() -> None:
    reads = {"answer": (0, 1)}
    examples = [
        EncodedExample((a_row(3), a_row(4)), {"answer": TextKeys((7, 8))}, "x:1", reads),
        EncodedExample(
            (a_row(3, 40), a_row(4, 40), a_row(5, 40)),
            {"answer": TextKeys((9, 8, 6))},
            "x:2",
            {"answer": (0, 1, 2)},
        ),
    ]

    targets = collate(examples, [0, 1], pad_id=0).targets["answer"]

    assert targets.rows.tolist() == [[0, 1, 0], [2, 3, 4]]
    assert targets.labels.tolist() == [[7, 8, 0], [9, 8, 6]]
    assert np.array_equal(targets.count, 2)
