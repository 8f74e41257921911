"""One row that names each series and tells its value, in as many words as there is room for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.tui.charts.canvas import INK_LINE, INK_STATUS, INK_TEXT, Canvas
from workbench.tui.charts.glyphs import Glyphs
from workbench.tui.charts.reading import Curve, last_value, value_at
from workbench.tui.charts.scale import format_value
from workbench.tui.charts.series import SeriesRole

Pieces = list[tuple[str, int]]
"""Texts and their inks."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How many words an entry may make."""

    label_cells: int
    digits: int
    """Of the value."""


FITS = (
    *(Fit(cells, digits=4) for cells in (40, 16, 12, 9, 7, 5, 4)),
    *(Fit(0, digits) for digits in (4, 3, 2)),
)
"""From all words to a letter and two digits."""

READABLE = Fit(0, digits=3)
"""The fewest words that a title may leave to the legend beside it."""

GAP = "  "
NO_VALUE = "-"


def legend_items(
    curves: Sequence[Curve], cursor: float | None, glyphs: Glyphs, canvas: Canvas, fit: Fit
) -> list[Pieces]:
    """Describe each series: letter, shape of its marks, label, value at the cursor or last."""
    items: list[Pieces] = []
    for curve in curves:
        value = last_value(curve) if cursor is None else value_at(curve, cursor)
        told = NO_VALUE if value is None else format_value(value, fit.digits)
        label = canvas.shorten(curve.series.label, fit.label_cells, glyphs.ellipsis)
        name = f"{_key(curve, glyphs)} "
        words = f"{label} {told}" if label else told
        items.append([(name, INK_LINE + curve.series.colour), (words, INK_TEXT)])
    return items


def write_legend(
    canvas: Canvas,
    row: int,
    column: int,
    curves: Sequence[Curve],
    cursor: float | None,
    glyphs: Glyphs,
    end: int,
) -> int:
    """Write the legend and return where it stopped.

    Labels are shortened, then left out, so that every series keeps its value; if that is not
    enough, the last ones are counted instead: `+3`.
    """
    room = end - column
    items: list[Pieces] = []
    shortest = legend_items(curves, cursor, glyphs, canvas, FITS[-1])
    # Of fifty curves not even the letters fit: no need to try all the longer words.
    for fit in FITS if _cells(canvas, shortest) <= room else FITS[-1:]:
        items = legend_items(curves, cursor, glyphs, canvas, fit)
        if _cells(canvas, items) <= room:
            return _write(canvas, row, column, items, end)
    shown = list(items)
    while shown:
        shown.pop()
        more: Pieces = [(f"+{len(items) - len(shown)}", INK_STATUS)]
        if _cells(canvas, [*shown, more]) <= room:
            return _write(canvas, row, column, [*shown, more], end)
    return column


def shortest_legend(
    canvas: Canvas, curves: Sequence[Curve], cursor: float | None, glyphs: Glyphs
) -> int:
    """Count the cells of the legend with no labels, and with values that can still be read."""
    return _cells(canvas, legend_items(curves, cursor, glyphs, canvas, READABLE))


def _key(curve: Curve, glyphs: Glyphs) -> str:
    if curve.series.role is SeriesRole.POINTS and not curve.series.mark:
        return curve.letter + glyphs.mark_shapes[curve.series.colour]
    return curve.letter


def _cells(canvas: Canvas, items: Sequence[Pieces]) -> int:
    texts = sum(canvas.cells(text) for pieces in items for text, _ in pieces)
    return texts + len(GAP) * (len(items) - 1)


def _write(canvas: Canvas, row: int, column: int, items: Iterable[Pieces], end: int) -> int:
    for index, pieces in enumerate(items):
        column += len(GAP) if index else 0
        for text, ink in pieces:
            column = canvas.write(row, column, text, ink, end)
    return column
