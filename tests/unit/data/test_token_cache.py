from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from builders import POSITIONS, byte_level_tokenizer, wordpiece_tokenizer

from workbench.data import token_cache
from workbench.data.cache_folder import entries
from workbench.data.inputs import Inputs
from workbench.data.pieces import Pieces
from workbench.data.token_cache import cached_pieces
from workbench.data.tokenizing import Tokenizer

ROOM = 1 << 30
TEXTS = ["Ada loves the rain.", "", "Paris!", "Ada loves the rain.", "x" * 200, "für 雨"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_cache, "FEWEST", 1)


def a_tokenizer(max_length: int = 12) -> Tokenizer:
    return Tokenizer(wordpiece_tokenizer(), max_length=max_length, pad_id=0)


def assert_equal(found: Sequence[Pieces], expected: Sequence[Pieces]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.ids.dtype == other.ids.dtype
        np.testing.assert_array_equal(one.ids, other.ids)
        np.testing.assert_array_equal(one.offsets, other.offsets)
        assert one.is_cut == other.is_cut


class Counting(Tokenizer):
    """A tokenizer that remembers what it was asked."""

    asked: list[str]

    def pieces(self, texts: list[str]) -> list[Pieces]:  # type: ignore[override]
        self.asked = list(texts)
        return super().pieces(texts)


def test_pieces_are_those_of_the_tokenizer_at_first_and_later(tmp_path: Path) -> None:
    texts = TEXTS
    expected = a_tokenizer().pieces(texts)
    tokenizer = Counting(wordpiece_tokenizer(), max_length=12, pad_id=0)

    first = cached_pieces(tokenizer, Inputs.of(texts), tmp_path, most_bytes=ROOM)
    assert_equal(first, expected)
    more = cached_pieces(tokenizer, Inputs.of(["new", *texts]), tmp_path, most_bytes=ROOM)

    assert tokenizer.asked == ["new"]
    assert_equal(more[1:], expected)


@pytest.mark.parametrize("other", ["length", "tokenizer"])
def test_pieces_of_another_tokenizer_are_not_taken(other: str, tmp_path: Path) -> None:
    cached_pieces(a_tokenizer(), Inputs.of(TEXTS[:3]), tmp_path, most_bytes=ROOM)
    changed = (
        a_tokenizer(4)
        if other == "length"
        else Tokenizer(byte_level_tokenizer(), max_length=POSITIONS, pad_id=1)
    )

    found = cached_pieces(changed, Inputs.of(TEXTS[:3]), tmp_path, most_bytes=ROOM)

    assert_equal(found, changed.pieces(TEXTS[:3]))
    assert len(entries(tmp_path)) == 2


def test_a_cache_that_cannot_be_written_or_is_damaged_changes_nothing(tmp_path: Path) -> None:
    texts = TEXTS[:3]
    expected = a_tokenizer().pieces(texts)
    file = tmp_path / "a file"
    file.write_text("")
    assert_equal(cached_pieces(a_tokenizer(), Inputs.of(texts), file, most_bytes=ROOM), expected)

    cached_pieces(a_tokenizer(), Inputs.of(texts), tmp_path, most_bytes=ROOM)
    for damaged in tmp_path.rglob("ids.npy"):
        damaged.write_bytes(b"nothing")

    assert_equal(
        cached_pieces(a_tokenizer(), Inputs.of(texts), tmp_path, most_bytes=ROOM), expected
    )


def test_nothing_is_kept_where_nothing_may_be(tmp_path: Path) -> None:
    cached_pieces(a_tokenizer(), Inputs.of(TEXTS[:3]), tmp_path, most_bytes=0)

    assert not entries(tmp_path)
