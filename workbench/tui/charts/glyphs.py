"""The characters that axes and rules are made of, for terminals with and without Unicode."""

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.tui.charts.series import (
    ASCII_EVENT_GLYPHS,
    ASCII_MARK_SHAPES,
    EVENT_GLYPHS,
    MARK_SHAPES,
    EventKind,
)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One character each, one cell wide."""

    y_line: str
    y_tick: str
    x_line: str
    x_tick: str
    corner: str
    cursor: str
    event_line: str
    ellipsis: str
    separator: str
    at_most: str
    mark_shapes: str
    events: Mapping[EventKind, str]


UNICODE = Glyphs("│", "┤", "─", "┬", "└", "│", "┊", "…", "·", "≤", MARK_SHAPES, EVENT_GLYPHS)
ASCII = Glyphs("|", "+", "-", "+", "+", "|", ":", "~", ",", "<=", ASCII_MARK_SHAPES,
               ASCII_EVENT_GLYPHS)  # fmt: skip
