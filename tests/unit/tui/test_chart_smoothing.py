"""The fast smoothing equals the plain one, and gaps do not poison it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.tui.charts.smoothing import smooth

WEIGHTS = st.one_of(st.just(0.0), st.floats(1e-6, 0.9999))


def smooth_plainly(values, weight):
    total, total_weight, result = 0.0, 0.0, []
    for value in values:
        if np.isfinite(value):
            total = weight * total + (1 - weight) * value
            total_weight = weight * total_weight + (1 - weight)
            result.append(total / total_weight)
        else:
            result.append(value)
    return result


@given(st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), max_size=80), WEIGHTS)
def test_equals_the_definition_and_leaves_gaps_alone(values, weight):
    largest = np.nanmax(np.abs(values), initial=0.0)

    smoothed = smooth(np.array(values, dtype=np.float64), weight)

    np.testing.assert_allclose(
        smoothed, smooth_plainly(values, weight), rtol=1e-6, atol=1e-9 * largest
    )


@pytest.mark.parametrize("weight", [0.01, 0.5, 0.9, 0.99, 0.9999])
def test_equals_the_definition_across_many_blocks(weight):
    values = np.random.default_rng(0).normal(size=5000)
    values[100:200] = np.nan

    np.testing.assert_allclose(smooth(values, weight), smooth_plainly(values, weight), rtol=1e-7,
                               atol=1e-12)  # fmt: skip


@given(WEIGHTS, st.floats(-1e300, 1e300))
def test_a_constant_stays_constant(weight, value):
    np.testing.assert_allclose(smooth(np.full(50, value), weight), value, rtol=1e-6)


def test_the_largest_floats_do_not_overflow():
    assert np.isfinite(smooth(np.array([1.7e308, -1.7e308, 1.7e308]), 0.9)).all()


def test_a_weight_of_one_is_refused():
    with pytest.raises(ValueError, match=r"weight is 1\.0; it must be at least 0 and below 1"):
        smooth(np.zeros(3), 1.0)


def test_nothing_is_smoothed_into_nothing():
    assert smooth(np.zeros(0), 0.9).size == 0
