import numpy as np
import pytest
from rich.cells import cell_len

from workbench.tui.charts.sparkline import sparkline


def test_a_falling_curve_goes_from_the_highest_to_the_lowest_block():
    assert sparkline(np.linspace(2, 0, 8), 8) == "█▇▆▅▄▃▂▁"


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize("count", [1, 5, 20, 1003])
def test_it_is_as_wide_as_asked_or_as_there_are_values(count, is_ascii):
    drawn = sparkline(np.random.default_rng(0).normal(size=count), 20, is_ascii=is_ascii)

    assert cell_len(drawn) == min(20, count)
    assert drawn.isascii() == is_ascii


def test_a_share_without_finite_values_is_a_cross():
    values = np.array([1.0, 2.0, np.nan, np.inf, 3.0, np.nan])

    assert sparkline(values, 3) == "▁×█"
    assert sparkline(values[2:4], 3, is_ascii=True) == "xx"


def test_a_constant_sits_in_the_middle_and_nothing_is_nothing():
    assert sparkline(np.full(3, 7.0), 5) == "▅▅▅"
    assert sparkline(np.zeros(0), 5) == ""


def test_the_largest_floats_do_not_overflow():
    assert sparkline(np.array([-1.7e308, 1.7e308, 1.7e308]), 2) == "▁█"
