"""Order among runs by keyboard: filter as one types, columns, seeds, tags, trash and undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from recorded_runs import a_config, a_run, finish, train
from synthetic_runs import fill
from textual.pilot import Pilot

from workbench.operations import keeping
from workbench.operations.workspace import Workspace
from workbench.tui.app import WorkbenchApp
from workbench.tui.preferences import load_preferences
from workbench.tui.screens.columns_dialog import ColumnsDialog
from workbench.tui.screens.compare import CompareScreen
from workbench.tui.screens.home import HomeScreen
from workbench.tui.screens.prompt import PromptScreen
from workbench.tui.widgets.filter_bar import FilterBar
from workbench.tui.widgets.run_table import RunTable

Text = Callable[[Pilot[None]], str]


def home(app: WorkbenchApp) -> HomeScreen:
    assert isinstance(app.screen, HomeScreen)
    return app.screen


def keys(app: WorkbenchApp) -> list[str]:
    return [row.key for row in home(app).query_one(RunTable).rows]


async def test_a_filter_is_read_as_it_is_typed_with_help_and_reasons(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)

        await pilot.press("slash", *"topic.acc")
        assert "topic.accuracy" in screen_text(pilot)  # offered
        await pilot.press("tab", *">0.5")
        await wait(pilot, lambda: keys(app) == ["k7fp3x2a", "n2rt5c8w"])

        await pilot.press(")")
        assert "this was not expected here" in screen_text(pilot)
        assert keys(app) == ["k7fp3x2a", "n2rt5c8w"]  # the last one that could be read

        await pilot.press("backspace", "enter")
        assert app.focused is home(app).query_one(RunTable)
        assert "2 of 3 runs" in screen_text(pilot)


async def test_letters_that_come_together_with_the_key_go_into_the_filter(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        home(app).action_filter()

        assert app.focused is home(app).query_one("#filter")


async def test_what_many_keys_do_to_marked_runs_one_key_takes_back(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("down", "space", "space", "t")
        await wait(pilot, lambda: isinstance(app.screen, PromptScreen))
        await pilot.press(*"paper", "enter")
        await wait(pilot, lambda: recorded.store.keeping("f9zx7k2n").tags == ("paper",))
        assert recorded.store.keeping("n2rt5c8w").tags == ("paper",)

        await pilot.press("D")
        await wait(pilot, lambda: keys(app) == ["k7fp3x2a"])
        await pilot.press("u")
        await wait(pilot, lambda: len(keys(app)) == 3)
        await pilot.press("u")
        await wait(pilot, lambda: recorded.store.keeping("f9zx7k2n").tags == ())


async def test_a_run_at_work_cannot_be_deleted_and_the_screen_says_why(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)

        await pilot.press("D")

        await wait(pilot, lambda: "stop it first" in screen_text(pilot))
        assert len(keys(app)) == 3


async def test_seeds_fold_into_one_row_that_opens_and_compares(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    config = a_config("cls", pooling="cls").model_copy(update={"seed": 7})
    other = a_run(recorded, "p3rt5c8w", config=config, minutes_ago=61)
    train(recorded, other, upto=240, quality=0.9)
    finish(recorded, other)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 4)

        await pilot.press("f")
        assert len(keys(app)) == 3
        assert "cls ×2 seeds" in screen_text(pilot)
        assert "0.778 ±0.013" in screen_text(pilot)
        assert load_preferences().folds_seeds

        await pilot.press("down", "enter")
        assert "└ seed 7" in screen_text(pilot)
        await pilot.press("c")
        await wait(pilot, lambda: isinstance(app.screen, CompareScreen))
        assert app.screen._run_ids == ("n2rt5c8w", "p3rt5c8w")


async def test_columns_and_order_are_chosen_and_remembered(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("v")
        await wait(pilot, lambda: isinstance(app.screen, ColumnsDialog))
        await pilot.press("slash", *"ion.learning_rate", "enter", "home", "space", "s", "enter")
        await wait(pilot, lambda: isinstance(app.screen, HomeScreen))

        assert "optimization.learning_rate▼" in screen_text(pilot)
        assert keys(app)[0] == "f9zx7k2n"  # the hottest first
        await pilot.press("r")
        assert keys(app)[-1] == "f9zx7k2n"

    again = WorkbenchApp(recorded)
    async with again.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: len(again.known_runs) == 3)

        assert "optimization.learning_rate▲" in screen_text(pilot)


async def test_a_click_on_a_heading_sorts_and_a_second_one_turns_the_order(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        line = screen_text(pilot).splitlines()[1]

        await pilot.click("RunTable", offset=(line.index("best"), 0))
        assert keys(app) == ["n2rt5c8w", "k7fp3x2a", "f9zx7k2n"]
        assert "best▼" in screen_text(pilot)

        await pilot.click("RunTable", offset=(line.index("best"), 0))
        assert keys(app) == ["f9zx7k2n", "k7fp3x2a", "n2rt5c8w"]


async def test_a_deleted_run_is_found_by_asking_and_restored_by_the_same_key(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("down", "D")
        await wait(pilot, lambda: len(keys(app)) == 2)

        await pilot.press("slash", *"deleted", "enter")
        await wait(pilot, lambda: keys(app) == ["n2rt5c8w"])
        await pilot.press("D", "escape")
        await wait(pilot, lambda: len(keys(app)) == 3)


async def test_of_hundreds_of_runs_only_those_in_view_are_drawn(
    workspace: Workspace, wait: Any
) -> None:
    fill(workspace, 300, steps_each=4)
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 300)
        table = home(app).query_one(RunTable)
        await pilot.press("end")

        assert table.cursor_key == "r00000"
        made = sum("cells" in vars(row) for row in table.rows)
        assert made < 150
        bar = home(app).query_one(FilterBar)
        bar.put("state=failed")
        await wait(pilot, lambda: len(table.rows) == 30)


async def test_quick_changes_are_made_and_taken_back_one_after_the_other(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        screen = home(app)
        screen.action_star()
        screen.action_star()  # the list shows no star yet
        await wait(pilot, lambda: len(screen._keeping.changes) == 2)
        assert not recorded.store.keeping("k7fp3x2a").starred

        screen.action_undo()
        screen.action_undo()
        screen.action_star()
        await wait(pilot, lambda: len(screen._keeping.changes) == 1)
        assert recorded.store.keeping("k7fp3x2a").starred


async def test_a_change_that_could_not_be_taken_back_can_be_tried_again(
    recorded: Workspace, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("asterisk")
        await wait(pilot, lambda: home(app)._keeping.changes)
        with monkeypatch.context() as patch:
            patch.setattr(keeping, "undo", lambda ws, change: 1 / 0)
            await pilot.press("u")
            await wait(pilot, lambda: home(app)._keeping.changes and not home(app)._keeping.is_busy)

        await pilot.press("u")
        await wait(pilot, lambda: not recorded.store.keeping("k7fp3x2a").starred)


async def test_a_marked_run_that_the_filter_hides_is_left_alone(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("end", "space", "slash", *"name=cls", "enter")
        await wait(pilot, lambda: keys(app) == ["n2rt5c8w"])
        assert "1 marked · 1 of them not shown" in screen_text(pilot)

        await pilot.press("D")
        await wait(pilot, lambda: recorded.store.keeping("n2rt5c8w").deleted_at)
        assert recorded.store.keeping("f9zx7k2n").deleted_at is None


async def test_of_a_run_in_the_trash_the_keys_say_how_to_get_it_out(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    keeping.delete(recorded, ["n2rt5c8w"])
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 2)
        await pilot.press("slash", *"deleted", "enter")
        await wait(pilot, lambda: keys(app) == ["n2rt5c8w"])

        await pilot.press("enter", "k", "e", "asterisk")
        await wait(pilot, lambda: screen_text(pilot).count("D takes it out") == 4)
        assert isinstance(app.screen, HomeScreen)


async def test_marks_of_folded_seeds_are_still_seen_after_a_look(
    recorded: Workspace, wait: Any
) -> None:
    config = a_config("cls", pooling="cls").model_copy(update={"seed": 7})
    other = a_run(recorded, "p3rt5c8w", config=config, minutes_ago=61)
    train(recorded, other, upto=240, quality=0.9)
    finish(recorded, other)
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 4)
        await pilot.press("f", "down", "space")
        table = home(app).query_one(RunTable)
        marked = table._marks
        assert any(key.startswith("seeds of") for key in marked)

        keeping.note(recorded, "k7fp3x2a", "seen")
        await wait(pilot, lambda: any(run.keeping.note for run in app.known_runs))
        assert table._marks == marked
