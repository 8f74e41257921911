"""What a chart is given: series of values and events, as frozen values.

Left out: where they come from (the screens read records) and how they look (`frame`, the widget).
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

COLOUR_SLOTS = 8
"""Size of the series palette; the colours themselves are in the widget's style sheet."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Names a series by its place in the chart, where colour cannot be seen."""

MARK_SHAPES = "●■▲◆▼○□△"
ASCII_MARK_SHAPES = "ox+*#@%&"
"""Marks of a points series, one per colour slot."""


class SeriesRole(StrEnum):
    """How a series is drawn."""

    LINE = "line"
    """A joined curve, smoothed if the chart smooths: a training loss."""
    POINTS = "points"
    """A joined curve with a mark at each value, never smoothed: evaluations on dev."""
    BEST = "best"
    """A faint line beneath the others, never smoothed: the best value so far, a band."""


@dataclass(frozen=True, slots=True, eq=False)
class ChartSeries:
    """One curve; guarantees equally long float64 arrays with finite, ascending `x`."""

    label: str
    """Name in the legend."""
    x: FloatArray
    """Steps, epochs, hours or examples; equal neighbours are allowed."""
    y: FloatArray
    """Values; NaN and infinities are shown as interruptions."""
    role: SeriesRole | str = SeriesRole.LINE
    """One of `SeriesRole`, or its value."""
    colour: int = 0
    """Slot of the palette, 0 to 7; larger numbers start again."""
    mark: str = ""
    """Character of the marks of a points series, and its letter; chosen by colour and place if
    empty."""
    top: FloatArray | None = None
    """Of a band: the upper values, where `y` are the lower ones. The space between is shaded."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", np.ascontiguousarray(self.x, dtype=np.float64))
        object.__setattr__(self, "y", np.ascontiguousarray(self.y, dtype=np.float64))
        if self.top is not None:
            object.__setattr__(self, "top", np.ascontiguousarray(self.top, dtype=np.float64))
        object.__setattr__(self, "role", SeriesRole(self.role))
        object.__setattr__(self, "colour", self.colour % COLOUR_SLOTS)
        if self.x.ndim != 1 or self.x.shape != self.y.shape:
            raise ValueError(
                f'Series "{self.label}": x has shape {self.x.shape}, y has shape {self.y.shape}; '
                "both must be one row of equal length."
            )
        if not np.isfinite(self.x).all() or (self.x[1:] < self.x[:-1]).any():
            raise ValueError(f'Series "{self.label}": x must be finite and ascending.')


class EventKind(StrEnum):
    """What can be marked on the x axis."""

    CHECKPOINT = "checkpoint"
    EVALUATION = "evaluation"
    NAN = "nan"
    RESUME = "resume"
    RATE = "rate"
    NOTE = "note"


EVENT_GLYPHS = {
    EventKind.CHECKPOINT: "◆",
    EventKind.EVALUATION: "▾",
    EventKind.NAN: "×",
    EventKind.RESUME: "↻",
    EventKind.RATE: "~",
    EventKind.NOTE: "•",
}
ASCII_EVENT_GLYPHS = {
    EventKind.CHECKPOINT: "C",
    EventKind.EVALUATION: "v",
    EventKind.NAN: "x",
    EventKind.RESUME: "R",
    EventKind.RATE: "~",
    EventKind.NOTE: "*",
}


@dataclass(frozen=True, slots=True)
class ChartEvent:
    """Something that happened at one place of the x axis."""

    x: float
    """Where, in the unit of the series."""
    kind: EventKind | str
    """One of `EventKind`, or its value."""
    label: str = ""
    """What to say when the cursor is there; the kind if empty."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", EventKind(self.kind))
        if not np.isfinite(self.x):
            raise ValueError(f"Event {self.kind}: x is {self.x}; it must be finite.")
