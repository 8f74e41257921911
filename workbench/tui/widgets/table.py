"""A table on the line API: thousands of rows, a cursor and marks that stay with their rows.

Textual's own needs 0.7 s for 1,000 rows of 12 columns; this one draws the visible lines only,
keeps cursor and marks by key when the rows are exchanged, and repaints only lines that differ.
Columns that do not fit are left out, the least important first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from workbench.tui.messages import FrozenMessage

_GAP = 2
_ROWS_MEASURED = 50
_LEAST_BOTH_ENDS = 5
"""Cells; of less neither a beginning nor an end tells anything."""
_GUTTER = 3
"""Cells before the first column: cursor bar, mark, space."""


@dataclass(frozen=True)
class Column:
    """How one column is laid out."""

    title: str
    importance: int = 0
    """0 is always shown; of the others the largest number goes first when width is short."""
    is_right: bool = False
    """Whether values stand at the right, as numbers do."""
    smallest: int = 0
    """Cells it may shrink to, with an ellipsis; 0 if it must not shrink."""
    keeps_end: bool = False
    """Whether a cell that is too long loses its middle: names often differ at their end only."""
    title_keeps_end: bool = False
    """Whether its title does: it is a name, too."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    key: str
    cells: tuple[Content, ...]


class AnyRow(Protocol):
    """A line whose cells may be made when it is first seen: few of thousands ever are."""

    @property
    def key(self) -> str:
        """Names the row."""

    @property
    def cells(self) -> tuple[Content, ...]:
        """One per column."""


class Table(ScrollView, can_focus=True):
    """Rows with a cursor; posts `Highlighted` and `Chosen`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False, id="table.up", tooltip="One row up"),
        Binding("down", "move(1)", "Down", show=False, id="table.down", tooltip="One row down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="table.page-up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="table.page-down"),
        Binding("home,g", "move(-1000000)", "First", show=False, id="table.first"),
        Binding("end,G", "move(1000000)", "Last", show=False, id="table.last"),
    ]

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--row",
        "table--header",
        "table--cursor",
        "table--cursor-blurred",
    }

    DEFAULT_CSS = """
    Table {
        background: $background;
        color: $foreground;
        scrollbar-size-vertical: 1;
        overflow-x: hidden;
        .table--row { background: $background; color: $foreground; }
        .table--header { background: $background; color: $text-muted; text-style: bold; }
        .table--cursor { background: $primary 22%; color: $foreground; text-style: bold; }
        .table--cursor-blurred { background: $background; color: $foreground; }
    }
    """

    @dataclass(eq=False)
    class Highlighted(FrozenMessage):
        """The cursor is on another row, or on none."""

        table: Table
        key: str | None

        @property
        def control(self) -> Table:
            """The table, so that `@on` can select by it."""
            return self.table

    @dataclass(eq=False)
    class Chosen(FrozenMessage):
        """A row was clicked twice."""

        table: Table
        key: str

        @property
        def control(self) -> Table:
            """The table, so that `@on` can select by it."""
            return self.table

    @dataclass(eq=False)
    class HeadingClicked(FrozenMessage):
        """The title of a column was clicked."""

        table: Table
        column: int

        @property
        def control(self) -> Table:
            """The table, so that `@on` can select by it."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        is_for_reading: bool = False,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Make an empty table.

        Args:
            columns: How each column is laid out.
            is_for_reading: Whether there is nothing to do with a row, so that a cursor is shown
                only while the table has the focus.
            id: Identifier in the DOM.
            classes: CSS classes, separated by spaces.
        """
        super().__init__(id=id, classes=classes)
        self._is_for_reading = is_for_reading
        self._columns = tuple(columns)
        self._rows: tuple[AnyRow, ...] = ()
        self._widths: list[int] = []
        self._index: dict[str, int] = {}
        self._cursor = 0
        self._marks: frozenset[str] = frozenset()
        self._lines: list[Strip] = []
        self._layout: list[tuple[int, int]] = []

    # ── what it shows ─────────────────────────────────────────────────────────

    @property
    def cursor_key(self) -> str | None:
        """Key of the row under the cursor, None in an empty table."""
        return self._rows[self._cursor].key if self._rows else None

    @property
    def rows(self) -> tuple[AnyRow, ...]:
        """The rows as shown last."""
        return self._rows

    def show(self, rows: Sequence[AnyRow], *, columns: Sequence[Column] | None = None) -> None:
        """Exchange all rows; the cursor stays on its row, or at its place if that is gone."""
        before = self.cursor_key
        if columns is not None:
            self._columns = tuple(columns)
        self._rows = tuple(rows)
        self._widths = []
        self._index = {row.key: at for at, row in enumerate(self._rows)}
        fallback = min(self._cursor, max(0, len(self._rows) - 1))
        self._cursor = self._index.get(before, fallback) if before is not None else fallback
        self._relayout()
        if self.cursor_key != before:
            self.post_message(self.Highlighted(self, self.cursor_key))

    def mark(self, keys: frozenset[str]) -> None:
        """Mark these rows and no other."""
        if keys != self._marks:
            self._marks = keys
            self._repaint_changed()

    def move_to(self, key: str) -> None:
        """Put the cursor on the row of that key, if it is there."""
        if key in self._index:
            self.action_move(self._index[key] - self._cursor)

    def plain_lines(self) -> list[str]:
        """Every row as text, for tests and screen readers."""
        return ["  ".join(cell.plain for cell in row.cells) for row in self._rows]

    # ── keys and mouse ────────────────────────────────────────────────────────

    def action_move(self, rows: int) -> None:
        """Move the cursor, stopping at the ends."""
        if not self._rows:
            return
        target = min(max(self._cursor + rows, 0), len(self._rows) - 1)
        if target != self._cursor:
            self._cursor = target
            self._scroll_to_cursor()
            self._repaint_changed()
            self.post_message(self.Highlighted(self, self.cursor_key))

    def action_page(self, pages: int) -> None:
        """Move the cursor by what is visible."""
        self.action_move(pages * max(1, self.size.height - 2))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is; a double click opens; a title is told."""
        if event.y == 0:
            column = self._column_at(event.x)
            if column is not None:
                self.post_message(self.HeadingClicked(self, column))
            return
        row = self.scroll_offset.y + event.y - 1
        if row < len(self._rows):
            self.action_move(row - self._cursor)
            if event.chain == 2:
                self.post_message(self.Chosen(self, self._rows[row].key))

    def _column_at(self, x: int) -> int | None:
        start = _GUTTER
        for at, cells in self._layout:
            if start <= x < start + cells + _GAP:
                return at
            start += cells + _GAP
        return None

    def on_focus(self) -> None:
        """Show the cursor as active."""
        self._repaint_changed()

    def on_blur(self) -> None:
        """Show the cursor as resting."""
        self._repaint_changed()

    def on_resize(self) -> None:
        """Choose the columns anew for the width."""
        self._relayout()

    def notify_style_update(self) -> None:
        """Draw all lines anew when the theme changes."""
        super().notify_style_update()
        self._lines = []

    # ── drawing ───────────────────────────────────────────────────────────────

    def render_line(self, y: int) -> Strip:
        """One line as drawn last."""
        if len(self._lines) != self.size.height:
            self._lines = self._draw()
        return self._lines[y] if y < len(self._lines) else Strip.blank(self.size.width)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Draw the lines that came into view."""
        super().watch_scroll_y(old_value, new_value)
        self._lines = []
        if len(self._rows) > _ROWS_MEASURED and self._measure():
            self._layout = self._fit_columns(max(1, self.size.width - 1))
            self.refresh()

    def _relayout(self) -> None:
        # One cell stays free at the right, so that nothing touches the edge.
        self._layout = self._fit_columns(max(1, self.size.width - 1))
        self.virtual_size = Size(self.size.width, len(self._rows) + 1)
        self._scroll_to_cursor()
        self._repaint_changed()

    def _scroll_to_cursor(self) -> None:
        visible_rows = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, force=True)
        elif self._cursor >= top + visible_rows:
            self.scroll_to(y=self._cursor - visible_rows + 1, animate=False, force=True)

    def _repaint_changed(self) -> None:
        """Ask for a repaint of the lines that differ, and of no other."""
        if not self.is_attached or not self.size.height:
            return
        before, self._lines = self._lines, self._draw()
        if len(before) != len(self._lines):
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, self._lines, strict=True)):
            if old != new:
                self.refresh_line(y + self.scroll_offset.y)

    def _measure(self) -> bool:
        """Note how wide cells are, of the first rows and of those in view; whether that grew.

        Of thousands of rows the cells of most are never made.
        """
        before = list(self._widths)
        if not self._widths:
            self._widths = [max(1, Content(column.title).cell_length) for column in self._columns]
        top = self.scroll_offset.y
        for row in (
            *self._rows[:_ROWS_MEASURED],
            *self._rows[max(top, _ROWS_MEASURED) : top + self.size.height],
        ):
            for at, cell in enumerate(row.cells):
                self._widths[at] = max(self._widths[at], cell.cell_length)
        return self._widths != before

    def _fit_columns(self, width: int) -> list[tuple[int, int]]:
        """Columns to show, as (number, cells)."""
        self._measure()
        natural = self._widths
        chosen = list(range(len(self._columns)))

        def smallest(at: int) -> int:
            return min(natural[at], self._columns[at].smallest or natural[at])

        def needed(columns: list[int]) -> int:
            return _GUTTER + sum(smallest(at) + _GAP for at in columns) - _GAP

        while needed(chosen) > width:
            least = max(chosen, key=lambda at: (self._columns[at].importance, at))
            if self._columns[least].importance == 0:
                break
            chosen.remove(least)
        spare = width - needed(chosen)
        layout = []
        for at in chosen:
            cells = min(natural[at], smallest(at) + max(0, spare))
            spare -= cells - smallest(at)
            layout.append((at, cells))
        return layout

    def _draw(self) -> list[Strip]:
        width, top = self.size.width, self.scroll_offset.y
        blank = Strip.blank(width, self.get_component_rich_style("table--row"))
        titles = tuple(Content(column.title) for column in self._columns)
        lines = [self._line("   ", titles, "table--header", width)]
        for at in range(top, top + self.size.height - 1):
            if at >= len(self._rows):
                lines.append(blank)
                continue
            row = self._rows[at]
            is_cursor = at == self._cursor
            mark = "◆" if row.key in self._marks else " "
            style = "table--row"
            if is_cursor:
                style = "table--cursor" if self.has_focus else "table--cursor-blurred"
            has_bar = is_cursor and (self.has_focus or not self._is_for_reading)
            lines.append(self._line(f"{'▌' if has_bar else ' '}{mark} ", row.cells, style, width))
        return lines

    def _line(self, gutter: str, cells: tuple[Content, ...], style_name: str, width: int) -> Strip:
        is_active, is_title = style_name == "table--cursor", style_name == "table--header"
        bar = "bold $text-accent" if is_active else "$foreground 50%"
        parts: list[Content | tuple[str, str]] = [(gutter[0], bar), (gutter[1:], "$text-accent")]
        for number, (at, cell_width) in enumerate(self._layout):
            cell = cells[at]
            if cell.cell_length > cell_width:
                column = self._columns[at]
                keeps_end = column.title_keeps_end if is_title else column.keeps_end
                cut = without_middle if keeps_end else _without_end
                cell = cut(cell, cell_width)
            space = cell_width - cell.cell_length
            cell = cell.pad_left(space) if self._columns[at].is_right else cell.pad_right(space)
            parts.append(cell if number == 0 else cell.pad_left(_GAP))
        style = self.get_visual_style("table--row", style_name)
        strips = Visual.to_strips(
            self, Content.assemble(*parts), width, 1, style, apply_selection=False, pad=True
        )
        strip = strips[0] if strips else Strip.blank(width)
        return strip.adjust_cell_length(width, style.rich_style).simplify()


def without_middle(content: Content, cells: int) -> Content:
    """A beginning and a longer end of what is too long, an ellipsis between them."""
    content = content.rstrip()
    if content.cell_length <= cells:
        return content
    room = cells - 1
    if room < _LEAST_BOTH_ENDS:
        return _without_end(content, cells)
    start = len(content.plain)
    # By cells, not characters: some are two cells wide.
    while cell_len(content.plain[start - 1 :]) <= room * 2 // 3:
        start -= 1
    end = content[start:]
    beginning = content.truncate(room - end.cell_length).rstrip()
    return Content.assemble(beginning, "…", end)


def _without_end(content: Content, cells: int) -> Content:
    return content.truncate(cells, ellipsis=True)
