"""The inner part of a chart: where the axes lie and what the curves look like between them.

The costly half of a picture; it does not depend on the cursor, the legend or the title.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from workbench.tui.charts.layout import ChartLayout, lay_out
from workbench.tui.charts.legend import is_long_legend
from workbench.tui.charts.raster import Layer, RasterImage, Viewport, rasterise
from workbench.tui.charts.reading import Curve, x_range
from workbench.tui.charts.scale import (
    LARGEST_LIMIT,
    Axis,
    Tick,
    exact_axis,
    find_ticks,
    linear_axis,
    log_axis,
)
from workbench.tui.charts.series import FloatArray, SeriesRole

SMALLEST_GUTTER = 4
"""Labels rarely need less; a gutter that came and went would move the whole plot."""
SMALLEST_PLOT_WIDTH = 10
LEAST_WIDTH_FOR_LETTERS = 30
X_PARTS = 12
"""Steps that a live x axis grows by: at most a twelfth of it is empty."""


class Nothing(Enum):
    """Why there is nothing to draw."""

    NO_VALUES = "no values"
    NOT_FINITE = "not finite"
    NOT_POSITIVE = "not positive"
    OUT_OF_VIEW = "out of view"


@dataclass(frozen=True, slots=True)
class PlotOptions:
    """What someone chose about a picture."""

    log_y: bool = False
    view: tuple[float, float] | None = None
    """Range of x, or None for all."""
    whole: tuple[float, float] | None = None
    """What "all" is, or None for what the curves span, widened a little."""
    is_ascii: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """Axes and raster of a chart of a given size."""

    layout: ChartLayout
    left: int
    """First column of the raster; the column before it is the y axis, if it is above 0."""
    width: int
    """Columns of the raster."""
    x_axis: Axis
    y_axis: Axis
    y_ticks: tuple[Tick, ...]
    image: RasterImage
    left_out: int
    """Values that a logarithmic axis cannot show."""

    @property
    def viewport(self) -> Viewport:
        """What is seen, in axis units."""
        return Viewport(self.x_axis.low, self.x_axis.high, self.y_axis.low, self.y_axis.high)


def draw_plot(
    curves: Sequence[Curve], width: int, height: int, options: PlotOptions
) -> Plot | Nothing:
    """Choose axes and draw the curves, or say why there is nothing to draw."""
    layout = lay_out(height, has_long_legend=is_long_legend(curves, width, height))
    x_axis = _x_axis(curves, options.view or options.whole)
    if x_axis is None:
        return Nothing.NO_VALUES
    extremes = _extremes(curves, x_axis, options)
    if isinstance(extremes, Nothing):
        return extremes
    y_axis = log_axis(*extremes) if options.log_y else linear_axis(*extremes)
    ticks = tuple(find_ticks(y_axis, _most_y_ticks(layout.plot_height)))
    left = _gutter(ticks, width) if layout.plot_height > 1 else 0
    has_letters = len(curves) > 1 and width >= LEAST_WIDTH_FOR_LETTERS
    plot_width = max(1, width - left - has_letters)
    viewport = Viewport(x_axis.low, x_axis.high, y_axis.low, y_axis.high)
    image = rasterise(
        _layers(curves, y_axis),
        viewport,
        plot_width,
        layout.plot_height,
        is_ascii=options.is_ascii,
    )
    left_out = _count_left_out(curves) if options.log_y else 0
    return Plot(layout, left, plot_width, x_axis, y_axis, ticks, image, left_out)


def _x_axis(curves: Sequence[Curve], wanted: tuple[float, float] | None) -> Axis | None:
    found = x_range(curves)
    if found is None:
        return None
    if wanted is not None:
        return exact_axis(*wanted)
    first, last = found
    return linear_axis(first, last if last > first else first + 1, X_PARTS)


def _extremes(
    curves: Sequence[Curve], x_axis: Axis, options: PlotOptions
) -> tuple[float, float] | Nothing:
    """Return the lowest and highest value that can be shown in the range of x."""
    lows, highs, seen, finite = [], [], 0, 0
    for curve in curves:
        x = curve.series.x
        first = int(np.searchsorted(x, x_axis.low, side="left"))
        end = int(np.searchsorted(x, x_axis.high, side="right"))
        seen_values = [curve.shown, *([curve.series.y] if curve.is_smoothed else [])]
        seen_values += [] if curve.series.top is None else [curve.series.top]
        for values in seen_values:
            values = values[first:end]
            seen += values.size
            known = values[np.abs(values) <= LARGEST_LIMIT]  # leaves NaN and infinities out too
            finite += known.size
            if options.log_y:
                known = known[known > 0]
            if known.size:
                lows.append(float(known.min()))
                highs.append(float(known.max()))
    if lows:
        return min(lows), max(highs)
    if finite:
        return Nothing.NOT_POSITIVE
    return Nothing.NOT_FINITE if seen else Nothing.OUT_OF_VIEW


def _most_y_ticks(height: int) -> int:
    """Allow a label on every second row of a small plot, and on every fifth of a large one."""
    return max(2, min((height + 3) // 2, 4 + height // 5))


def _gutter(ticks: Sequence[Tick], width: int) -> int:
    """Return the columns for y labels and axis; 0 if the plot would become too narrow."""
    widest = max((len(tick.label) for tick in ticks), default=0)
    columns = max(SMALLEST_GUTTER, widest) + 1
    return columns if width - columns >= SMALLEST_PLOT_WIDTH else 0


def _layers(curves: Sequence[Curve], y_axis: Axis) -> list[Layer]:
    faint = [_layer(curve, curve.series.y, y_axis) for curve in curves if curve.is_smoothed]
    return faint + [_layer(curve, curve.shown, y_axis) for curve in curves]


def _layer(curve: Curve, values: FloatArray, y_axis: Axis) -> Layer:
    return Layer(
        x=curve.series.x,
        y=y_axis.to_units(values),
        colour=curve.series.colour,
        is_faint=values is not curve.shown or curve.series.role is SeriesRole.BEST,
        has_marks=curve.series.role is SeriesRole.POINTS,
        mark=curve.series.mark,
        top=None if curve.series.top is None else y_axis.to_units(curve.series.top),
    )


def _count_left_out(curves: Sequence[Curve]) -> int:
    return sum(int(np.count_nonzero(curve.series.y <= 0)) for curve in curves)
