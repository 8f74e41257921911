"""Axes hold their values, rarely move, and their labels can be told apart."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workbench.tui.charts.scale import (
    Axis,
    exact_axis,
    find_ticks,
    format_ticks,
    format_value,
    linear_axis,
    log_axis,
)

ANY = st.floats(-1e12, 1e12)
POSITIVE = st.floats(1e-30, 1e30)


@given(ANY, ANY)
def test_a_linear_axis_holds_its_range(low, high):
    low, high = sorted((low, high))

    axis = linear_axis(low, high)

    slack = 1e-6 * axis.span
    assert axis.low <= low + slack
    assert axis.high >= high - slack
    assert axis.low < axis.high


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e308))
def test_limits_exist_for_the_largest_floats(low, high):
    for axis in (linear_axis(*sorted((low, high))), exact_axis(low, high)):
        assert np.isfinite([axis.low, axis.high, axis.span]).all()
        assert axis.low < axis.high


@given(POSITIVE, POSITIVE)
def test_a_log_axis_holds_its_range(low, high):
    low, high = sorted((low, high))

    axis = log_axis(low, high)

    assert axis.low <= np.log10(low) + 1e-6
    assert axis.high >= np.log10(high) - 1e-6
    assert axis.low < axis.high


@pytest.mark.parametrize("make", [linear_axis, exact_axis, log_axis])
@given(low=POSITIVE, high=POSITIVE, most=st.integers(2, 20))
def test_ticks_are_two_or_more_inside_the_axis_and_differ(make, low, high, most):
    assume(abs(high - low) > 1e-6 * max(high, low))
    axis = make(*sorted((low, high)))

    ticks = find_ticks(axis, most)

    positions = [tick.position for tick in ticks]
    assert 2 <= len(ticks) <= most
    assert positions == sorted(positions)
    assert min(positions) >= axis.low - 1e-6 * axis.span
    assert max(positions) <= axis.high + 1e-6 * axis.span
    assert len({tick.label for tick in ticks}) == len(ticks)


def test_a_growing_run_rarely_moves_its_axes():
    axes = [linear_axis(0, step, 12) for step in range(1000, 2000)]

    assert len(set(axes)) <= 12


def test_a_constant_curve_still_gets_an_axis():
    assert linear_axis(0.5, 0.5).low < 0.5 < linear_axis(0.5, 0.5).high
    assert linear_axis(0, 0).low < 0 < linear_axis(0, 0).high


@pytest.mark.parametrize(
    ("axis", "most", "labels"),
    [
        (Axis(0, 12_000), 4, ["0", "5k", "10k"]),
        (Axis(0, 1), 5, ["0", "0.25", "0.50", "0.75", "1.00"]),
        (Axis(0, 0.0004), 5, ["0", "1e-4", "2e-4", "3e-4", "4e-4"]),
        (Axis(-4, 0, is_log=True), 5, ["1e-4", "1e-3", "0.01", "0.1", "1"]),
        (Axis(0, 0.001), 5, ["0", "2.5e-4", "5e-4", "7.5e-4", "1e-3"]),
        (Axis(0, 2_500_000), 6, ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]),
        (Axis(4.0, 5.0, is_log=True), 4, ["10k", "20k", "50k", "100k"]),
    ],
)
def test_labels_are_short_and_round(axis, most, labels):
    assert [tick.label for tick in find_ticks(axis, most)] == labels


def test_labels_of_one_axis_share_their_decimals():
    assert format_ticks([0.5, 1.0, 1.5], 0.5) == ["0.5", "1.0", "1.5"]
    assert format_ticks([1e-5, 2.5e-5], 5e-6) == ["1e-5", "2.5e-5"]


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.53123, "0.5312"), (12_345, "12.35k"), (1.234e-5, "1.23e-5"), (1234.5, "1234"),
     (9999.9, "10000"), (0, "0"), (-2.5, "-2.5"), (float("nan"), "NaN"), (float("-inf"), "-inf"),
     (3.4e38, "3.4e38")],
)  # fmt: skip
def test_values_are_told_in_four_digits(value, told):
    assert format_value(value) == told


def test_a_log_axis_leaves_out_what_is_not_positive_and_keeps_nan_apart():
    units = log_axis(0.1, 10).to_units(np.array([1.0, 0.0, -3.0, np.nan, np.inf, -np.inf]))

    np.testing.assert_array_equal(units, [0.0, -np.inf, -np.inf, np.nan, np.nan, np.nan])


def test_a_log_axis_holds_values_too_small_for_their_inverse() -> None:
    axis = log_axis(5e-324, 5e-309)

    assert axis.low < axis.high
    assert len(find_ticks(axis, 6)) >= 2
