"""The queue by keyboard: order, priority, how many at once, pause, taking out, adding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from recorded_runs import a_queue
from textual.pilot import Pilot
from textual.widgets import Input

from workbench.operations import queue
from workbench.operations.workspace import Workspace
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.confirm import ConfirmScreen
from workbench.tui.screens.prompt import PromptScreen
from workbench.tui.screens.queue_screen import QueueScreen
from workbench.tui.widgets.table import Table

Text = Callable[[Pilot[None]], str]


@pytest.fixture
def waiting(recorded: Workspace, no_supervisor: None) -> Workspace:
    """A run at work, and three that wait."""
    a_queue(recorded)
    return recorded


def keys(app: WorkbenchApp) -> list[str]:
    """The runs of the queue as they stand on the screen."""
    return [row.key for row in app.screen.query_one("#queue", Table).rows]


async def open_queue(app: WorkbenchApp, pilot: Pilot[None], wait: Any, key: str = "7") -> None:
    await wait(pilot, lambda: app.known_runs)
    await pilot.press(key)
    await wait(pilot, lambda: isinstance(app.screen, QueueScreen) and len(keys(app)) == 4)


async def test_keys_change_order_and_priority_however_fast_they_come(
    waiting: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(waiting)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_queue(app, pilot, wait, key="w")
        assert keys(app) == ["k7fp3x2a", "w1", "w2", "w3"]
        assert "1 run is at work, and 1 may be." in screen_text(pilot)

        await pilot.press("end", "K", "K")
        await wait(pilot, lambda: keys(app) == ["k7fp3x2a", "w3", "w1", "w2"])
        await pilot.press("J", "t", "J")
        await wait(pilot, lambda: keys(app) == ["k7fp3x2a", "w1", "w3", "w2"])

        await pilot.press("end", ">", ">")
        await wait(pilot, lambda: keys(app) == ["k7fp3x2a", "w2", "w1", "w3"])
        places = {row.run.record.id: row.entry.priority for row in queue.look(waiting).rows}
        assert places == {"k7fp3x2a": 0, "w1": 0, "w2": 2, "w3": 0}


async def test_the_queue_is_paused_widened_and_told_what_failures_mean(
    waiting: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(waiting)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_queue(app, pilot, wait)

        await pilot.press("p", "+", "f")
        await wait(pilot, lambda: "2 at once" in screen_text(pilot))

        settings = queue.look(waiting).settings
        assert (settings.paused, settings.at_once, settings.continue_on_error) == (True, 2, True)
        assert "‖ paused" in screen_text(pilot)
        assert "goes on after a run that failed" in screen_text(pilot)
        await pilot.press("p", "-", "-", "-")
        await wait(pilot, lambda: "● on   1 at once" in screen_text(pilot))


async def test_a_waiting_run_is_taken_out_after_a_question_and_one_at_work_has_no_place(
    waiting: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(waiting)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_queue(app, pilot, wait)
        assert "K Earlier" not in screen_text(pilot)

        await pilot.press("down")
        await wait(pilot, lambda: "K Earlier" in screen_text(pilot))
        await pilot.press("x")
        await wait(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")

        await wait(pilot, lambda: keys(app) == ["k7fp3x2a", "w2", "w3"])


async def test_an_empty_queue_says_how_to_fill_it(
    recorded: Workspace, no_supervisor: None, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait(pilot, lambda: app.known_runs)
        await pilot.press("7")
        await wait(pilot, lambda: "Nothing waits" in screen_text(pilot))

        assert "press F6" in screen_text(pilot)
        assert "K Earlier" not in screen_text(pilot)


async def test_f6_lets_the_form_wait_for_its_turn(
    recorded: Workspace, no_supervisor: None, wait: Any
) -> None:
    queue.pause(recorded)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: app.known_runs)
        await pilot.press("2")
        await wait(pilot, lambda: getattr(app.screen, "verdict", None) is not None)

        await pilot.press("f6")
        await wait(pilot, lambda: isinstance(app.screen, QueueScreen) and len(keys(app)) == 1)

        (row,) = queue.look(recorded).rows
        assert row.run.record.name == "quickstart"
        assert row.place == 1


async def test_f7_queues_every_combination_of_what_is_varied(
    recorded: Workspace, no_supervisor: None, wait: Any, screen_text: Text
) -> None:
    queue.pause(recorded)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: app.known_runs)
        await pilot.press("2")
        await wait(pilot, lambda: getattr(app.screen, "verdict", None) is not None)

        await pilot.press("f7")
        await wait(pilot, lambda: isinstance(app.screen, PromptScreen))
        app.screen.query_one(Input).value = "seed=1,2 training.epochs=two"
        await pilot.press("enter")
        await wait(pilot, lambda: "training.epochs=two" in screen_text(pilot))
        assert queue.look(recorded).rows == ()

        await pilot.press("f7")
        await wait(pilot, lambda: isinstance(app.screen, PromptScreen))
        app.screen.query_one(Input).value = "seed=1,2 training.epochs=2,3"
        await pilot.press("enter")
        await wait(pilot, lambda: isinstance(app.screen, QueueScreen) and len(keys(app)) == 4)

        rows = queue.look(recorded).rows
        assert [row.run.record.config.seed for row in rows] == [1, 1, 2, 2]
        assert rows[1].run.record.name == "quickstart epochs=3"
