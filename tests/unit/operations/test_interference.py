"""Pairs of tasks by the cosines of their gradients."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.operations import interference
from workbench.store.records import Curve, SeriesKey


def cosines(*values: float) -> Curve:
    return Curve(np.arange(1, len(values) + 1) * 10, np.array(values))


CURVES = {
    SeriesKey("run", "a|b", "cosine"): cosines(0.5, -0.5, 0.5, 0.5),
    SeriesKey("run", "a|c", "cosine"): cosines(*[0.9] * 30, *[-0.4] * 20),
    SeriesKey("run", "b|c", "cosine"): cosines(float("nan")),
    SeriesKey("run", "a|b", "cosine/layer 1"): cosines(0.1),
    SeriesKey("run", "", "gradient_norm"): cosines(1.0),
    SeriesKey("train", "a", "loss"): cosines(2.0),
}


def test_pairs_come_with_those_most_at_odds_first_and_unknown_ones_last() -> None:
    found = interference.pairs(CURVES)

    assert [pair.name for pair in found] == ["a|c", "a|b", "b|c"]
    assert found[0].recent == pytest.approx(-0.4)  # of the last looks, not of all
    assert found[0].conflict == pytest.approx(0.4)
    assert found[1].conflict == pytest.approx(0.25)
    assert found[2].looks == 0


def test_cosines_of_a_part_are_told_apart_from_those_of_the_whole() -> None:
    assert interference.parts_of(CURVES) == ["", "layer 1"]
    (pair,) = interference.pairs(CURVES, "layer 1")
    assert pair.recent == pytest.approx(0.1)
