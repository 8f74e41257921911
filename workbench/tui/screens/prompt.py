"""A line of text that is asked for: a name, a note, tags."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from workbench.tui.visible import visible


class PromptScreen(ModalScreen[str | None]):
    """Closes with the text, or with None if it was left."""

    PURPOSE = "A line of text."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", id="prompt.leave", tooltip="Change nothing"),
    ]

    DEFAULT_CSS = """
    PromptScreen {
        align: center middle;
        background: $background 60%;
        & > Vertical {
            width: 70; max-width: 94%; height: auto; padding: 0 2;
            background: $surface; border: round $primary;
            border-title-color: $text-primary; border-title-style: bold;
            border-subtitle-color: $text-muted;
        }
        Input { border: none; height: 1; background: $panel; margin: 1 0; }
        Static { color: $text-muted; }
    }
    """

    def __init__(self, title: str, about: str, *, value: str = "") -> None:
        super().__init__()
        self._title, self._about, self._value = title, about, value

    def compose(self) -> ComposeResult:
        """What it is for, the line."""
        with Vertical() as box:
            box.border_title = Content(f" {visible(self._title)} ")
            box.border_subtitle = " enter keeps, escape leaves "
            yield Static(Content(visible(self._about)))
            yield Input(self._value, compact=True)

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.dismiss(message.value)

    def action_leave(self) -> None:
        """Close without a text."""
        self.dismiss(None)
