"""The tasks by name in one row, and beneath it what can be done with them: keys and buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from workbench.tui.messages import FrozenMessage
from workbench.tui.widgets.choice import Choice

DEEDS = {"add": "a", "copy": "c", "remove": "x", "earlier": "<", "later": ">"}
"""What can be done with tasks, with its key while the names are in focus."""


@dataclass(eq=False)
class DeedWanted(FrozenMessage):
    """A person wants something done with the task that is shown."""

    deed: str


class TaskNames(Choice):
    """Left and right show another task; letters do something with it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "do('add')", "Add", id="tasks.add", tooltip="Add a task"),
        Binding("c", "do('copy')", "Copy", id="tasks.copy",
                tooltip="Add a task with the settings of this one"),
        Binding("x,delete", "do('remove')", "Remove", id="tasks.remove",
                tooltip="Remove the task that is shown"),
        Binding("less_than_sign,shift+left", "do('earlier')", "Earlier", show=False,
                key_display="<", id="tasks.earlier", tooltip="Move the task before the one at "
                "its left"),
        Binding("greater_than_sign,shift+right", "do('later')", "Later", show=False,
                key_display=">", id="tasks.later", tooltip="Move the task behind the one at its "
                "right"),
        Binding("enter", "do('rename')", "Rename", id="tasks.rename",
                tooltip="Go to the task's name"),
    ]  # fmt: skip

    def action_do(self, deed: str) -> None:
        """Ask for something to be done."""
        self.post_message(DeedWanted(deed))


class TaskButtons(Widget):
    """The same for the mouse; says the keys to those who have none."""

    DEFAULT_CSS = """
    TaskButtons { height: 1; color: $text-muted; padding-left: 2; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._ends: list[tuple[int, str]] = []

    def render(self) -> Content:
        """Keys and words."""
        parts: list[tuple[str, str]] = []
        self._ends, used = [], 0
        for deed, key in DEEDS.items():
            parts += [(key, "$text-accent"), (f" {deed}  ", "$foreground 65%")]
            used += len(key) + len(deed) + 3
            self._ends.append((used, deed))
        return Content.assemble(*parts)

    def on_click(self, event: events.Click) -> None:
        """Do what is under the mouse."""
        for end, deed in self._ends:
            if event.x - 2 < end:
                self.post_message(DeedWanted(deed))
                return


class TaskBar(Vertical):
    """Names and buttons."""

    DEFAULT_CSS = """
    TaskBar { height: auto; TaskNames { margin-left: 2; } }
    """

    def compose(self) -> ComposeResult:
        """Names, buttons."""
        yield TaskNames((), id="task")
        yield TaskButtons()

    @property
    def names(self) -> TaskNames:
        """The names to choose from."""
        return self.query_one(TaskNames)

    def show(self, names: Sequence[str], at: int) -> None:
        """Show these names, with one of them taken."""
        self.names.offer(names or ["no task yet"])
        if names:
            self.names.value = names[at]
