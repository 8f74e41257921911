"""Reading values off curves: at the cursor, at the ends, and the next place to look at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.tui.charts.scale import format_place, format_value
from workbench.tui.charts.series import ChartEvent, ChartSeries, FloatArray, SeriesRole
from workbench.tui.charts.smoothing import smooth


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A series with its smoothed values, computed once for many pictures."""

    letter: str
    series: ChartSeries
    shown: FloatArray
    """The values of the line in front: smoothed, or the series' own, `(points,)`."""

    @property
    def is_smoothed(self) -> bool:
        """Whether the series' own values are to be drawn too, faintly."""
        return self.shown is not self.series.y


@dataclass(frozen=True, slots=True)
class Values:
    """What a table tells of one curve."""

    letter: str
    label: str
    here: float | None
    """Raw value nearest to the cursor; None outside the curve, or without a cursor."""
    smoothed: float | None
    last: float | None
    lowest: tuple[float, float] | None
    """Raw value and its place; None without any finite value."""
    highest: tuple[float, float] | None


def values_of(curve: Curve, x: float | None) -> Values:
    """The values of a curve at the cursor, at its end, and at its extremes: all of true points."""
    series = curve.series
    known = np.flatnonzero(np.isfinite(series.y))
    low = high = None
    if known.size:
        finite = series.y[known]
        lowest, highest = known[finite.argmin()], known[finite.argmax()]
        low = (float(series.y[lowest]), float(series.x[lowest]))
        high = (float(series.y[highest]), float(series.x[highest]))
    at = None if x is None else _nearest(curve, x)
    return Values(
        curve.letter,
        series.label,
        None if at is None else float(series.y[at]),
        float(curve.shown[at]) if at is not None and curve.is_smoothed else None,
        float(series.y[-1]) if series.y.size else None,
        low,
        high,
    )


def smooth_curves(series: Sequence[ChartSeries], letters: str, weight: float) -> tuple[Curve, ...]:
    """Smooth the series drawn as lines; evaluations are too few to be smoothed."""
    return tuple(
        Curve(one.mark or letters[index % len(letters)], one, _shown(one, weight))
        for index, one in enumerate(series)
    )


def value_at(curve: Curve, x: float) -> float | None:
    """Return the shown value nearest to x, or None outside the range of the curve."""
    nearest = _nearest(curve, x)
    return None if nearest is None else float(curve.shown[nearest])


def _nearest(curve: Curve, x: float) -> int | None:
    """Index of the point nearest to x, or None outside the range of the curve."""
    places = curve.series.x
    if places.size == 0 or not places[0] <= x <= places[-1]:
        return None
    right = min(int(np.searchsorted(places, x)), places.size - 1)
    left = max(right - 1, 0)
    return left if x - places[left] < places[right] - x else right


def last_value(curve: Curve) -> float | None:
    """Return the last shown value, NaN included: hiding it would hide that a run diverged."""
    return float(curve.shown[-1]) if curve.shown.size else None


def next_place(curves: Sequence[Curve], x: float, least: float) -> float:
    """Return the nearest x of any curve that is at least so far away.

    Args:
        curves: Where the places are.
        x: Where to start.
        least: Distance, positive to the right, negative to the left.

    Returns:
        The place; the last one in that direction if all are nearer, `x` if there is none.
    """
    target = x + least
    found, ends = [], []
    for curve in curves:
        places = curve.series.x
        if places.size == 0:
            continue
        ends.append(float(places[-1] if least > 0 else places[0]))
        side: Literal["left", "right"] = "left" if least > 0 else "right"
        index = int(np.searchsorted(places, target, side=side)) - (least < 0)
        if 0 <= index < places.size:
            found.append(float(places[index]))
    nearest, farthest = (min, max) if least > 0 else (max, min)
    return nearest(found) if found else farthest([*ends, x])


def nearest_place(curves: Sequence[Curve], x: float) -> float | None:
    """Return the nearest x of any curve, or None without any point."""
    found = []
    for places in (curve.series.x for curve in curves):
        right = int(np.searchsorted(places, x))
        found += places[max(right - 1, 0) : right + 1].tolist()
    return min(found, key=lambda place: math.fabs(place - x), default=None)


def x_range(curves: Sequence[Curve]) -> tuple[float, float] | None:
    """Return the first and last x of all curves, or None without any point."""
    filled = [curve.series.x for curve in curves if curve.series.x.size]
    if not filled:
        return None
    return min(float(x[0]) for x in filled), max(float(x[-1]) for x in filled)


def summarise(
    title: str, x_label: str, curves: Sequence[Curve], events: Sequence[ChartEvent]
) -> str:
    """Tell a chart in one line: first, last, lowest and highest raw value of each series."""
    parts = [f"{curve.letter} {_summarise_series(curve.series)}" for curve in curves]
    kinds = [str(event.kind) for event in events]
    counts = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    told = "; ".join(parts) or "no values yet"
    marked = f"; marked: {', '.join(counts)}" if counts else ""
    return " ".join(f"{title} by {x_label}: {told}{marked}".split())


def _shown(series: ChartSeries, weight: float) -> FloatArray:
    if weight == 0 or series.role is not SeriesRole.LINE:
        return series.y
    return smooth(series.y, weight)


def _summarise_series(series: ChartSeries) -> str:
    known = np.flatnonzero(np.isfinite(series.y))
    lost = series.y.size - known.size
    if known.size == 0:
        return f"{series.label}: no finite values" + (f" of {lost}" if lost else "")
    values = series.y[known]
    places = {
        "first": known[0],
        "last": known[-1],
        "min": known[values.argmin()],
        "max": known[values.argmax()],
    }
    told = ", ".join(
        f"{name} {format_value(float(series.y[at]))} at {format_place(float(series.x[at]))}"
        for name, at in places.items()
    )
    return f"{series.label}: {told}" + (f", {lost} not finite" if lost else "")


def is_at(event: ChartEvent, x: float, reach: float) -> bool:
    """Say whether an event is within reach of a place."""
    return math.fabs(event.x - x) <= reach
