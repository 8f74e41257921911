"""Curves to braille cells: a pure function from arrays to arrays.

Every pixel column shows the true minimum and maximum of its points, so no spike is lost however
many points share a column. Two cases give way: a faint layer yields the whole cell to a stronger
one (a smoothed curve is unreadable over its own noise otherwise; the shaft of a spike still
leads up to that cell), and a mark covers its cell.

Measured: 8 layers x 20,000 points at 120x30 cells in 5 to 8 ms on one busy core.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench.tui.charts.series import (
    ASCII_MARK_SHAPES,
    COLOUR_SLOTS,
    MARK_SHAPES,
    FloatArray,
)

NO_OWNER = -1
FAINT = COLOUR_SLOTS
"""Added to the colour slot of a cell that belongs to a faint layer."""

IntArray = NDArray[np.intp]

BRAILLE_BLANK = 0x2800
BRAILLE_WEIGHTS = np.array([[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]], dtype=np.uint8)
"""Bit of each dot, `(2, 4)`: pixel column, pixel row from the top."""
ASCII_WEIGHTS = np.array([[1, 2]], dtype=np.uint8)
ASCII_CODES = np.array([ord(character) for character in " '.:"], dtype=np.uint32)

Spans = tuple[IntArray, FloatArray, FloatArray]
"""Pixel columns, and the lowest and highest value to light in each."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """The part of the plane that is seen, in axis units; each low is below its high."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One curve in axis units."""

    x: FloatArray
    """Finite and ascending, `(points,)`."""
    y: FloatArray
    """NaN interrupts with a mark, minus infinity without one, `(points,)`."""
    colour: int
    """Colour slot, 0 to 7."""
    is_faint: bool = False
    """Drawn beneath all layers that are not."""
    has_marks: bool = False
    """Whether each point gets a mark, unless there are too many to be told apart."""
    mark: str = ""
    """Character of the marks; one by colour if empty."""
    top: FloatArray | None = None
    """Of a band: the upper values, `(points,)`; what is between is shaded."""


@dataclass(frozen=True, slots=True, eq=False)
class RasterImage:
    """What the layers look like."""

    codes: NDArray[np.uint32]
    """Code points, a space where nothing is, `(height, width)`."""
    owners: NDArray[np.int8]
    """Colour slot, plus `FAINT` for a faint layer, or `NO_OWNER`, `(height, width)`."""
    gaps: NDArray[np.int8]
    """Colour slot of a layer with a NaN in this column, or `NO_OWNER`, `(width,)`."""


def rasterise(
    layers: Sequence[Layer], viewport: Viewport, width: int, height: int, *, is_ascii: bool = False
) -> RasterImage:
    """Draw layers on top of each other.

    Args:
        layers: What to draw.
        viewport: What is seen of it.
        width: Size in cells.
        height: Size in cells.
        is_ascii: Whether to draw with `.`, `'` and `:` instead of braille.
    """
    weights = ASCII_WEIGHTS if is_ascii else BRAILLE_WEIGHTS
    drawn = np.zeros((len(layers), height, width), dtype=np.uint8)
    gaps = np.full(width, NO_OWNER, dtype=np.int8)
    for layer, bits in zip(layers, drawn, strict=True):
        visible = _visible(layer, viewport)
        bits[:] = _draw(visible, viewport, width, height, weights)
        _note_gaps(gaps, visible, viewport)
    is_faint = np.array([layer.is_faint for layer in layers], dtype=bool)
    slots = np.array([layer.colour + FAINT * layer.is_faint for layer in layers], dtype=np.int8)
    faint, faint_owners = _merge(drawn[is_faint], slots[is_faint])
    strong, strong_owners = _merge(drawn[~is_faint], slots[~is_faint])
    lit = np.where(strong > 0, strong, faint)
    owners = np.where(strong > 0, strong_owners, faint_owners)
    codes = ASCII_CODES[lit] if is_ascii else np.where(lit > 0, lit + np.uint32(BRAILLE_BLANK), 32)
    image = RasterImage(codes.astype(np.uint32), owners, gaps)
    for layer in layers:
        if layer.has_marks:
            _draw_marks(image, _visible(layer, viewport), viewport, is_ascii)
    return image


def pixel_columns(x: FloatArray, viewport: Viewport, columns: int) -> IntArray:
    """Return the pixel column of each x; outside the viewport below 0 or not below `columns`."""
    places = _column_places(x, viewport, columns)
    # Far outside is cut off before the cast, which would wrap around.
    found = np.floor(np.clip(places, -1e9, 1e9)).astype(np.intp)
    found[(x <= viewport.x_high) & (found >= columns)] = columns - 1
    return found


def pixel_rows(y: FloatArray, viewport: Viewport, rows: int) -> IntArray:
    """Return the pixel row of each y, 0 at the top, -1 if above and `rows` if below."""
    places = np.floor((y - viewport.y_low) / (viewport.y_high - viewport.y_low) * rows)
    places[(y <= viewport.y_high) & (places >= rows)] = rows - 1
    places[(y >= viewport.y_low) & (places < 0)] = 0
    return rows - 1 - np.clip(places, -1, rows).astype(np.intp)


def _column_places(x: FloatArray, viewport: Viewport, columns: int) -> FloatArray:
    return (x - viewport.x_low) * (columns / (viewport.x_high - viewport.x_low))


def _visible(layer: Layer, viewport: Viewport) -> Layer:
    """Cut a layer to the viewport and the one point beyond each side that lines lead to."""
    first = max(0, int(np.searchsorted(layer.x, viewport.x_low, side="left")) - 1)
    end = int(np.searchsorted(layer.x, viewport.x_high, side="right")) + 1
    top = None if layer.top is None else layer.top[first:end]
    return replace(layer, x=layer.x[first:end], y=layer.y[first:end], top=top)


def _draw(
    layer: Layer, viewport: Viewport, width: int, height: int, weights: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return the bits of the lit pixels, `(height, width)`."""
    pixels_wide, pixels_high = weights.shape
    columns, rows = width * pixels_wide, height * pixels_high
    places, lows, highs = _spans(layer, viewport, columns)
    if layer.top is not None:
        # Every other dot of what is between: a shade, through which the curves are seen.
        upper = _spans(replace(layer, y=layer.top, top=None), viewport, columns)
        places, lows, highs = _between((places, lows, highs), upper)
    tops = np.maximum(pixel_rows(highs, viewport, rows), 0)
    bottoms = np.minimum(pixel_rows(lows, viewport, rows), rows - 1)
    seen = tops <= bottoms
    # Each span is +1 at its top and -1 below its bottom: the running sum is positive inside.
    size = (rows + 1) * columns
    begins = np.bincount(tops[seen] * columns + places[seen], minlength=size)
    ends = np.bincount((bottoms[seen] + 1) * columns + places[seen], minlength=size)
    edges = (begins - ends).reshape(rows + 1, columns)
    lit = (np.cumsum(edges[:rows], axis=0, dtype=np.int32) > 0).view(np.uint8)
    if layer.top is not None:
        lit = lit & (np.add.outer(np.arange(rows), np.arange(columns)) % 2 == 0)
    bits = np.zeros((height, width), dtype=np.uint8)
    for column in range(pixels_wide):
        for row in range(pixels_high):
            bits |= lit[row::pixels_high, column::pixels_wide] * weights[column, row]
    return bits


def _between(lower: Spans, upper: Spans) -> Spans:
    """In each column from the lowest of one curve to the highest of the other."""
    columns = np.intersect1d(lower[0], upper[0])
    size = int(columns.max(initial=-1)) + 1
    lows, highs = np.full(size, np.inf), np.full(size, -np.inf)
    for places, values, _ in (lower, upper):
        inside = places < size
        np.minimum.at(lows, places[inside], values[inside])
    for places, _, values in (lower, upper):
        inside = places < size
        np.maximum.at(highs, places[inside], values[inside])
    return columns, lows[columns], highs[columns]


def _merge(
    drawn: NDArray[np.uint8], slots: NDArray[np.int8]
) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Light what any layer lights, in the colour of one that lights much of the cell.

    Layers that light at least half as much as any other take turns by column: curves that run
    side by side within one row of cells are all seen, where the one in front would hide the rest.

    Args:
        drawn: Bits of each layer, `(layers, height, width)`.
        slots: Owner each layer stands for, `(layers,)`.

    Returns:
        The bits and the owners, `(height, width)`.
    """
    owners = np.full(drawn.shape[1:], NO_OWNER, dtype=np.int8)
    if not slots.size:
        return np.zeros(drawn.shape[1:], dtype=np.uint8), owners
    lit: NDArray[np.uint8] = np.bitwise_or.reduce(drawn, axis=0)
    counts = np.bitwise_count(drawn)
    has_turn = 2 * counts >= counts.max(axis=0)
    turn = np.arange(drawn.shape[2]) % has_turn.sum(axis=0)
    winner = (np.cumsum(has_turn, axis=0) == turn + 1).argmax(axis=0)
    return lit, np.where(lit > 0, slots[winner], owners)


def _spans(layer: Layer, viewport: Viewport, columns: int) -> Spans:
    """Return what to light: the range of each run of points in a column, and the joints."""
    if layer.x.size == 0:
        return np.zeros(0, np.intp), np.zeros(0), np.zeros(0)
    is_finite = np.isfinite(layer.y)
    starts = _run_starts(layer.x, is_finite, viewport, columns)
    column = pixel_columns(layer.x[starts], viewport, columns)
    ends = np.append(starts[1:], layer.x.size) - 1
    is_run = is_finite[starts]
    is_shown = is_run & (column >= 0) & (column < columns)
    runs = (
        column[is_shown],
        np.minimum.reduceat(layer.y, starts)[is_shown],
        np.maximum.reduceat(layer.y, starts)[is_shown],
    )
    joined = np.flatnonzero(is_run[:-1] & is_run[1:])
    distance = column[joined + 1] - column[joined]
    from_y, to_y = layer.y[ends[joined]], layer.y[starts[joined + 1]]
    joints = _joints(column[joined], distance, from_y, to_y, columns)
    places, lows, highs = (np.concatenate(pair) for pair in zip(runs, joints, strict=True))
    return places, lows, highs


def _run_starts(
    x: FloatArray, is_finite: NDArray[np.bool_], viewport: Viewport, columns: int
) -> IntArray:
    """Return where runs begin: where the column changes, or values stop or begin to be finite.

    So two runs which follow each other and are both finite are to be joined. The columns are
    found by bisection: computing that of every point took a third of the time of a picture.
    """
    first = int(np.searchsorted(x, viewport.x_low, side="left"))
    end = int(np.searchsorted(x, viewport.x_high, side="right"))
    places = _column_places(x[first:end], viewport, columns)
    edges = first + np.searchsorted(places, np.arange(1, columns))
    changes = np.flatnonzero(is_finite[1:] != is_finite[:-1]) + 1
    starts: IntArray = np.unique(np.concatenate((np.array([0, first, end]), edges, changes)))
    return starts[starts < x.size]


def _joints(
    start: IntArray, distance: IntArray, from_y: FloatArray, to_y: FloatArray, columns: int
) -> Spans:
    """Return straight lines by column, `distance` columns long, from `from_y` to `to_y`."""
    first = np.maximum(0, -start)
    counts = np.maximum(0, np.minimum(distance, columns - 1 - start) - first + 1)
    line = np.repeat(np.arange(start.size), counts)
    offset = np.arange(line.size) - np.repeat(np.cumsum(counts) - counts - first, counts)
    # Points just outside share a column with one inside by rounding: no length to divide by.
    length = np.maximum(distance, 1)[line]
    # Points count as in the middle of their columns: the line changes column half-way.
    enters = np.clip((offset - 0.5) / length, 0.0, 1.0)
    leaves = np.clip((offset + 0.5) / length, 0.0, 1.0)
    enter_y = from_y[line] * (1 - enters) + to_y[line] * enters
    leave_y = from_y[line] * (1 - leaves) + to_y[line] * leaves
    return start[line] + offset, np.minimum(enter_y, leave_y), np.maximum(enter_y, leave_y)


def _note_gaps(gaps: NDArray[np.int8], layer: Layer, viewport: Viewport) -> None:
    lost = layer.x[~(layer.y < np.inf)]
    cells = pixel_columns(lost, viewport, gaps.size)
    gaps[cells[(cells >= 0) & (cells < gaps.size)]] = layer.colour


def _draw_marks(image: RasterImage, layer: Layer, viewport: Viewport, is_ascii: bool) -> None:
    height, width = image.codes.shape
    columns = pixel_columns(layer.x, viewport, width)
    is_seen = np.isfinite(layer.y) & (columns >= 0) & (columns < width)
    if 2 * np.count_nonzero(is_seen) > width:  # they would run into one bar
        return
    columns, rows = columns[is_seen], pixel_rows(layer.y[is_seen], viewport, height)
    is_seen = (rows >= 0) & (rows < height)
    shapes = ASCII_MARK_SHAPES if is_ascii else MARK_SHAPES
    image.codes[rows[is_seen], columns[is_seen]] = ord(layer.mark or shapes[layer.colour])
    image.owners[rows[is_seen], columns[is_seen]] = layer.colour
