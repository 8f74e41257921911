"""Help for the screen in front, made from its purpose and its bindings, so it cannot drift."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from workbench.tui.widgets.jump_bar import PLACES

_KEY_CELLS = 14


class HelpScreen(ModalScreen[None]):
    """Keys and purpose of the screen that was in front."""

    PURPOSE = "The keys of a screen."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "close", "Close", id="help.close",
                tooltip="Back to the screen"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        background: $background 60%;
        & > VerticalScroll {
            width: 76; max-width: 96%; height: auto; max-height: 100%; padding: 0 2;
            background: $surface; border: round $primary;
            border-title-color: $text-primary; border-title-style: bold;
            border-subtitle-color: $text-muted;
        }
        #help-here { margin-bottom: 1; padding: 0 1; background: $panel; }
    }
    """

    def __init__(self, about: Screen[object], place: str) -> None:
        super().__init__()
        self._place = PLACES.get(place, "")
        self._purpose = str(getattr(about, "PURPOSE", ""))
        self._here: Content = getattr(about, "help_here", Content())
        self._keys = key_lines(list(about.active_bindings.values()))

    def compose(self) -> ComposeResult:
        """What is in focus first, then the purpose, this screen's keys, those of everywhere."""
        with VerticalScroll() as box:
            box.border_title = f" {self._place or 'Help'} "
            box.border_subtitle = " escape closes "
            if self._here.cell_length:
                yield Static(self._here, id="help-here")
            yield Static(Content(self._purpose))
            yield Static(self._keys)

    def action_close(self) -> None:
        """Back to the screen."""
        self.dismiss(None)


def key_lines(bindings: list[ActiveBinding]) -> Content:
    """The bindings as two lists: what this screen has, and what works everywhere."""
    here: dict[tuple[int, str], tuple[list[str], str]] = {}
    # The screen's own keys first, then those of what is in focus on it.
    for active in sorted(bindings, key=lambda one: not isinstance(one.node, Screen)):
        binding = active.binding
        if not binding.id:
            continue  # Textual's own, which every program has
        is_everywhere = int((binding.id or "").startswith("app."))
        words = binding.tooltip or binding.description
        name = binding.key_display or _shown_key(binding.key)
        here.setdefault((is_everywhere, binding.action), ([], words))[0].append(name)
    lines: list[Content] = []
    for group, title in ((0, "Here"), (1, "Everywhere")):
        entries = [entry for (place, _), entry in here.items() if place == group]
        if entries:
            lines += [Content(), Content.styled(title, "bold $text-primary")]
        for names, words in entries:
            keys = " ".join(dict.fromkeys(names))
            lines.append(
                Content.assemble((f"{keys:<{_KEY_CELLS}}", "bold $text-accent"), f" {words}")
            )
    return Content("\n").join(lines)


_KEY_WORDS = {
    "question_mark": "?", "slash": "/", "up": "↑", "down": "↓", "left": "←", "right": "→",
    "pageup": "pgup", "pagedown": "pgdn", "plus": "+", "minus": "-", "left_square_bracket": "[",
    "right_square_bracket": "]", "comma": ",", "full_stop": ".", "equals_sign": "=",
    "underscore": "_",
}  # fmt: skip


def _shown_key(key: str) -> str:
    *modifiers, name = key.split("+") if key != "+" else ["+"]
    return "+".join([*modifiers, _KEY_WORDS.get(name, name)])
