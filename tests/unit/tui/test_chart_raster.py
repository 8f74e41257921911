"""No point is lost, no line is invented, and a NaN is seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.tui.charts.raster import (
    BRAILLE_BLANK,
    BRAILLE_WEIGHTS,
    FAINT,
    NO_OWNER,
    Layer,
    RasterImage,
    Viewport,
    pixel_columns,
    pixel_rows,
    rasterise,
)

VIEWPORT = Viewport(0.0, 10.0, -1.0, 1.0)
VALUES = st.one_of(
    st.floats(-2, 2), st.sampled_from([np.nan, np.inf, -np.inf, -1.0, 1.0]), st.floats(width=32)
)


@st.composite
def layers(draw, is_faint=False):
    x = sorted(draw(st.lists(st.floats(-5, 15), max_size=60)))
    y = draw(st.lists(VALUES, min_size=len(x), max_size=len(x)))
    return Layer(np.array(x), np.array(y), draw(st.integers(0, 7)), is_faint)


def lit_pixels(image: RasterImage) -> np.ndarray:
    """Return whether each braille dot is lit, `(4 * height, 2 * width)`."""
    height, width = image.codes.shape
    bits = np.where(image.codes >= BRAILLE_BLANK, image.codes - BRAILLE_BLANK, 0)
    lit = np.zeros((4 * height, 2 * width), dtype=bool)
    for column in range(2):
        for row in range(4):
            lit[row::4, column::2] = (bits & int(BRAILLE_WEIGHTS[column, row])) > 0
    return lit


def is_inside(layer: Layer) -> np.ndarray:
    x_inside = (layer.x >= VIEWPORT.x_low) & (layer.x <= VIEWPORT.x_high)
    return x_inside & (layer.y >= VIEWPORT.y_low) & (layer.y <= VIEWPORT.y_high)


@settings(max_examples=150, deadline=None)
@given(st.lists(layers(), max_size=4), st.integers(1, 12), st.integers(1, 6))
def test_every_finite_point_inside_the_viewport_lights_its_pixel(drawn, width, height):
    image = rasterise(drawn, VIEWPORT, width, height)

    lit = lit_pixels(image)
    for layer in drawn:
        inside = is_inside(layer)
        columns = pixel_columns(layer.x[inside], VIEWPORT, 2 * width)
        rows = pixel_rows(layer.y[inside], VIEWPORT, 4 * height)
        assert lit[rows, columns].all()


@settings(max_examples=60, deadline=None)
@given(layers(is_faint=True), layers(), st.integers(1, 12), st.integers(1, 6))
def test_a_faint_point_is_seen_or_lies_under_a_stronger_curve(faint, strong, width, height):
    image = rasterise([faint, strong], VIEWPORT, width, height)

    lit, inside = lit_pixels(image), is_inside(faint)
    columns = pixel_columns(faint.x[inside], VIEWPORT, 2 * width)
    rows = pixel_rows(faint.y[inside], VIEWPORT, 4 * height)
    is_under = image.owners[rows // 4, columns // 2] == strong.colour
    assert (lit[rows, columns] | is_under).all()


@settings(max_examples=60, deadline=None)
@given(layers(), st.integers(1, 12), st.integers(1, 6))
def test_no_pixel_is_lit_beyond_the_extremes_of_a_curve(layer, width, height):
    known = layer.y[np.isfinite(layer.y)]

    rows = np.flatnonzero(lit_pixels(rasterise([layer], VIEWPORT, width, height)).any(axis=1))

    if known.size:
        extremes = np.array([known.max(), known.min()])
        top, bottom = pixel_rows(extremes, VIEWPORT, 4 * height)
        assert ((rows >= top) & (rows <= bottom)).all()
    else:
        assert rows.size == 0


@pytest.mark.parametrize("is_ascii", [False, True])
def test_cells_have_an_owner_exactly_where_something_is_drawn(is_ascii):
    layer = Layer(np.arange(11.0), np.sin(np.arange(11.0)), 3)

    image = rasterise([layer], VIEWPORT, 8, 4, is_ascii=is_ascii)

    assert ((image.owners != NO_OWNER) == (image.codes != ord(" "))).all()
    assert set(np.unique(image.owners)) == {NO_OWNER, 3}


def test_one_spike_among_a_hundred_thousand_points_reaches_the_top():
    y = np.full(100_000, -0.9)
    y[54_321] = 1.0
    layer = Layer(np.linspace(0, 10, y.size), y, 0)

    lit = lit_pixels(rasterise([layer], VIEWPORT, 40, 10))

    column = int(54_321 / 100_000 * 80)
    assert lit[:-2, column].all()
    assert np.count_nonzero(lit[0]) == 1


def test_two_points_far_apart_are_joined_by_an_unbroken_line():
    layer = Layer(np.array([0.0, 10.0]), np.array([-1.0, 1.0]), 0)

    lit = lit_pixels(rasterise([layer], VIEWPORT, 20, 5))

    assert lit.any(axis=0).all()
    assert lit.any(axis=1).all()


def test_a_line_enters_from_beyond_the_viewport():
    layer = Layer(np.array([-100.0, 110.0]), np.array([0.5, 0.5]), 0)

    assert lit_pixels(rasterise([layer], VIEWPORT, 20, 5)).any(axis=0).all()


def test_nan_interrupts_the_line_and_marks_its_column():
    x, y = np.arange(11.0), np.zeros(11)
    y[4:7] = np.nan

    image = rasterise([Layer(x, y, 5)], VIEWPORT, 10, 2)

    assert image.gaps.tolist() == [-1, -1, -1, -1, 5, 5, 5, -1, -1, -1]
    assert (image.codes[:, 4:7] == ord(" ")).all()


def test_values_that_a_log_axis_leaves_out_interrupt_without_a_mark():
    layer = Layer(np.array([0.0, 5.0, 10.0]), np.array([0.5, -np.inf, 0.5]), 0)

    image = rasterise([layer], VIEWPORT, 10, 2)

    assert (image.gaps == NO_OWNER).all()
    assert (image.codes[:, 3:7] == ord(" ")).all()


def test_a_strong_curve_hides_a_faint_one_only_in_its_own_cells():
    x = np.linspace(0, 10, 500)
    faint = Layer(x, np.sin(40 * x), 2, is_faint=True)
    strong = Layer(x, np.zeros(500), 2)

    image = rasterise([strong, faint], VIEWPORT, 10, 5)

    assert (image.owners[2] == 2).all()
    assert (image.owners[[0, 1, 3, 4]] == 2 + FAINT).all()


def test_curves_within_the_same_cells_take_turns():
    x = np.array([0.0, 10.0])
    pair = [Layer(x, np.full(2, value), colour) for colour, value in enumerate((0.01, 0.4))]

    image = rasterise(pair, Viewport(0, 10, 0, 1), 10, 1)

    assert image.owners.tolist() == [[0, 1] * 5]


def test_each_point_of_a_marked_series_gets_a_mark_unless_they_would_touch():
    few, many = np.linspace(0, 10, 4), np.linspace(0, 10, 30)

    sparse = rasterise([Layer(few, few * 0, 1, has_marks=True)], VIEWPORT, 20, 3)
    dense = rasterise([Layer(many, many * 0, 1, has_marks=True)], VIEWPORT, 20, 3)

    assert np.count_nonzero(sparse.codes == ord("■")) == 4
    assert np.count_nonzero(dense.codes == ord("■")) == 0


def test_no_layers_make_an_empty_picture():
    image = rasterise([], VIEWPORT, 5, 2)

    assert (image.codes == ord(" ")).all()
    assert image.codes.shape == (2, 5)
