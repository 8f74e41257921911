"""Choose one of a few words, each with all that is to be said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.tui.visible import visible


class ChooseScreen(ModalScreen[str | None]):
    """Gives back the word that was chosen, or None."""

    PURPOSE = "Choose a word."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "Next", show=False, id="choose.next", tooltip="The next word"),
        Binding("up", "move(-1)", "Before", show=False, id="choose.before",
                tooltip="The word before"),
        Binding("home", "move(-99)", show=False, id="choose.first", tooltip="The first word"),
        Binding("end", "move(99)", show=False, id="choose.last", tooltip="The last word"),
        Binding("enter,space", "choose", "Choose", id="choose.take", tooltip="Take this word"),
        Binding("escape,q", "leave", "Leave", id="choose.leave", tooltip="Leave it as it was"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    ChooseScreen {
        align: center middle;
        background: $background 60%;
        & > VerticalScroll {
            width: 78; max-width: 98%; height: auto; max-height: 100%; padding: 0 1;
            background: $surface; border: round $primary; scrollbar-size-vertical: 1;
            border-title-color: $text-primary; border-title-style: bold;
            border-subtitle-color: $text-muted;
        }
        .word { height: auto; padding: 0 1 0 2; color: $text-muted; }
        .word.-here { background: $primary 22%; color: $foreground; }
        .intro { height: auto; padding: 0 1; margin-bottom: 1; }
    }
    """

    def __init__(
        self, title: str, words: Mapping[str, str], *, value: str = "", intro: str = ""
    ) -> None:
        """Offer words.

        Args:
            title: What is chosen.
            words: What each word does, in the order to show.
            value: The word to begin at.
            intro: What is said above all of them.
        """
        super().__init__()
        self._title, self._words, self._intro = title, dict(words), intro
        names = list(words)
        self._at = names.index(value) if value in names else 0

    def compose(self) -> ComposeResult:
        """A paragraph for each word."""
        with VerticalScroll(can_focus=False) as box:
            box.border_title = Content(f" {visible(self._title)} ")
            box.border_subtitle = " ↑↓ move · enter takes it · escape leaves it "
            if self._intro:
                yield Static(Content(visible(self._intro)), classes="intro")
            for word, text in self._words.items():
                yield Static(
                    Content.assemble((visible(word), "bold $text-accent"), f"  {visible(text)}"),
                    classes="word",
                )

    def on_mount(self) -> None:
        """Begin at the word that is taken now."""
        self._show()

    def _show(self) -> None:
        for number, word in enumerate(self.query(".word")):
            word.set_class(number == self._at, "-here")
            if number == self._at:
                word.scroll_visible(animate=False)

    def action_move(self, places: int) -> None:
        """Go to another word."""
        self._at = max(0, min(self._at + places, len(self._words) - 1))
        self._show()

    def action_choose(self) -> None:
        """Take the word."""
        self.dismiss(list(self._words)[self._at])

    def action_leave(self) -> None:
        """Take none."""
        self.dismiss(None)

    def on_click(self, event: events.Click) -> None:
        """Take the word under the mouse."""
        words = list(self.query(".word"))
        if event.widget in words:
            self._at = words.index(event.widget)
            self.action_choose()
