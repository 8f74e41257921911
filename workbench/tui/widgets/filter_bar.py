"""Where a filter is typed: with what could come next, and with what is wrong in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from workbench.errors import ConfigError
from workbench.operations.filtering import (
    Completion,
    Filter,
    UnfinishedFilter,
    complete,
    parse_filter,
)
from workbench.operations.reading import RunSummary
from workbench.tui.messages import FrozenMessage
from workbench.tui.visible import visible


class FilterInput(Input):
    """One line; tab takes what is offered, up and down choose among it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "take", "Complete", id="filter.take", tooltip="Take what is offered"),
        Binding("down", "choose(1)", "Next", show=False, id="filter.next",
                tooltip="Choose the next of what is offered"),
        Binding("up", "choose(-1)", "Previous", show=False, id="filter.previous",
                tooltip="Choose the one before"),
    ]  # fmt: skip

    @dataclass(eq=False)
    class Take(FrozenMessage):
        """Put what is chosen in the place of the word under the cursor."""

    @dataclass(eq=False)
    class Choose(FrozenMessage):
        """Choose another of what is offered."""

        places: int

    def action_take(self) -> None:
        """Take the completion."""
        self.post_message(self.Take())

    def action_choose(self, places: int) -> None:
        """Choose another completion."""
        self.post_message(self.Choose(places))


class FilterBar(Vertical):
    """Posts `Changed` for each filter that can be read; keeps the last one meanwhile."""

    DEFAULT_CSS = """
    FilterBar {
        display: none;
        height: 2;
        background: $surface;
        &.-shown { display: block; }
        &.-resting { height: 1; }
        &.-resting FilterHint { display: none; }
        Input { height: 1; border: none; background: $surface; padding: 0 1; }
        FilterHint { height: 1; padding: 0 1; }
    }
    """

    @dataclass(eq=False)
    class Changed(FrozenMessage):
        """Another filter is meant."""

        filter: Filter

    @dataclass(eq=False)
    class Done(FrozenMessage):
        """Someone pressed enter."""

    def __init__(self) -> None:
        super().__init__()
        self._runs: Sequence[RunSummary] = ()
        self._filter = parse_filter("")
        self._error = ""
        self._offered: list[Completion] = []
        self._chosen = 0

    def compose(self) -> ComposeResult:
        """The line, and what there is to say of it."""
        yield FilterInput(
            placeholder="words, or as state=finished and question.accuracy>0.9",
            id="filter",
            compact=True,
        )
        yield FilterHint()

    # ── what a screen does ────────────────────────────────────────────────────

    @property
    def filter(self) -> Filter:
        """The last filter that could be read."""
        return self._filter

    @property
    def error(self) -> str:
        """Why the present text cannot be read or fits no run; empty if it can."""
        return self._error

    @property
    def text(self) -> str:
        """What is typed."""
        return self._field.value

    def know(self, runs: Sequence[RunSummary]) -> None:
        """The runs whose keys and values are offered."""
        self._runs = runs

    def open(self) -> None:
        """Show it, and type."""
        self.add_class("-shown")
        self.remove_class("-resting")
        # At once: over a slow line the next letters may come together with the key.
        self.screen.set_focus(self._field)
        self._read()

    def clear(self) -> None:
        """Let everything through, and hide."""
        self._field.value = ""
        self.remove_class("-shown")

    def put(self, text: str) -> None:
        """Filter by this."""
        self._field.value = text
        self._field.cursor_position = len(text)
        self.set_class(bool(text.strip()), "-shown")
        self.add_class("-resting")

    def complain(self, error: ConfigError) -> None:
        """Say why a filter that could be read fits nothing."""
        self._say(_reason(error))

    # ── typing ────────────────────────────────────────────────────────────────

    @property
    def _field(self) -> FilterInput:
        return self.query_one(FilterInput)

    @on(Input.Changed)
    def _changed(self, message: Input.Changed) -> None:
        message.stop()
        self._read()

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.add_class("-resting")
        self.set_class(bool(self.text.strip()), "-shown")
        self.post_message(self.Done())

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Help again."""
        self.remove_class("-resting")

    def _read(self) -> None:
        typed = self._field.value
        self._offered = complete(typed, self._field.cursor_position, self._runs)
        self._chosen = 0
        try:
            self._filter = parse_filter(typed)
        except UnfinishedFilter as error:
            # What could follow is more help than that something has to.
            self._say("" if self._offered else _reason(error))
            return
        except ConfigError as error:
            self._say(_reason(error))
            return
        self._error = ""
        self.post_message(self.Changed(self._filter))
        self._say(self._error)

    def _say(self, error: str) -> None:
        self._error = error
        self.query_one(FilterHint).show(self._offered, self._chosen, error)

    @on(FilterInput.Choose)
    def _choose(self, message: FilterInput.Choose) -> None:
        if self._offered:
            self._chosen = (self._chosen + message.places) % len(self._offered)
            self._say(self._error)

    @on(FilterInput.Take)
    def _take(self) -> None:
        if self._offered:
            chosen = self._offered[self._chosen]
            field = self._field
            text, cursor = chosen.applied(field.value, field.cursor_position)
            field.value = text
            field.cursor_position = cursor
            self._read()


class FilterHint(Widget):
    """One line: what is wrong, else what could come next."""

    def __init__(self) -> None:
        super().__init__()
        self._offered: list[Completion] = []
        self._chosen = 0
        self._error = ""

    def show(self, offered: list[Completion], chosen: int, error: str) -> None:
        """Say this."""
        self._offered, self._chosen, self._error = offered, chosen, error
        self.refresh()

    def render(self) -> Content:
        """What is wrong, else what is offered, as far as there is room."""
        width = self.content_size.width
        if self._error:
            return Content.assemble(("✗ ", "bold $text-error"), visible(self._error)).truncate(
                width, ellipsis=True
            )
        if not self._offered:
            return Content()
        parts = []
        for at, one in enumerate(self._offered):
            style = "bold reverse $text-accent" if at == self._chosen else "$foreground 65%"
            parts.append(Content.styled(f" {visible(one.text)} ", style))
        line = Content.assemble(("tab ", "bold $text-accent"), *parts)
        words = Content.styled(f"  {visible(self._offered[self._chosen].words)}", "$foreground 65%")
        if line.cell_length > width // 2:
            # The meaning of the chosen one tells more than the last of many names.
            line = line.truncate(max(width // 2, width - words.cell_length), ellipsis=True)
        return (line + words).truncate(width, ellipsis=True)


def _reason(error: ConfigError) -> str:
    problem = error.problems[0]
    what = problem.what.removeprefix("The filter cannot be read: ")
    return f"{what} {problem.next_step}" if problem.next_step else what
