"""A whole chart as a canvas: plot, axes, events, cursor, title and legend."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.tui.charts import glyphs as glyph_sets
from workbench.tui.charts.canvas import (
    INK_AXIS,
    INK_CURSOR,
    INK_EMPTY,
    INK_EVENT,
    INK_LABEL,
    INK_LINE,
    INK_NAN,
    INK_STATUS,
    INK_TITLE,
    Canvas,
    CellLength,
)
from workbench.tui.charts.glyphs import Glyphs
from workbench.tui.charts.layout import lay_out
from workbench.tui.charts.legend import GAP, shortest_legend, write_legend
from workbench.tui.charts.plot import Nothing, Plot, PlotOptions
from workbench.tui.charts.raster import NO_OWNER, pixel_columns, pixel_rows
from workbench.tui.charts.reading import Curve, is_at
from workbench.tui.charts.scale import find_ticks, format_place
from workbench.tui.charts.series import ChartEvent, EventKind

CELLS_PER_EVENT_LINE = 8
"""A kind of event that comes more often gets glyphs but no lines: a fence hides the curves."""
LEAST_WIDTH_FOR_TITLE_AT_CURSOR = 40
"""Below, values at the cursor take the place of the title if both have but one row."""
LEAST_CELLS_FOR_EVENTS = 5

DEFAULT_EMPTY_TEXT = "no values yet: the curve starts with the first step"


@dataclass(frozen=True, slots=True)
class FrameText:
    """The words of a chart."""

    title: str
    x_label: str = "step"
    empty_text: str = DEFAULT_EMPTY_TEXT
    notes: tuple[str, ...] = ()
    """What is switched on, most important first; shown at the right of the title."""


def compose_frame(
    plot: Plot | Nothing,
    curves: Sequence[Curve],
    events: Sequence[ChartEvent],
    cursor: float | None,
    text: FrameText,
    options: PlotOptions,
    size: tuple[int, int],
    cell_length: CellLength,
) -> Canvas:
    """Put a chart together.

    Args:
        plot: Axes and raster for this very size, or why there are none.
        curves: What the legend names.
        events: What is marked on the x axis.
        cursor: Place on the x axis whose values are told, or None for the last values.
        text: The words.
        options: What the plot was drawn with.
        size: Width and height in cells.
        cell_length: Counts the cells of a character.
    """
    canvas = Canvas(*size, cell_length)
    glyphs = glyph_sets.ASCII if options.is_ascii else glyph_sets.UNICODE
    if isinstance(plot, Nothing):
        _write_empty(canvas, plot, text)
        _write_texts(canvas, None, curves, events, None, text, glyphs)
        return canvas
    _paint_image(canvas, plot)
    _draw_y_axis(canvas, plot, glyphs)
    _draw_x_axis(canvas, plot, text.x_label, glyphs)
    at_cursor = [] if cursor is None else _columns(plot, [cursor])
    # Before the events: without colour only its own line tells where the cursor is.
    _draw_rules(canvas, plot, at_cursor, glyphs.cursor, INK_AXIS)
    _draw_events(canvas, plot, events, glyphs)
    _draw_end_letters(canvas, plot, curves)
    _shade(canvas, plot, at_cursor)
    _write_texts(canvas, plot, curves, events, cursor, text, glyphs)
    return canvas


def _paint_image(canvas: Canvas, plot: Plot) -> None:
    rows = slice(plot.layout.plot_top, plot.layout.plot_top + plot.layout.plot_height)
    columns = slice(plot.left, plot.left + plot.width)
    canvas.codes[rows, columns] = plot.image.codes
    owners = plot.image.owners
    canvas.inks[rows, columns] = np.where(owners == NO_OWNER, INK_AXIS, owners)


def _draw_y_axis(canvas: Canvas, plot: Plot, glyphs: Glyphs) -> None:
    if not plot.left:
        return
    top, height = plot.layout.plot_top, plot.layout.plot_height
    canvas.codes[top : top + height, plot.left - 1] = ord(glyphs.y_line)
    canvas.inks[top : top + height, plot.left - 1] = INK_AXIS
    rows = pixel_rows(np.array([t.position for t in plot.y_ticks]), plot.viewport, height)
    taken = set()
    for row, tick in zip(rows.tolist(), plot.y_ticks, strict=True):
        if row not in taken and 0 <= row < height:
            taken.add(row)
            canvas.write(top + row, plot.left - 1, glyphs.y_tick, INK_AXIS)
            label = tick.label.rjust(plot.left - 1)
            canvas.write(top + row, 0, label, INK_AXIS, plot.left - 1)


def _draw_x_axis(canvas: Canvas, plot: Plot, x_label: str, glyphs: Glyphs) -> None:
    rule, labels_row = plot.layout.rule_row, plot.layout.labels_row
    if rule is None:
        return
    canvas.write(rule, plot.left, glyphs.x_line * plot.width, INK_AXIS)
    if plot.left:
        canvas.write(rule, plot.left - 1, glyphs.corner, INK_AXIS)
    end = plot.left + plot.width
    blocked: set[int] = set()
    if labels_row is None:  # the labels interrupt the rule, but must not cover a NaN
        labels_row = rule
        blocked = set((plot.left + np.flatnonzero(plot.image.gaps != NO_OWNER)).tolist())
    elif canvas.cells(x_label) < plot.left:
        canvas.write(labels_row, 0, x_label, INK_STATUS)
    elif canvas.cells(x_label) < plot.width // 3:
        column = end - canvas.cells(x_label)
        canvas.write(labels_row, column, x_label, INK_STATUS)
        blocked = set(range(column - 1, canvas.width))
    for place, start, label in _place_x_labels(plot, canvas.width, blocked):
        if labels_row != rule:
            canvas.write(rule, place, glyphs.x_tick, INK_AXIS)
        canvas.write(labels_row, start, label, INK_LABEL)


def _place_x_labels(plot: Plot, width: int, blocked: set[int]) -> list[tuple[int, int, str]]:
    """Return tick column, first label column and label, for as many ticks as do not touch."""
    placed: list[tuple[int, int, str]] = []
    for most in range(max(2, plot.width // 7), 1, -1):
        ticks = find_ticks(plot.x_axis, most)
        places = pixel_columns(np.array([t.position for t in ticks]), plot.viewport, plot.width)
        placed, free_from, is_crowded = [], 0, False
        for place, tick in zip((places + plot.left).tolist(), ticks, strict=True):
            length = len(tick.label)
            start = max(0, min(place - length // 2, width - length))
            if blocked.intersection(range(start, start + length)):
                continue
            if start < free_from or length > width:
                is_crowded = True
                continue
            placed.append((place, start, tick.label))
            free_from = start + length + 2
        if not is_crowded:
            break
    return placed


def _draw_events(canvas: Canvas, plot: Plot, events: Sequence[ChartEvent], glyphs: Glyphs) -> None:
    for kind in reversed(EventKind):
        ink = INK_NAN if kind is EventKind.NAN else INK_EVENT
        columns = _columns(plot, [event.x for event in events if event.kind is kind])
        # Evaluations have marks of their own on the dev curves: a line through them tells no more.
        has_lines = kind is not EventKind.EVALUATION
        if has_lines and len(columns) <= max(1, plot.width // CELLS_PER_EVENT_LINE):
            _draw_rules(canvas, plot, columns, glyphs.event_line, ink)
        _draw_on_rule(canvas, plot, columns, glyphs.events[kind], ink)
    gaps = plot.image.gaps
    for column in np.flatnonzero(gaps != NO_OWNER).tolist():
        ink = INK_LINE + int(gaps[column])
        _draw_on_rule(canvas, plot, [column], glyphs.events[EventKind.NAN], ink)


def _draw_rules(canvas: Canvas, plot: Plot, columns: Iterable[int], glyph: str, ink: int) -> None:
    """Draw vertical rules through the empty cells: no rule hides a curve."""
    rows = slice(plot.layout.plot_top, plot.layout.plot_top + plot.layout.plot_height)
    for column in columns:
        codes, inks = canvas.codes[rows, plot.left + column], canvas.inks[rows, plot.left + column]
        is_empty = codes == ord(" ")
        codes[is_empty] = ord(glyph)
        inks[is_empty] = ink


def _draw_on_rule(canvas: Canvas, plot: Plot, columns: Iterable[int], glyph: str, ink: int) -> None:
    """Draw glyphs on the x axis beside its labels, or at the foot of the plot without an axis."""
    layout = plot.layout
    foot = layout.plot_top + layout.plot_height - 1
    row = foot if layout.rule_row is None else layout.rule_row
    for column in columns:
        is_label = canvas.inks[row, plot.left + column] == INK_LABEL
        if not is_label:
            canvas.write(row, plot.left + column, glyph, ink)


def _draw_end_letters(canvas: Canvas, plot: Plot, curves: Sequence[Curve]) -> None:
    """Write each series' letter beside the place where its curve leaves the plot."""
    column = plot.left + plot.width
    if column >= canvas.width:
        return
    height, taken = plot.layout.plot_height, set[int]()
    for curve in curves:
        if curve.series.top is not None or curve.series.x.size == 1:
            continue  # a band has the letter of its mean, a single point its mark
        first, end = np.searchsorted(curve.series.x, (plot.x_axis.low, plot.x_axis.high))
        values = plot.y_axis.to_units(curve.shown[first : end + 1])
        seen = np.flatnonzero(np.isfinite(values))
        if not seen.size:
            continue
        wanted = int(pixel_rows(values[seen[-1:]], plot.viewport, height)[0])
        rows = [r for r in range(height) if r not in taken]
        if rows:
            row = min(rows, key=lambda r: (abs(r - wanted), r))
            taken.add(row)
            canvas.write(plot.layout.plot_top + row, column, curve.letter,
                         INK_LINE + curve.series.colour)  # fmt: skip


def _shade(canvas: Canvas, plot: Plot, columns: Iterable[int]) -> None:
    """Put the cursor's background behind whole columns of the plot."""
    top = plot.layout.plot_top
    for column in columns:
        canvas.inks[top : top + plot.layout.plot_height, plot.left + column] += INK_CURSOR


def _columns(plot: Plot, places: list[float]) -> list[int]:
    """Return the distinct columns of the places that are in view."""
    columns = pixel_columns(np.array(places, dtype=np.float64), plot.viewport, plot.width)
    return sorted({column for column in columns.tolist() if 0 <= column < plot.width})


def _write_texts(
    canvas: Canvas,
    plot: Plot | None,
    curves: Sequence[Curve],
    events: Sequence[ChartEvent],
    cursor: float | None,
    text: FrameText,
    glyphs: Glyphs,
) -> None:
    layout = lay_out(canvas.height) if plot is None else plot.layout
    if layout.title_row is None or layout.legend_row is None:
        return
    shares_row = layout.legend_row == layout.title_row
    notes = text.notes
    if plot is not None and plot.left_out:
        notes = (f"{plot.left_out} {glyphs.at_most} 0 left out", *notes)
    end = _write_notes(canvas, notes, text.title, shares_row, glyphs)
    column = 0
    if not shares_row:
        canvas.write(0, 0, canvas.shorten(text.title, end, glyphs.ellipsis), INK_TITLE)
        end = canvas.width
    elif cursor is None or canvas.width >= LEAST_WIDTH_FOR_TITLE_AT_CURSOR:
        where_cells = 0 if cursor is None else len(f"{text.x_label} {format_place(cursor)}{GAP}")
        legend_cells = shortest_legend(canvas, curves, cursor, glyphs)
        # The words of the legend go first, since the letters stand beside their curves too.
        room = max(canvas.width // 3, end - legend_cells - where_cells - len(GAP))
        title = canvas.shorten(text.title, min(end, room), glyphs.ellipsis)
        column = canvas.write(0, 0, title, INK_TITLE) + len(GAP)
    if cursor is not None:
        where = f"{text.x_label} {format_place(cursor)}{GAP}"
        column = canvas.write(layout.legend_row, column, where, INK_STATUS, end)
    row, column = write_legend(
        canvas,
        layout.legend_row,
        column,
        curves,
        cursor,
        glyphs,
        end,
        layout.legend_rows,
        is_long=layout != lay_out(canvas.height),
    )
    near = [] if cursor is None or plot is None else _events_near(events, cursor, plot)
    room = end - column - len(GAP)
    if near and room >= LEAST_CELLS_FOR_EVENTS:
        told = canvas.shorten(", ".join(near), room, glyphs.ellipsis)
        canvas.write(row, column + len(GAP), told, INK_EVENT, end)


def _write_notes(
    canvas: Canvas, notes: Sequence[str], title: str, shares_row: bool, glyphs: Glyphs
) -> int:
    """Write what fits beside the title, right-aligned, and return where it begins."""
    if shares_row and canvas.width < 60:
        notes = [note for note in notes if "left out" in note and canvas.width >= 40]
    wanted = canvas.width // 2 if shares_row else canvas.cells(title) + len(GAP)
    for count in range(len(notes), 0, -1):
        told = f" {glyphs.separator} ".join(notes[:count])
        start = canvas.width - canvas.cells(told)
        # What is left out must be told even if that costs a part of the title.
        if start >= wanted or (count == 1 and "left out" in told and start >= 8):
            canvas.write(0, start, told, INK_STATUS)
            return start - len(GAP)
    return canvas.width


def _events_near(events: Sequence[ChartEvent], cursor: float, plot: Plot) -> list[str]:
    reach = plot.x_axis.span / plot.width / 2
    near = [event.label or str(event.kind) for event in events if is_at(event, cursor, reach)]
    return list(dict.fromkeys(near))


def _write_empty(canvas: Canvas, reason: Nothing, text: FrameText) -> None:
    told = {
        Nothing.NO_VALUES: text.empty_text,
        Nothing.NOT_FINITE: "no finite values here: all are NaN or infinite",
        Nothing.NOT_POSITIVE: "nothing above 0 here: a log axis shows none of it (l: linear)",
        Nothing.OUT_OF_VIEW: "no values in this range: zoom out",
    }[reason]
    layout = lay_out(canvas.height)
    lines = textwrap.wrap(told, max(1, canvas.width - 2))[: layout.plot_height]
    top = layout.plot_top + (layout.plot_height - len(lines)) // 2
    for row, line in enumerate(lines, start=top):
        column = max(0, (canvas.width - canvas.cells(line)) // 2)
        canvas.write(row, column, line, INK_EMPTY)
