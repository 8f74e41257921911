"""The command palette: everything that a key does, and every run by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, cast

from textual.app import App
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.fuzzy import Matcher
from textual.screen import Screen
from textual.types import IgnoreReturnCallbackType

from workbench.tui.visible import visible

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_RUNS_OFFERED = 50


@dataclass(frozen=True)
class _Command:
    """One line of the palette."""

    name: str
    help: str
    run: IgnoreReturnCallbackType


class WorkbenchCommands(Provider):
    """Actions of the screen in front, the ways to the others, and the runs."""

    async def discover(self) -> Hits:
        """What is offered before anything is typed: actions, not runs."""
        for command in self._actions():
            yield DiscoveryHit(command.name, command.run, help=command.help)

    async def search(self, query: str) -> Hits:
        """What goes with the words typed."""
        matcher = self.matcher(query)
        for command in (*self._actions(), *self._runs(query)):
            score = matcher.match(command.name)
            if score > 0:
                yield Hit(score, _highlighted(matcher, command.name), command.run,
                          text=command.name, help=command.help)  # fmt: skip

    def _actions(self) -> Iterator[_Command]:
        seen = set()
        # What the screen does first, then the ways elsewhere, then moving about in a widget.
        bindings = sorted(
            self.screen.active_bindings.values(),
            key=lambda one: (not isinstance(one.node, Screen), not isinstance(one.node, App)),
        )
        for node, binding, is_enabled, tooltip in bindings:
            words = tooltip or binding.tooltip or binding.description
            if not binding.id or not is_enabled or not words or binding.action in seen:
                continue
            seen.add(binding.action)
            action, key = binding.action, self.app.get_key_display(binding)

            async def run(action: str = action, node: object = node) -> None:
                await self.app.run_action(action, default_namespace=node)  # type: ignore[arg-type]  # Textual types it as a DOM node, which every binding's owner is

            yield _Command(words, f"key {key}", run)

    def _runs(self, query: str) -> Iterator[_Command]:
        app = cast("WorkbenchApp", self.app)
        # A fuzzy look at 5,000 names takes a second; a plain one finds what a person remembers.
        words = query.lower().removeprefix("open").removeprefix(" run").split()
        found = (
            run
            for run in app.known_runs
            if all(word in f"{run.record.name} {run.record.id}".lower() for word in words)
        )
        for run in islice(found, _RUNS_OFFERED):
            run_id = run.record.id

            async def open_run(run_id: str = run_id) -> None:
                app.open_run(run_id)

            yield _Command(
                f"Open run {visible(run.record.name)} {run_id}",
                f"{run.state.value}, {', '.join(run.tasks)}",
                open_run,
            )


def _highlighted(matcher: Matcher, name: str) -> Content:
    """What matches set off; the matcher's own way to do that reads a name as markup."""
    content = Content(name)
    for at in matcher.fuzzy_search.match(matcher.query, name)[1]:
        if not name[at].isspace():
            content = content.stylize(matcher.match_style, at, at + 1)
    return content
