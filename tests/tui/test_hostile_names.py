"""Names and texts of data are shown as they are: no markup in them is obeyed, none ends the app."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded_runs import a_config, a_run, fail, finish, train, write_log
from textual.pilot import Pilot

from workbench import tui
from workbench.errors import DataError
from workbench.operations import keeping
from workbench.operations.playground import Playground
from workbench.operations.workspace import Workspace
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.checkpoints import CheckpointsScreen
from workbench.tui.screens.compare import CompareScreen
from workbench.tui.screens.home import HomeScreen
from workbench.tui.screens.interference import InterferenceScreen
from workbench.tui.screens.new_experiment import NewExperimentScreen
from workbench.tui.screens.playground import PlaygroundScreen
from workbench.tui.screens.run import RunScreen

Text = Callable[[Pilot[None]], str]
NAME = "bad [/x] [@click=app.quit]n[/] [/y"
"""A tag that closes nothing, a link that would quit, a tag without an end."""


@pytest.fixture
def hostile(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two runs of that name, one that failed and one that is over, with all that can have words."""
    for run_id in ("f9zx7k2n", "n2rt5c8w"):
        record = a_run(workspace, run_id, config=a_config(NAME), source=NAME)
        train(workspace, record, upto=240)
        if run_id == "n2rt5c8w":
            finish(workspace, record)
        else:
            fail(workspace, record)
        keeping.note(workspace, run_id, NAME)
        write_log(workspace, run_id, NAME)

    def review(self: Playground, run_id: str, **rest: Any) -> None:
        raise DataError(NAME, where=NAME, next_step=NAME)

    monkeypatch.setattr(Playground, "review", review)
    return workspace


async def test_every_screen_shows_a_name_with_markup_in_it(
    hostile: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(hostile)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:

        async def dialog(*keys: str, says: str = NAME, leaves: str = "escape") -> None:
            await pilot.press(*keys)
            await wait(pilot, lambda: len(app.screen_stack) > 1 and says in screen_text(pilot))
            await pilot.press(leaves)
            await wait(pilot, lambda: len(app.screen_stack) == 1)

        async def go(to: str, kind: type) -> None:
            app.action_go(to)
            await wait(pilot, lambda: isinstance(app.screen, kind) and NAME in screen_text(pilot))

        await wait(pilot, lambda: len(app.known_runs) == 2)
        await go("home", HomeScreen)
        await dialog("e", says=f"Note of {NAME}")
        await dialog("R")
        await dialog("t", says="Tag one run")
        await dialog("v", says="Columns")
        await dialog("ctrl+p", *"bad", says=f"Open run {NAME}")
        await pilot.press("asterisk")
        await wait(pilot, lambda: f'"{NAME}" starred' in screen_text(pilot))

        await go("run", RunScreen)
        await wait(pilot, lambda: len(app.screen.query("GridChart")) == 5)
        await dialog("h", says=f"settings of {NAME}")
        await dialog("L", says=f"log of {NAME}")
        await dialog("question_mark", says="escape closes")
        app._interference.show_run("n2rt5c8w")
        app.action_go("interference")
        await wait(pilot, lambda: isinstance(app.screen, InterferenceScreen))

        await go("checkpoints", CheckpointsScreen)
        await wait(pilot, lambda: app.screen.chosen is not None)  # type: ignore[attr-defined]
        await dialog("e", says=f"Export {NAME}")
        await dialog("m", says=f"{NAME}, step 240: dev")

        app._compare.show_runs(("n2rt5c8w", "f9zx7k2n"))
        await go("compare", CompareScreen)
        await dialog("e", says="Export the comparison")
        await go("playground", PlaygroundScreen)
        await go("home", HomeScreen)
        await pilot.press("N")
        await wait(pilot, lambda: isinstance(app.screen, NewExperimentScreen))
        await wait(pilot, lambda: app.screen.draft.values.get("name") == NAME)  # type: ignore[attr-defined]


def _calls_and_titles() -> Iterator[tuple[str, ast.AST]]:
    for file in Path(tui.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            yield f"{file.name}:{getattr(node, 'lineno', 0)}", node


def test_no_title_is_made_of_pieces_as_a_string_and_no_notice_reads_markup() -> None:
    found = []
    for place, node in _calls_and_titles():
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.JoinedStr):
            names = {target.attr for target in node.targets if isinstance(target, ast.Attribute)}
            found += [place] if names & {"border_title", "border_subtitle"} else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given = {word.arg for word in node.keywords}
            found += [place] if node.func.attr == "notify" and "markup" not in given else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            is_text = node.func.id in ("Static", "Label") and node.args
            found += [place] if is_text and isinstance(node.args[0], ast.JoinedStr) else []

    assert found == []
