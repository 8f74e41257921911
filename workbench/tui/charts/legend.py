"""What names each series and tells its value, in as many words as there is room for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.tui.charts.canvas import INK_LINE, INK_STATUS, INK_TEXT, Canvas
from workbench.tui.charts.glyphs import Glyphs
from workbench.tui.charts.layout import lay_out
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

NAMES_FIRST = (
    *(Fit(cells, digits=2) for cells in (9, 7, 5)),
    *(Fit(cells, digits=0) for cells in (12, 9, 7, 6, 5)),
)
"""A legend that has a row more for its names has them before it tells exact last values."""

READABLE = Fit(0, digits=3)
"""The fewest words that a title may leave to the legend beside it."""

GAP = "  "
_MANY_SERIES = 3
"""Fewer are told apart by their letters and marks: mostly train and dev."""
_KEY_CELLS = 2
_VALUE_CELLS = 7
"""Of a value of four digits, and the space before it."""
_ITEM_CELLS = 12
"""What may be lost at the end of the first row."""
NO_VALUE = "-"


def legend_items(
    curves: Sequence[Curve], cursor: float | None, glyphs: Glyphs, canvas: Canvas, fit: Fit
) -> list[Pieces]:
    """Describe each series: letter, shape of its marks, label, value at the cursor or last."""
    items: list[Pieces] = []
    labels = _labels(curves, fit.label_cells, glyphs, canvas)
    for curve, label in zip(curves, labels, strict=True):
        told = ""
        if fit.digits:
            value = last_value(curve) if cursor is None else value_at(curve, cursor)
            told = NO_VALUE if value is None else format_value(value, fit.digits)
        name = f"{_key(curve, glyphs)} "
        words = " ".join(filter(None, (label, told)))
        items.append([(name, INK_LINE + curve.series.colour), (words, INK_TEXT)])
    return items


def is_long_legend(curves: Sequence[Curve], width: int, height: int) -> bool:
    """Whether names have room in a row more, and none without it.

    Judged by the names alone, so that no cursor and no new value moves the plot.
    """
    layout = lay_out(height)
    if len(curves) < _MANY_SERIES or layout.legend_row is None:
        return False
    gaps = len(GAP) * (len(curves) - 1)

    def needed(label_cells: int, value_cells: int) -> int:
        named = (min(len(curve.series.label), label_cells) for curve in curves)
        return sum(_KEY_CELLS + cells + value_cells for cells in named) + gaps

    shares_row = layout.legend_row == layout.title_row
    if needed(FITS[-4].label_cells, _VALUE_CELLS) <= (width * 2 // 3 if shares_row else width):
        return False
    if shares_row:
        return needed(NAMES_FIRST[-1].label_cells, 0) <= width
    return needed(FITS[-4].label_cells, _VALUE_CELLS) <= 2 * width - _ITEM_CELLS


def write_legend(
    canvas: Canvas,
    row: int,
    column: int,
    curves: Sequence[Curve],
    cursor: float | None,
    glyphs: Glyphs,
    end: int,
    rows: int = 1,
    *,
    is_long: bool = False,
) -> tuple[int, int]:
    """Write the legend and return the row and the column where it stopped.

    Labels are shortened, then left out, so that every series keeps its value; if that is not
    enough, the last ones are counted instead: `+3`.

    Args:
        canvas: Where to.
        row: Its first row.
        column: Where it begins in that; the rows beneath begin at the left.
        curves: What it names.
        cursor: Place whose values are told, or None for the last values.
        glyphs: Signs.
        end: The column after its last.
        rows: How many rows there are.
        is_long: Whether it has a row more for its names.
    """
    room = end - column
    items: list[Pieces] = []
    fits = (*FITS[:-3], *NAMES_FIRST, *FITS[-3:]) if is_long and cursor is None else FITS
    shortest = legend_items(curves, cursor, glyphs, canvas, FITS[-1])
    # Of fifty curves not even the letters fit: no need to try all the longer words.
    for fit in fits if _cells(canvas, shortest) <= room + (rows - 1) * end else FITS[-1:]:
        items = legend_items(curves, cursor, glyphs, canvas, fit)
        lines = _wrapped(canvas, items, [room, *[end] * (rows - 1)])
        if lines is not None:
            for at, line in enumerate(lines):
                stopped = _write(canvas, row + at, column if at == 0 else 0, line, end)
            return row + len(lines) - 1, stopped
    shown = list(items)
    while shown:
        shown.pop()
        more: Pieces = [(f"+{len(items) - len(shown)}", INK_STATUS)]
        if _cells(canvas, [*shown, more]) <= room:
            return row, _write(canvas, row, column, [*shown, more], end)
    return row, column


def _wrapped(
    canvas: Canvas, items: Sequence[Pieces], rooms: Sequence[int]
) -> list[list[Pieces]] | None:
    """The items in lines of at most so many cells, as many lines as they need; None if none do."""
    lines: list[list[Pieces]] = [[]]
    for item in items:
        if _cells(canvas, [*lines[-1], item]) > rooms[len(lines) - 1] and lines[-1]:
            lines.append([])
        if len(lines) > len(rooms) or _cells(canvas, [*lines[-1], item]) > rooms[len(lines) - 1]:
            return None
        lines[-1].append(item)
    return lines


def _labels(curves: Sequence[Curve], cells: int, glyphs: Glyphs, canvas: Canvas) -> list[str]:
    """Labels of at most so many cells; where their ends tell them apart, a part of each word."""
    whole = [curve.series.label for curve in curves]
    if not cells:
        return [""] * len(whole)
    cut = [canvas.shorten(label, cells, glyphs.ellipsis) for label in whole]
    if len(set(cut)) == len(set(whole)):
        return cut
    parts = [_parts_of_words(canvas, label, cells) for label in whole]
    return parts if len(set(parts)) > len(set(cut)) else cut


def _parts_of_words(canvas: Canvas, label: str, cells: int) -> str:
    """`worker memory` as `wo mem`: of each word alike much, the last has what is left over."""
    words = label.split()
    each = (cells - len(words) + 1) // len(words) if words else 0
    if canvas.cells(label) <= cells or each < 1:
        return canvas.shorten(label, cells, "")
    told = " ".join(canvas.shorten(word, each, "") for word in words[:-1])
    return f"{told} {canvas.shorten(words[-1], cells - canvas.cells(told) - 1, '')}".strip()


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
