"""Help for the screen in front, made from its purpose and its bindings, so it cannot drift."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from workbench.tui.widgets.jump_bar import PLACES

_KEY_CELLS = 14
_WIDTH_FOR_COLUMNS = 100


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
            width: 76; max-width: 98%; height: auto; max-height: 100%; padding: 0 2;
            background: $surface; border: round $primary;
            border-title-color: $text-primary; border-title-style: bold;
            border-subtitle-color: $text-muted;
        }
        #help-here { margin-bottom: 1; padding: 0 1; background: $panel; }
        & > VerticalScroll.-wide { width: 124; }
        Horizontal { height: auto; }
        .column { width: 1fr; height: auto; margin-right: 2; }
        .-narrow Horizontal { layout: vertical; }
    }
    """

    def __init__(self, about: Screen[object], place: str) -> None:
        super().__init__()
        self._place = PLACES.get(place, "")
        self._purpose = str(getattr(about, "PURPOSE", ""))
        self._focused: Content = getattr(about, "help_here", Content())
        self._here, self._everywhere = key_lists(list(about.active_bindings.values()))

    def compose(self) -> ComposeResult:
        """What is in focus first, then the purpose, this screen's keys, those of everywhere."""
        with VerticalScroll() as box:
            box.border_title = Content(f" {self._place or 'Help'} ")
            box.border_subtitle = " escape closes "
            if self._focused.cell_length:
                yield Static(self._focused, id="help-here")
            yield Static(Content(self._purpose))
            with Horizontal():
                yield Static(self._here, classes="column")
                yield Static(self._everywhere, classes="column")

    def on_resize(self) -> None:
        """Two columns where there is room."""
        box = self.query_one(VerticalScroll)
        is_wide = self.size.width >= _WIDTH_FOR_COLUMNS
        box.set_class(is_wide, "-wide")
        box.set_class(not is_wide, "-narrow")

    def action_close(self) -> None:
        """Back to the screen."""
        self.dismiss(None)


def key_lists(bindings: list[ActiveBinding]) -> tuple[Content, Content]:
    """The bindings as two lists: the screen's own, and those of its widgets and of all screens."""
    found: dict[tuple[str, str], tuple[list[str], str]] = {}
    for active in bindings:
        binding = active.binding
        if not binding.id:
            continue  # Textual's own, which every program has
        if binding.id.startswith("app."):
            group = "Everywhere"
        else:
            group = "Here" if isinstance(active.node, Screen) else "In what has the focus"
        words = binding.tooltip or binding.description
        name = binding.key_display or _shown_key(binding.key)
        found.setdefault((group, binding.action), ([], words))[0].append(name)
    here = _key_lines("Here", found)
    rest = [_key_lines(group, found) for group in ("In what has the focus", "Everywhere")]
    return here, Content("\n").join(lines for lines in rest if lines.plain)


def _key_lines(group: str, found: dict[tuple[str, str], tuple[list[str], str]]) -> Content:
    entries = [entry for (place, _), entry in found.items() if place == group]
    if not entries:
        return Content()
    lines = [Content(), Content.styled(group, "bold $text-primary")]
    for names, words in entries:
        keys = " ".join(dict.fromkeys(names))
        lines.append(Content.assemble((f"{keys:<{_KEY_CELLS}}", "bold $text-accent"), f" {words}"))
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
