"""Any of a few words, all seen at once, in one row: left and right move, space takes or leaves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget

from workbench.tui.messages import FrozenMessage
from workbench.tui.visible import visible


class ManyChoice(Widget, can_focus=True):
    """Guarantees that what is taken is among the words, in their order."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "move(1)", "Next", show=False, id="many.next",
                tooltip="The next word"),
        Binding("left", "move(-1)", "Previous", show=False, id="many.previous",
                tooltip="The word before"),
        Binding("space", "take_or_leave", "Take or leave", id="many.toggle",
                tooltip="Take the word, or leave it out"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    ManyChoice { height: 1; width: 1fr; color: $foreground; }
    ManyChoice:focus { background: $primary 15%; }
    """

    @dataclass(eq=False)
    class Changed(FrozenMessage):
        """A word was taken or left out by hand."""

        taken: tuple[str, ...]

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self._words = tuple(words)
        self._taken: frozenset[str] = frozenset()
        self._at = 0
        self._ends: list[tuple[int, int]] = []

    @property
    def taken(self) -> tuple[str, ...]:
        """The words that are taken."""
        return tuple(word for word in self._words if word in self._taken)

    @taken.setter
    def taken(self, words: Collection[str]) -> None:
        wanted = frozenset(words) & frozenset(self._words)
        if wanted != self._taken:
            self._taken = wanted
            self.refresh()

    def action_move(self, places: int) -> None:
        """Go to another word, round the end."""
        self._at = (self._at + places) % len(self._words)
        self.refresh()

    def action_take_or_leave(self) -> None:
        """Take the word, or leave it out."""
        self._taken ^= {self._words[self._at]}
        self.refresh()
        self.post_message(self.Changed(self.taken))

    def on_click(self, event: events.Click) -> None:
        """Take or leave the word under the mouse."""
        for end, at in self._ends:
            if event.x < end:
                self._at = at
                self.action_take_or_leave()
                return

    def render(self) -> Content:
        """The words from the first, or from so far on that the one in hand is seen."""
        texts = [f"{'■' if word in self._taken else '□'} {visible(word)} " for word in self._words]
        cut = 0
        while (
            cut < self._at and sum(map(cell_len, texts[cut : self._at + 1])) > self.size.width - 1
        ):
            cut += 1
        parts: list[tuple[str, str]] = []
        self._ends, used = [], 0
        for at in range(cut, len(texts)):
            if used + cell_len(texts[at]) > self.size.width - (at < len(texts) - 1):
                parts.append(("…", "$foreground 65%"))
                break
            taken = self._words[at] in self._taken
            style = "bold $text-primary" if taken else "$foreground 65%"
            parts.append((texts[at], f"{style} underline" if self._is_in_hand(at) else style))
            used += cell_len(texts[at])
            self._ends.append((used, at))
        return Content.assemble(*parts)

    def _is_in_hand(self, at: int) -> bool:
        return at == self._at and self.has_focus
