"""The whole log of a run: search in it, go from error to error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from workbench.operations import reading
from workbench.operations.workspace import Workspace
from workbench.tui.messages import LogRead, WorkFailed
from workbench.tui.screens.live import problems_of
from workbench.tui.visible import visible
from workbench.tui.widgets.table import Column, Table

_MOST_LINES = 50_000
"""Of the end of the log; what is before that is seldom looked for, and costs memory."""
_ERROR = re.compile(
    r"\b(?:error|exception|traceback|failed|fatal|killed|out of memory|nan|segmentation fault)\b"
    r"|(?-i:[A-Z]\w*(?:Error|Exception)\b)",
    re.IGNORECASE,
)


class LogScreen(ModalScreen[None]):
    """Lines with a cursor; a line is data, whatever is in it."""

    PURPOSE = "The log of a run: all that its worker and its libraries said."

    AUTO_FOCUS = "#lines"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/", id="log.search",
                tooltip="Go to the next line that has these words"),
        Binding("n", "next(1)", "Next", id="log.next", tooltip="The next line that was found"),
        Binding("N", "next(-1)", "Before", id="log.before", tooltip="The one before"),
        Binding("e", "error(1)", "Error", id="log.error",
                tooltip="The next line with an error, from the first one on"),
        Binding("E", "error(-1)", "Error before", show=False, id="log.error-before",
                tooltip="The line with an error before this one"),
        Binding("escape,q,L", "close", "Close", id="log.close", tooltip="Back to the run"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    LogScreen {
        & > Vertical { background: $background; border: round $primary;
                       border-title-color: $text-primary; border-title-style: bold;
                       border-subtitle-color: $text-muted; }
        Input { border: none; height: 1; background: $panel; display: none; }
        Input.-shown { display: block; }
        Table { height: 1fr; }
        Static { height: 1; color: $text-muted; padding: 0 1; }
    }
    """

    def __init__(self, workspace: Workspace, run_id: str, name: str) -> None:
        super().__init__()
        self._workspace, self._run_id, self._run_name = workspace, run_id, name
        self._lines: tuple[str, ...] = ()
        self._errors: tuple[int, ...] = ()

    def compose(self) -> ComposeResult:
        """A search, the lines, what was found."""
        with Vertical() as box:
            box.border_title = Content(f" log of {visible(self._run_name)} ")
            box.border_subtitle = " / search  n next  e error  escape closes "
            yield Input(placeholder="words to look for", compact=True)
            yield Table((Column("line", is_right=True), Column("", smallest=20)), id="lines")
            yield Static("reading…", id="found")

    def on_mount(self) -> None:
        """Read in a thread: it may be long."""
        workspace, run_id = self._workspace, self._run_id

        def read() -> None:
            try:
                lines = reading.log_tail(workspace, run_id, _MOST_LINES)
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self.post_message(WorkFailed("reading the log", problems_of(error)))
                return
            shown = tuple(visible(line) for line in lines)
            errors = tuple(at for at, line in enumerate(shown) if is_error(line))
            self.post_message(LogRead(shown, errors))

        self.run_worker(read, name="log", thread=True, exit_on_error=False)

    @on(LogRead)
    def _log_read(self, message: LogRead) -> None:
        self._lines, self._errors = message.lines, message.errors
        table, flags = self.query_one(Table), frozenset(message.errors)
        table.show([_LogLine(at, line, at in flags) for at, line in enumerate(self._lines)])
        table.action_move(len(self._lines))
        errors = len(self._errors)
        words = f"{errors} lines with an error: e goes to the first" if errors else "no errors"
        self._tell(f"{len(self._lines)} lines, {words}" if self._lines else
                   "no log of this run on this machine")  # fmt: skip

    def _tell(self, words: str) -> None:
        self.query_one("#found", Static).update(Content(words))

    # ── keys ──────────────────────────────────────────────────────────────────

    def action_search(self) -> None:
        """Type words."""
        field = self.query_one(Input)
        field.add_class("-shown")
        field.focus()

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.query_one(Table).focus()
        self.action_next(1)

    def action_next(self, direction: int) -> None:
        """The next line with the words, around the end."""
        wanted = self.query_one(Input).value.strip().lower()
        if wanted:
            found = [at for at, line in enumerate(self._lines) if wanted in line.lower()]
            self._go(found, direction, f'"{wanted}"')
        else:
            self.action_search()

    def action_error(self, direction: int) -> None:
        """The next line with an error; from the last line the first one."""
        self._go(self._errors, direction, "an error")

    def _go(self, places: Sequence[int], direction: int, what: str) -> None:
        table = self.query_one(Table)
        if not places or table.cursor_key is None:
            self._tell(f"no line has {what}")
            return
        here = int(table.cursor_key)
        ahead = [at for at in places if (at > here if direction > 0 else at < here)]
        to = (ahead or places)[0 if direction > 0 else -1]
        table.move_to(str(to))
        self._tell(f"{places.index(to) + 1} of {len(places)} lines with {what}")

    def action_close(self) -> None:
        """Out of the search, then away."""
        if isinstance(self.focused, Input):
            self.query_one(Table).focus()
        else:
            self.dismiss(None)


def is_error(line: str) -> bool:
    """Whether a line of a log tells of something that went wrong."""
    return _ERROR.search(line) is not None


@dataclass(frozen=True)
class _LogLine:
    """A line with its number; set off if it tells of an error."""

    at: int
    line: str
    is_error: bool

    @cached_property
    def key(self) -> str:
        """Its place."""
        return str(self.at)

    @cached_property
    def cells(self) -> tuple[Content, ...]:
        """Made when the line comes into view."""
        look = "bold $text-error" if self.is_error else ""
        number = Content.styled(str(self.at + 1), "$foreground 50%")
        return number, Content.styled(self.line, look)
