"""What tasks gain by each other, and how the runs for it are queued, by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recorded_runs import a_config, a_run, finish, train
from textual.pilot import Pilot

from workbench.config.baselines import alone
from workbench.operations import queue
from workbench.operations.workspace import Workspace
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.confirm import ConfirmScreen
from workbench.tui.screens.gains import GainsScreen

Text = Callable[[Pilot[None]], str]


async def test_tasks_that_were_not_run_alone_are_queued_from_the_screen_of_gains(
    workspace: Workspace, no_supervisor: None, wait: Any, screen_text: Text
) -> None:
    joint = a_run(workspace, "jo")
    train(workspace, joint, upto=240)
    finish(workspace, joint)
    app = WorkbenchApp(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: app.known_runs)
        await pilot.press("b")
        await wait(pilot, lambda: "was run alone" in screen_text(pilot))

        await pilot.press("b")
        await wait(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "Queue 3 runs?" in screen_text(pilot)
        await pilot.press("y")
        await wait(pilot, lambda: "3 runs wait in the queue" in screen_text(pilot))

        await pilot.press("b")
        await wait(pilot, lambda: "Nothing is missing" in screen_text(pilot))

    waiting = [row.run.record.config for row in queue.look(workspace).rows]
    assert [list(config.tasks) for config in waiting] == [["topic"], ["sentiment"], ["entity"]]


async def test_gains_are_shown_beside_compared_runs_and_a_run_of_one_task_has_none(
    workspace: Workspace, wait: Any, screen_text: Text
) -> None:
    config = a_config()
    for run_id, one in (("jo", config), *((f"a{at}", alone(config, task))
                                          for at, task in enumerate(config.tasks))):  # fmt: skip
        record = a_run(workspace, run_id, config=one)
        train(workspace, record, upto=240)
        finish(workspace, record)
    app = WorkbenchApp(workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 4)
        await pilot.press("ctrl+a", "c")
        await wait(pilot, lambda: "dev, at the best" in screen_text(pilot))
        await pilot.press("b")
        await wait(pilot, lambda: isinstance(app.screen, GainsScreen))
        await wait(pilot, lambda: "sentiment" in screen_text(pilot))

        shown = screen_text(pilot)
        assert all(word in shown for word in ("together", "alone", "gain", "topic", "entity"))
        assert "Not run alone" not in shown

        await pilot.press("escape", "1", "end")
        place = [run.record.id for run in app.known_runs].index("a0")
        await pilot.press("escape", "home", *(["down"] * place), "b")
        await wait(pilot, lambda: "nobody" in screen_text(pilot))
