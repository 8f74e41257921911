"""The settings of a run: all of them, with those first that are not as they are by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from workbench.config.fields import NONE_WORD, field_specs
from workbench.control import Request, in_words
from workbench.operations.reading import RunSummary, flat_settings
from workbench.tui.visible import visible
from workbench.tui.widgets.table import Column, Row, Table


class SettingsScreen(ModalScreen[None]):
    """Key, value, and what it does."""

    PURPOSE = "What a run was asked to do. ◆ marks what is not as it is by default."

    AUTO_FOCUS = "#settings"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/", id="settings.search",
                tooltip="Show only settings with a part of a name or value"),
        Binding("escape,q,h", "close", "Close", id="settings.close", tooltip="Back to the run"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    SettingsScreen {
        align: center middle;
        background: $background 60%;
        & > Vertical { width: 96%; max-width: 130; height: 90%; background: $surface;
                       border: round $primary; border-title-color: $text-primary;
                       border-title-style: bold; border-subtitle-color: $text-muted; }
        Input { border: none; height: 1; background: $panel; }
        Table { height: 1fr; background: $surface; }
    }
    """

    def __init__(
        self,
        run: RunSummary,
        rates: dict[str, float] | None = None,
        requests: Sequence[tuple[int, Request]] = (),
    ) -> None:
        """Show a run's settings.

        Args:
            run: The run.
            rates: Learning rate of each group at the last step.
            requests: What it was asked at work, each with the last step before it.
        """
        super().__init__()
        self._run, self._rates, self._requests = run, rates or {}, requests

    def compose(self) -> ComposeResult:
        """A search, the settings."""
        with Vertical() as box:
            box.border_title = Content(f" settings of {visible(self._run.record.name)} ")
            box.border_subtitle = " / search  escape closes "
            yield Input(placeholder="/ to search", compact=True)
            yield Table(
                (
                    Column("setting"),
                    Column("value", smallest=16),
                    Column("what it does", importance=1, smallest=10),
                ),
                is_for_reading=True,
                id="settings",
            )

    def on_mount(self) -> None:
        """Show them."""
        self._show()

    def _show(self) -> None:
        word = self.query_one(Input).value.strip().lower()
        settings = flat_settings(self._run.record.config.model_dump(mode="json"))
        changed = [key for key, value in settings.items() if _is_changed(key, value)]
        rows = [
            Row(f"now {group}", (Content(f"rate of {visible(group)} now"), Content(f"{rate:.3g}"),
                                 Content.styled("at the last step", "$foreground 65%")))
            for group, rate in self._rates.items()
            if word in group.lower()
        ]  # fmt: skip
        rows += [
            Row(f"asked {number}", (Content(f"after step {step}"),
                                    Content(visible(in_words(request))),
                                    Content.styled("asked of the run at work", "$foreground 65%")))
            for number, (step, request) in enumerate(self._requests)
            if word in in_words(request).lower()
        ]  # fmt: skip
        rows += [
            _row(key, settings[key], key in changed)
            for key in [*changed, *(key for key in settings if key not in changed)]
            if word in key.lower() or word in settings[key].lower()
        ]
        table = self.query_one(Table)
        table.show(rows)
        table.mark(frozenset(changed))

    @on(Input.Changed)
    def _searched(self) -> None:
        self._show()

    @on(Input.Submitted)
    def _search_done(self, message: Input.Submitted) -> None:
        message.stop()
        self.query_one(Table).focus()

    def action_search(self) -> None:
        """Type a part."""
        self.query_one(Input).focus()

    def action_close(self) -> None:
        """Out of the search, then away."""
        if isinstance(self.focused, Input):
            self.query_one(Table).focus()
        else:
            self.dismiss(None)


def _row(key: str, value: str, is_changed: bool) -> Row:
    specs = field_specs(key)
    return Row(
        key,
        (
            Content.styled(visible(key), "bold" if is_changed else ""),
            Content(visible(value)),
            Content.styled(visible(specs[0].help) if specs else "", "$foreground 65%"),
        ),
    )


def _is_changed(key: str, value: str) -> bool:
    specs = field_specs(key)
    if not specs or specs[0].required:
        return bool(specs)
    default = specs[0].default
    plain = flat_settings({"x": default if default is not None else NONE_WORD})
    return plain.get("x", value) != value
