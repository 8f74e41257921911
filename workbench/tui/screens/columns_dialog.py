"""Which columns the list of runs has, in which order, and what it is sorted by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from workbench.config.fields import experiment_fields
from workbench.operations.reading import RunSummary
from workbench.tui import columns
from workbench.tui.preferences import DEFAULT_COLUMNS
from workbench.tui.visible import visible
from workbench.tui.widgets.table import Column, Row, Table


@dataclass(frozen=True)
class ColumnChoice:
    """What was chosen."""

    columns: tuple[str, ...]
    sort: str


class ColumnsDialog(ModalScreen[ColumnChoice | None]):
    """Every column there could be; those that are shown first, in their order."""

    PURPOSE = (
        "The columns of the list of runs. Any metric and any setting can be one, "
        "and the list can be sorted by any of them, shown or not."
    )

    AUTO_FOCUS = "#entries"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "show_or_hide", "Show", id="columns.toggle",
                tooltip="Show or hide the column"),
        Binding("J,shift+down", "shift(1)", "Lower", id="columns.lower", key_display="J",
                tooltip="Move the column to the right"),
        Binding("K,shift+up", "shift(-1)", "Higher", id="columns.higher", key_display="K",
                tooltip="Move the column to the left"),
        Binding("s", "sort", "Sort by", id="columns.sort",
                tooltip="Sort by this; again to turn the order round"),
        Binding("slash", "search", "Search", key_display="/", id="columns.search",
                tooltip="Find a column by a part of its name"),
        Binding("r", "reset", "Reset", id="columns.reset", tooltip="The columns it began with"),
        Binding("enter", "keep", "Keep", id="columns.keep", tooltip="Show the list like that"),
        Binding("escape", "leave", "Leave", id="columns.leave", tooltip="Change nothing"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    ColumnsDialog {
        align: center middle;
        background: $background 60%;
        & > Vertical {
            width: 78; max-width: 96%; height: 80%; padding: 0 1;
            background: $surface; border: round $primary;
            border-title-color: $text-primary; border-title-style: bold;
            border-subtitle-color: $text-muted;
        }
        Input { border: none; height: 1; background: $panel; }
        Table { height: 1fr; background: $surface; }
        Static { height: auto; color: $text-muted; }
    }
    """

    def __init__(self, runs: Sequence[RunSummary], chosen: Sequence[str], sort: str) -> None:
        super().__init__()
        self._meanings = dict.fromkeys(columns.COLUMNS, "")
        self._meanings |= dict.fromkeys(columns.metric_keys(runs), "dev metric")
        self._meanings |= {
            spec.path: spec.help
            for spec in experiment_fields()
            if not spec.path.startswith("tasks.")
        }
        self._chosen = [key for key in chosen if key in self._meanings]
        self._sort = sort

    def compose(self) -> ComposeResult:
        """A search, the columns, the keys."""
        with Vertical() as box:
            box.border_title = " Columns and order "
            box.border_subtitle = " enter keeps, escape leaves "
            yield Input(placeholder="/ to search", compact=True)
            yield Table(
                (Column("column", smallest=20), Column("sorted"), Column("what", smallest=10)),
                id="entries",
            )
            yield Static(_KEYS)

    def on_mount(self) -> None:
        """Show them."""
        self._show()

    def _show(self) -> None:
        word = self.query_one(Input).value.strip().lower()
        keys = [*self._chosen, *(key for key in self._meanings if key not in self._chosen)]
        by, arrow = self._sort.removeprefix("-"), "▼" if self._sort.startswith("-") else "▲"
        table = self.query_one(Table)
        table.show(
            [
                Row(
                    key,
                    (
                        Content.styled(visible(key), "bold" if key in self._chosen else ""),
                        Content.styled(arrow if key == by else "", "$text-accent"),
                        Content.styled(
                            visible(self._meanings[key] or columns.heading(key)), "$foreground 65%"
                        ),
                    ),
                )
                for key in keys
                if word in key.lower()
            ]
        )
        table.mark(frozenset(self._chosen))

    @property
    def _key(self) -> str | None:
        return self.query_one(Table).cursor_key

    @on(Input.Changed)
    def _searched(self) -> None:
        self._show()

    @on(Input.Submitted)
    def _search_done(self, message: Input.Submitted) -> None:
        message.stop()
        self.query_one(Table).focus()

    def action_show_or_hide(self) -> None:
        """Show or hide."""
        key = self._key
        if key in self._chosen:
            self._chosen.remove(key)
        elif key is not None:
            self._chosen.append(key)
        self._show()

    def action_shift(self, places: int) -> None:
        """Move a shown column among the others."""
        key = self._key
        if key in self._chosen:
            at = self._chosen.index(key)
            to = min(max(at + places, 0), len(self._chosen) - 1)
            self._chosen.insert(to, self._chosen.pop(at))
            self._show()

    def action_sort(self) -> None:
        """Numbers from the largest, texts from A; again for the other way round."""
        key = self._key
        if key is None:
            return
        first = f"-{key}" if columns.is_right(key) else key
        second = key if first.startswith("-") else f"-{key}"
        self._sort = second if self._sort == first else first
        self._show()

    def action_search(self) -> None:
        """Type a part of a name."""
        self.query_one(Input).focus()

    def action_reset(self) -> None:
        """Begin again."""
        self._chosen, self._sort = list(DEFAULT_COLUMNS), "-started"
        self._show()

    def action_keep(self) -> None:
        """Close with what was chosen; the name of a run is always among it."""
        keys = self._chosen if "name" in self._chosen else ["name", *self._chosen]
        self.dismiss(ColumnChoice(tuple(keys), self._sort))

    def action_leave(self) -> None:
        """Out of the search, then away."""
        if isinstance(self.focused, Input):
            self.query_one(Table).focus()
        else:
            self.dismiss(None)


_KEYS = Content.assemble(
    ("space", "bold $text-accent"), " show  ", ("J K", "bold $text-accent"), " move  ",
    ("s", "bold $text-accent"), " sort by  ", ("/", "bold $text-accent"), " search  ",
    ("r", "bold $text-accent"), " reset  ", ("enter", "bold $text-accent"), " keep",
)  # fmt: skip
