"""The end of a run's log; follows it unless one has scrolled up."""

from __future__ import annotations

from collections.abc import Sequence

from textual.widgets import Log

from workbench.tui.visible import visible


class LogTail(Log):
    """Lines as data: no markup and no escape sequence in them is obeyed."""

    DEFAULT_CSS = """
    LogTail {
        height: 9;
        border-top: solid $border-blurred;
        border-title-color: $text-muted;
        background: $background;
        color: $text-muted;
        padding: 0 1;
        scrollbar-size: 0 1;
        &:focus { border-top: solid $primary; color: $foreground; }
    }
    """

    def __init__(self) -> None:
        super().__init__(highlight=False, auto_scroll=True)
        self._tail: tuple[str, ...] = ()
        self.add_class("-silent")
        self.border_title = "log"

    def show_lines(self, lines: Sequence[str]) -> None:
        """Show these lines; only what was added is written if the rest is as before."""
        self.set_class(not lines, "-silent")
        tail = tuple(visible(line) for line in lines)
        if tail == self._tail:
            return
        is_longer = bool(self._tail) and tail[: len(self._tail)] == self._tail
        new = tail[len(self._tail) :] if is_longer else tail
        if not is_longer:
            self.clear()
        self._tail = tail
        self.write_lines(new)
        if not is_longer:
            self.scroll_end(animate=False)
