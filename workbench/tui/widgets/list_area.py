"""Several texts, one a line: one row while there is nothing in it, and as many as it needs."""

from __future__ import annotations

from textual import on
from textual.widgets import TextArea

_MOST_ROWS = 5


class ListArea(TextArea):
    """Grows with its lines; up in the first line and down in the last lead out of it."""

    DEFAULT_CSS = """
    ListArea {
        width: 1fr; height: 1; padding: 0; border: none; background: $surface;
        scrollbar-size-vertical: 1;
        &:focus { background: $primary 12%; border: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__(tab_behavior="focus", compact=True, highlight_cursor_line=False)

    def load_text(self, text: str) -> None:
        """Show other lines."""
        super().load_text(text)
        self._fit()

    @on(TextArea.Changed)
    def _fit(self) -> None:
        rows = max(1, min(self.document.line_count, _MOST_ROWS))
        if self.styles.height is None or self.styles.height.value != rows:
            self.styles.height = rows

    def action_cursor_up(self, select: bool = False) -> None:
        """A line up, or out of the field."""
        if self.cursor_location[0] == 0 and not select:
            self.screen.focus_previous()
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        """A line down, or out of the field."""
        if self.cursor_location[0] == self.document.line_count - 1 and not select:
            self.screen.focus_next()
        else:
            super().action_cursor_down(select)
