"""The sections of the form, with how many problems each has; shows where one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.widget import Widget

from workbench.tui.messages import FrozenMessage


class SectionRail(Widget):
    """A column of names; a click goes there."""

    DEFAULT_CSS = """
    SectionRail {
        width: 18;
        height: 100%;
        border-right: solid $border-blurred;
        color: $text-muted;
    }
    """

    @dataclass(eq=False)
    class Wanted(FrozenMessage):
        """A section was clicked."""

        section: str

    def __init__(self, titles: Mapping[str, str]) -> None:
        super().__init__()
        self._titles = dict(titles)
        self._here = ""
        self._problems: dict[str, int] = {}
        self._plan = Content()

    def show_plan(self, plan: Content) -> None:
        """Say in a few words what the plan is, beneath the sections."""
        if plan != self._plan:
            self._plan = plan
            self.refresh()

    def show(self, here: str, problems: Mapping[str, int]) -> None:
        """Set off the section `here`; count problems by section."""
        if (here, dict(problems)) != (self._here, self._problems):
            self._here, self._problems = here, dict(problems)
            self.refresh()

    def render(self) -> Content:
        """One line a section."""
        lines = []
        for section, title in self._titles.items():
            is_here = section == self._here
            count = self._problems.get(section, 0)
            lines.append(
                Content.assemble(
                    ("▌" if is_here else " ", "$text-accent"),
                    (f"{title:<13}", "bold $foreground" if is_here else "$foreground 65%"),
                    (f"✗{count}" if count else "", "bold $text-error"),
                )
            )
        if self._plan.cell_length:
            lines += [Content(), *(Content(" ") + line for line in self._plan.split("\n"))]
        return Content("\n").join(lines)

    def on_click(self, event: events.Click) -> None:
        """Go to the section under the mouse."""
        row = event.y
        if 0 <= row < len(self._titles):
            self.post_message(self.Wanted(list(self._titles)[row]))
