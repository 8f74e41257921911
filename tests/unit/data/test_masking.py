"""Hiding pieces of a text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.masking import MaskedText, Vocabulary
from workbench.data.pieces import CUT

MASK, SIZE = 4, 1000
VOCABULARY = Vocabulary(SIZE, MASK, str)


def a_text(words: list[int], share: float = 0.15) -> MaskedText:
    """A text whose words have so many pieces, between two special tokens."""
    numbers = [CUT, *np.repeat(np.arange(len(words)), words).tolist(), CUT]
    return MaskedText(
        np.arange(100, 100 + len(numbers)), np.array(numbers, dtype=np.int64), share, VOCABULARY
    )


SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=40)


@given(SIZES, st.floats(0.05, 0.6), st.integers(0, 9))
def test_whole_words_are_hidden_and_what_they_were_is_kept(
    sizes: list[int], share: float, draw: int
) -> None:
    text = a_text(sizes, share)

    shown, hidden = text.hide((draw,))

    assert len(hidden.positions) >= 1
    assert (hidden.labels == text.ids[hidden.positions]).all()
    for word in {text.words[at] for at in hidden.positions}:
        assert set(np.flatnonzero(text.words == word)) <= set(hidden.positions.tolist())
    untouched = np.setdiff1d(np.arange(len(text.ids)), hidden.positions)
    assert (shown[untouched] == text.ids[untouched]).all()
    assert CUT not in text.words[hidden.positions]


@given(SIZES, st.integers(0, 9))
def test_what_is_hidden_depends_on_the_draw_and_the_text_alone(sizes: list[int], draw: int) -> None:
    one, other = a_text(sizes).hide((13, draw)), a_text(sizes).hide((13, draw))

    assert (one[0] == other[0]).all()
    assert (one[1].positions == other[1].positions).all()


def test_other_words_are_hidden_at_another_update() -> None:
    text = a_text([1] * 40)

    drawn = {tuple(text.hide((13, step))[1].positions.tolist()) for step in range(10)}

    assert len(drawn) > 5


def test_so_many_are_hidden_and_become_what_the_paper_says() -> None:
    text = a_text([1] * 100)
    fates = {"mask": 0, "kept": 0, "other": 0}
    count = 0
    for step in range(200):
        shown, hidden = text.hide((1, step))
        count += len(hidden.positions)
        for at in hidden.positions:
            kept = "kept" if shown[at] == text.ids[at] else "other"
            fates["mask" if shown[at] == MASK else kept] += 1

    assert count / 200 == pytest.approx(15, abs=1)
    assert fates["mask"] / count == pytest.approx(0.8, abs=0.03)
    assert fates["kept"] / count == pytest.approx(0.1, abs=0.03)
    assert fates["other"] / count == pytest.approx(0.1, abs=0.03)


def test_a_text_of_special_tokens_alone_hides_nothing() -> None:
    text = MaskedText(np.array([2, 3]), np.array([CUT, CUT]), 0.15, VOCABULARY)

    shown, hidden = text.hide((1,))

    assert shown.tolist() == [2, 3]
    assert len(hidden.positions) == 0
