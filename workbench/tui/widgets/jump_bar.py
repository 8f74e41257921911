"""The first line of every screen: where one is, where one can go, which database is shown."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.content import Content
from textual.widget import Widget

from workbench.tui.messages import ScreenWanted
from workbench.tui.visible import visible

PLACES = {
    "home": "Home",
    "new": "New",
    "run": "Run",
    "compare": "Compare",
    "checkpoints": "Checkpoints",
    "playground": "Playground",
    "queue": "Queue",
}
"""The screens by mode, in the order of their keys 1, 2, 3…"""


class JumpBar(Widget):
    """One row; a click on a name goes there."""

    DEFAULT_CSS = """
    JumpBar {
        height: 1;
        background: $panel;
        color: $text-muted;
    }
    """

    def __init__(self, place: str, database: str) -> None:
        super().__init__()
        self._place = place
        self._database = visible(_shortened(database))
        self._ends: list[tuple[int, str]] = []

    def render(self) -> Content:
        """The names with their keys, the present one set off, and the database at the right."""
        brand = " mtl-workbench  " if self.size.width >= 100 else " "
        parts: list[Content | tuple[str, str]] = [(brand, "bold $text-primary")]
        self._ends, used = [], len(brand)
        for number, (mode, name) in enumerate(PLACES.items(), start=1):
            is_here = mode == self._place
            text = f" {number} {name} "
            parts.append((text, "bold reverse $text-primary" if is_here else "$foreground 65%"))
            used += len(text)
            self._ends.append((used, mode))
        left = Content.assemble(*parts)
        right = Content.styled(self._database + " ", "$foreground 40%")
        space = self.size.width - left.cell_length - right.cell_length
        return left + " " * space + right if space >= 2 else left

    def on_click(self, event: events.Click) -> None:
        """Go to the name under the mouse."""
        for end, mode in self._ends:
            if event.x < end:
                self.post_message(ScreenWanted(mode))
                return


def _shortened(url: str) -> str:
    """A database as a person names it: the file under `~`, or the URL without its password."""
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///"))
        home = Path.home()
        return f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
