"""The last line of every screen: the keys that work now, with what they do.

Textual's footer is mounted anew at each change of focus and lets keys run out of a narrow
screen unsaid; this one is a single line that leaves out the least important and always keeps
the way to the help.
"""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

_ALWAYS = ("Help", "Quit")
"""What is shown however narrow the screen is."""


class KeyBar(Widget):
    """One row of keys; a click presses the key."""

    DEFAULT_CSS = """
    KeyBar {
        dock: bottom;
        height: 1;
        background: $panel;
        color: $text-muted;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._ends: list[tuple[int, str]] = []
        self._shown: tuple[tuple[str, str], ...] = ()

    def on_mount(self) -> None:
        """Follow the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        # A change of focus that changes no key repaints nothing.
        if tuple(self._keys()) != self._shown:
            self.refresh()

    def render(self) -> Content:
        """Keys and words, as many as fit."""
        keys = self._keys()
        self._shown = tuple(keys)
        fixed = sorted((pair for pair in keys if pair[1] in _ALWAYS), key=lambda pair: pair[1])
        # The space after the last one may be missing.
        room = self.size.width + 1 - sum(_cells(pair) for pair in fixed)
        shown: list[tuple[str, str]] = []
        for pair in keys:
            if pair in fixed:
                continue
            if _cells(pair) > room:
                break
            room -= _cells(pair)
            shown.append(pair)
        parts: list[tuple[str, str]] = [(" ", "")]
        self._ends, used = [], 1
        for display, words in [*shown, *fixed]:
            parts += [(display, "bold $text-accent"), (f" {words}  ", "$foreground 65%")]
            used += _cells((display, words))
            self._ends.append((used, display))
        return Content.assemble(*parts)

    def on_click(self, event: events.Click) -> None:
        """Press the key under the mouse."""
        for end, display in self._ends:
            if event.x < end:
                for binding in self._keys_that_work():
                    if self._key_name(binding) == display:
                        self.app.simulate_key(binding.key)
                        return

    def _keys_that_work(self) -> list[Binding]:
        """One binding per action: of several keys that work now, the one that is shortest.

        What the screen is for stands before how to look about in the widget in focus.
        """
        seen: dict[str, Binding] = {}
        of_screen: dict[str, bool] = {}
        for node, binding, is_enabled, _ in self.screen.active_bindings.values():
            if binding.show and is_enabled and not binding.system:
                known = seen.setdefault(binding.action, binding)
                of_screen[binding.action] = node is self.screen
                if len(self._key_name(binding)) < len(self._key_name(known)):
                    seen[binding.action] = binding
        return sorted(seen.values(), key=lambda binding: not of_screen[binding.action])

    def _keys(self) -> list[tuple[str, str]]:
        return [(self._key_name(one), one.description) for one in self._keys_that_work()]

    def _key_name(self, binding: Binding) -> str:
        return self.app.get_key_display(binding)


def _cells(pair: tuple[str, str]) -> int:
    return len(pair[0]) + len(pair[1]) + 3
