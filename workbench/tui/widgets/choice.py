"""One of a few words, all seen at once, in one row: left and right change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget

from workbench.tui.messages import FrozenMessage
from workbench.tui.visible import visible


class Choice(Widget, can_focus=True):
    """Guarantees that `value` is one of the words, or empty if there is none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "step(1)", "Next", show=False, id="choice.next",
                tooltip="Take the next word"),
        Binding("left", "step(-1)", "Previous", show=False, id="choice.previous",
                tooltip="Take the word before"),
        Binding("enter", "explain", "All words", id="choice.explain",
                tooltip="All words with what they do"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    Choice {
        height: 1;
        width: 1fr;
        color: $foreground;
        &:focus { background: $primary 15%; }
    }
    """

    @dataclass(eq=False)
    class Changed(FrozenMessage):
        """Another word was taken by hand."""

        choice: Choice
        value: str

        @property
        def control(self) -> Choice:
            """The choice, so that `@on` can select by it."""
            return self.choice

    @dataclass(eq=False)
    class ExplainWanted(FrozenMessage):
        """A person wants to see all words with what they mean."""

        choice: Choice

        @property
        def control(self) -> Choice:
            """The choice, so that `@on` can select by it."""
            return self.choice

    def __init__(
        self,
        words: Sequence[str],
        *,
        value: str = "",
        label: str = "",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._words = tuple(words)
        self._label = label
        self._value = value if value in self._words else (self._words[0] if self._words else "")
        self._ends: list[tuple[int, str]] = []
        self._flagged: frozenset[str] = frozenset()

    @property
    def value(self) -> str:
        """The word that is taken."""
        return self._value

    @value.setter
    def value(self, word: str) -> None:
        if word in self._words and word != self._value:
            self._value = word
            self.refresh()

    @property
    def words(self) -> tuple[str, ...]:
        """All there is to choose from."""
        return self._words

    def offer(self, words: Sequence[str]) -> None:
        """Offer other words; the value stays if it is among them."""
        if tuple(words) == self._words:
            return
        self._words = tuple(words)
        if self._value not in self._words:
            self._value = self._words[0] if self._words else ""
        self.refresh()

    def flag(self, words: frozenset[str]) -> None:
        """Set these words off: something is wrong behind them."""
        if words != self._flagged:
            self._flagged = words
            self.refresh()

    def step(self, places: int) -> None:
        """Take the word so many places further, round the end."""
        if len(self._words) > 1:
            at = self._words.index(self._value)
            self._take(self._words[(at + places) % len(self._words)])

    def action_step(self, places: int) -> None:
        """The same, by key."""
        self.step(places)

    def action_explain(self) -> None:
        """Ask for the list of the words."""
        self.post_message(self.ExplainWanted(self))

    def take(self, word: str) -> None:
        """Take a word as if by hand."""
        if word in self._words:
            self._take(word)

    def on_click(self, event: events.Click) -> None:
        """Take the word under the mouse."""
        for end, word in self._ends:
            if event.x < end:
                self._take(word)
                return

    def _take(self, word: str) -> None:
        if word != self._value:
            self._value = word
            self.refresh()
            self.post_message(self.Changed(self, word))

    def render(self) -> Content:
        """The words from the first, or from so far on that the taken one is seen."""
        label = f"{self._label} " if self._label else ""
        parts: list[tuple[str, str]] = [(label, "$foreground 65%")]
        words = list(self._words)
        room = self.size.width - cell_len(label)
        cut = 0
        while words[cut : cut + 1] not in ([], [self._value]) and (
            sum(cell_len(visible(word)) + 3 for word in words[cut:]) > room
        ):
            cut += 1
        used = cell_len(label)
        self._ends = []
        for word in words[cut:]:
            is_taken = word == self._value
            is_flagged = word in self._flagged
            glyph = "✗" if is_flagged else "●" if is_taken else "○"
            text = f"{glyph} {visible(word)} "
            # The last cell is for the sign that there is more.
            if used + cell_len(text) > self.size.width - (word != words[-1]):
                parts.append(("…", "$foreground 65%"))
                break
            colour = "$text-error" if is_flagged else "$text-primary"
            plain = colour if is_flagged else "$foreground 65%"
            parts.append((text, f"bold {colour}" if is_taken else plain))
            used += cell_len(text)
            self._ends.append((used, word))
        return Content.assemble(*parts)
