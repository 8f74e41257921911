"""Axes: limits that rarely change, ticks at round numbers, and short labels for them.

Limits are widened to multiples of a round step, so that a live chart keeps its scale for many
points: each new scale repaints every cell, and over SSH that is what costs (44 against 71 kB/s
in our measurements). Left out: ticks for durations; time comes as hours or minutes.
"""

import math
from dataclasses import dataclass

import numpy as np

from workbench.tui.charts.series import FloatArray

ROUND_FACTORS = (1.0, 2.0, 2.5, 5.0, 10.0)
LOG_FACTORS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 5, 6, 7, 8, 9))
"""Places of ticks inside a decade, sparse to dense."""
UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SMALL = 0.01
"""Below, numbers are written with an exponent where that is shorter."""
LARGEST_LIMIT = 1e300
"""Values beyond are outside every chart: a span of two of them would overflow."""
SMALLEST_RELATIVE_SPAN = 1e-9
"""A narrower span cannot be told apart in labels of bearable length."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values and how they are spaced; `low < high` always holds."""

    low: float
    """Lower end in axis units: the value, or its base-10 logarithm."""
    high: float
    """Upper end in axis units."""
    is_log: bool = False
    """Whether axis units are logarithms."""

    @property
    def span(self) -> float:
        """Length in axis units."""
        return self.high - self.low

    def to_units(self, values: FloatArray) -> FloatArray:
        """Turn values into axis units.

        Returns:
            NaN for a value that is not finite, which the raster marks; minus infinity for one
            that a logarithmic axis leaves out, which interrupts the line without a mark.
        """
        if not self.is_log:
            is_finite = np.isfinite(values)
            return values if is_finite.all() else np.where(is_finite, values, np.nan)
        units = np.full(values.shape, -np.inf)
        np.log10(values, out=units, where=values > 0)
        units[~np.isfinite(values)] = np.nan
        return units


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis."""

    position: float
    """In axis units."""
    label: str


def linear_axis(low: float, high: float, parts: int = 8) -> Axis:
    """Widen a range to multiples of a round step, about a `parts`-th of the range."""
    low, high = _spread(low, high)
    step = round_step(high - low, parts)
    # The tolerance keeps 0.3 / 0.1 = 2.9999… from adding an empty step.
    return Axis(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def log_axis(low: float, high: float) -> Axis:
    """Widen a range of positive values to 1, 2 or 5 times a power of ten, on a log axis."""
    lower, upper = _log_floor(_log(low)), -_log_floor(-_log(high))
    if lower >= upper:
        lower, upper = lower - 0.5, upper + 0.5
    return Axis(lower, upper, is_log=True)


def exact_axis(low: float, high: float) -> Axis:
    """Keep a range as it is, for a view that someone chose."""
    low, high = _spread(low, high)
    return Axis(low, high)


def round_step(span: float, parts: int) -> float:
    """Return the smallest round number (1, 2, 2.5 or 5 times a power of ten) ≥ span / parts."""
    wanted = span / parts
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(
        (factor * power for factor in ROUND_FACTORS if factor * power >= wanted * (1 - 1e-9)),
        10 * power,
    )


def find_ticks(axis: Axis, most: int) -> list[Tick]:
    """Return between two and `most` (at least 2) ticks inside the axis, ascending."""
    if axis.is_log:
        found = _log_ticks(axis, most)
        if len(found) >= 2:
            return found
        # A zoom into less than one place of a decade: round numbers as on a linear axis.
        plain = _linear_ticks(Axis(10**axis.low, 10**axis.high), most)
        return [Tick(math.log10(tick.position), tick.label) for tick in plain if tick.position > 0]
    return _linear_ticks(axis, most)


def format_ticks(values: list[float], step: float) -> list[str]:
    """Label round numbers in as few characters as tell them apart: 12k, 1e-4, 0.25."""
    largest = max(map(abs, values), default=0.0)
    if largest >= 1e15 or largest < 1e-3:
        return [_exponent_label(value, step) for value in values]
    unit, suffix = _unit(largest)
    digits = _decimals(step / unit)
    plain = ["0" if value == 0 else f"{value / unit:.{digits}f}{suffix}" for value in values]
    if largest >= SMALL:
        return plain
    # Learning rates: 7.5e-4 tells more in a narrow gutter than 0.00075.
    short = [_exponent_label(value, step) for value in values]
    return short if max(map(len, short)) < max(map(len, plain)) else plain


def format_value(value: float, digits: int = 4) -> str:
    """Show a value in so many digits: 0.5312, 12.35k, 1.23e-5, NaN."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-3:
        return _short_exponent(f"{value:.{min(digits - 1, 2)}e}")
    unit, suffix = _unit(size)
    shown = f"{value / unit:.{digits}g}"
    if "e" in shown:  # more digits before the point than asked for: 1234, or 9999.9 rounded up
        shown = f"{value / unit:.0f}"
    return shown + suffix


def format_place(value: float) -> str:
    """Show a place on the x axis exactly if it is whole: a step is looked up by its number."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return format_value(value)


def _unit(size: float) -> tuple[float, str]:
    """Return the unit to count in; up to 10,000 the number itself is as short."""
    if size < 1e4:
        return 1.0, ""
    return next((unit, suffix) for unit, suffix in UNITS if size >= unit)


def _spread(low: float, high: float) -> tuple[float, float]:
    """Order and bound a range, and open it if it is too narrow to be divided."""
    low, high = sorted((low, high))
    low, high = max(low, -LARGEST_LIMIT), min(high, LARGEST_LIMIT)
    low, high = min(low, LARGEST_LIMIT), max(high, -LARGEST_LIMIT)
    size = max(abs(low), abs(high))
    if high - low <= max(size * SMALLEST_RELATIVE_SPAN, 1e-300):
        margin = size * 0.1 or 0.5
        return low - margin, high + margin
    return low, high


def _log(value: float) -> float:
    """Return a logarithm within what axes show; beyond, powers of ten run out of numbers."""
    return math.log10(min(max(value, 1 / LARGEST_LIMIT), LARGEST_LIMIT))


def _log_floor(units: float) -> float:
    """Return the logarithm of the largest 1, 2 or 5 times a power of ten that is ≤ 10**units."""
    decade = math.floor(units + 1e-9)
    return decade + max(
        (place for place in (0.0, math.log10(2), math.log10(5)) if decade + place <= units + 1e-9),
        default=0.0,
    )


def _linear_ticks(axis: Axis, most: int) -> list[Tick]:
    for parts in range(max(1, most - 1), 0, -1):
        step, values = _multiples(axis, parts)
        if 2 <= len(values) <= most:
            return _label(values, step)
    # Between two sizes of step: one too few, the next too many. Keep the outermost.
    for parts in range(1, 50):
        step, values = _multiples(axis, parts)
        if len(values) >= 2:
            return _label([values[0], values[-1]], step)
    return _label([axis.low, axis.high], axis.span / 10)


def _multiples(axis: Axis, parts: int) -> tuple[float, list[float]]:
    step = round_step(axis.span, parts)
    first, last = math.ceil(axis.low / step - 1e-9), math.floor(axis.high / step + 1e-9)
    return step, [index * step for index in range(first, last + 1)]


def _label(values: list[float], step: float) -> list[Tick]:
    return [Tick(*pair) for pair in zip(values, format_ticks(values, step), strict=True)]


def _log_ticks(axis: Axis, most: int) -> list[Tick]:
    first, last = math.floor(axis.low), math.ceil(axis.high)
    choices = [
        _log_places(axis, range(-(-first // stride) * stride, last + 1, stride), (1,))
        for stride in (100, 50, 20, 10, 5, 4, 3, 2)
    ]
    choices += [_log_places(axis, range(first, last + 1), factors) for factors in LOG_FACTORS]
    fitting = [ticks for ticks in choices if 2 <= len(ticks) <= most]
    if fitting:
        return max(fitting, key=len)
    found = next((ticks for ticks in choices if len(ticks) >= 2), [])
    return [found[0], found[-1]] if found else []


def _log_places(axis: Axis, decades: range, factors: tuple[int, ...]) -> list[Tick]:
    places = [(decade + math.log10(f), f * 10.0**decade) for decade in decades for f in factors]
    return [
        Tick(min(max(units, axis.low), axis.high), _round_label(value))
        for units, value in places
        if axis.low - 1e-9 <= units <= axis.high + 1e-9
    ]


def _round_label(value: float) -> str:
    """Label one round number by itself, for ticks whose distances differ."""
    power = 10.0 ** math.floor(math.log10(abs(value)) + 1e-9)
    return format_ticks([value], power)[0]


def _decimals(step: float) -> int:
    """Count the decimals that a multiple of the step needs."""
    for digits in range(15):
        scaled = step * 10**digits
        if round(scaled) and abs(scaled - round(scaled)) < 1e-6 * scaled:
            return digits
    return 15


def _exponent_label(value: float, step: float) -> str:
    if value == 0:
        return "0"
    places = math.floor(math.log10(abs(value)) + 1e-9)
    return _short_exponent(f"{value:.{_decimals(step / 10.0**places)}e}")


def _short_exponent(text: str) -> str:
    """Write 1.20e-05 as 1.2e-5."""
    mantissa, exponent = text.split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"
