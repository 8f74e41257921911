"""Watching, comparing and trying by keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from recorded_runs import a_run, finish, started, steps, write_log
from test_grids import write_cosines
from textual.pilot import Pilot
from textual.widgets import Input

from workbench.errors import CheckpointError
from workbench.events import EvaluationFinished, MachineSampled, RunResumed
from workbench.operations.playground import Playground, Tried
from workbench.operations.workspace import Workspace
from workbench.store.records import SeriesKey
from workbench.tui import requests
from workbench.tui.app import WorkbenchApp
from workbench.tui.preferences import load_preferences
from workbench.tui.screens import log_screen
from workbench.tui.screens.checkpoints import CheckpointsScreen
from workbench.tui.screens.compare import CompareScreen
from workbench.tui.screens.confirm import ConfirmScreen
from workbench.tui.screens.home import HomeScreen
from workbench.tui.screens.interference import InterferenceScreen
from workbench.tui.screens.log_screen import LogScreen
from workbench.tui.screens.playground import PlaygroundScreen
from workbench.tui.screens.prompt import PromptScreen
from workbench.tui.screens.review import ReviewScreen
from workbench.tui.screens.run import RunScreen
from workbench.tui.screens.settings_screen import SettingsScreen
from workbench.tui.widgets.chart import Chart
from workbench.tui.widgets.chart_grid import ChartGrid, GridChart
from workbench.tui.widgets.table import Table
from workbench.tui.widgets.value_table import ValueTable
from workbench.worker.additions import add_evaluation

Text = Callable[[Pilot[None]], str]


async def open_run(app: WorkbenchApp, pilot: Pilot[None], wait: Any, run_id: str) -> RunScreen:
    app.open_run(run_id)
    await wait(pilot, lambda: isinstance(app.screen, RunScreen))
    screen = app.screen
    assert isinstance(screen, RunScreen)
    await wait(pilot, lambda: len(screen.query(GridChart)) == 5)
    await wait(pilot, lambda: "train" in charts(screen)[0].summary())
    return screen


def charts(screen: RunScreen) -> list[GridChart]:
    return screen.query_one(ChartGrid).charts


async def test_losses_share_one_chart_and_part_again(recorded: Workspace, wait: Any) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_run(app, pilot, wait, "n2rt5c8w")

        await pilot.press("m")
        assert [chart.key for chart in charts(screen)] == ["losses", "rates", "metrics"]
        for task in ("topic train", "sentiment dev", "entity train"):
            assert task in charts(screen)[0].summary()
        assert load_preferences().overlays

        await pilot.press("m")
        assert len(charts(screen)) == 5


async def test_one_key_charts_what_the_machine_did(recorded: Workspace, wait: Any) -> None:
    used = {"host cpu": 0.9, "gpu0": 0.7}
    recorded.store.append("n2rt5c8w", [MachineSampled(step, used) for step in (60, 120, 240)])
    app = WorkbenchApp(recorded, run_id="n2rt5c8w")
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: len(app.screen.query(GridChart)) == 5)

        await pilot.press("M")

        await wait(pilot, lambda: len(app.screen.query(GridChart)) == 6)
        (chart,) = [one for one in app.screen.query(GridChart) if one.key == "machine"]
        assert "gpu0" in chart.summary()


async def test_the_axis_counts_epochs_minutes_and_texts(recorded: Workspace, wait: Any) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_run(app, pilot, wait, "n2rt5c8w")

        for name, last in (("epoch", "at 3"), ("minutes", "at 0.84"), ("texts", "at 7680")):
            await pilot.press("a")
            await wait(pilot, lambda name=name: charts(screen)[0].x_label == name)
            # 240 steps of 0.21 s and 32 texts, three passes over the data.
            await wait(pilot, lambda last=last: last in charts(screen)[0].summary())
        await pilot.press("a")
        await wait(pilot, lambda: "at 240" in charts(screen)[0].summary())


async def test_the_axis_counts_where_the_first_steps_are_not_told(
    workspace: Workspace, wait: Any
) -> None:
    record = a_run(workspace, "s5rt5c8w")
    workspace.store.append(record.id, [started(record, 240), *steps(record, 1, 100, 240)[4::5]])
    app = WorkbenchApp(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_run(app, pilot, wait, "s5rt5c8w")

        await pilot.press("a")
        await wait(pilot, lambda: charts(screen)[0].x_label == "epoch")
        await wait(pilot, lambda: "at 1.25" in charts(screen)[0].summary())


async def test_a_run_that_was_resumed_and_went_past_is_drawn_anew(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_run(app, pilot, wait, "k7fp3x2a")
        record = recorded.store.run("k7fp3x2a")
        again = steps(record, 121, 160, 240)
        again[9] = replace(again[9], losses={"topic": 77.0, "sentiment": 1.0, "entity": 1.0})  # type: ignore[type-var]

        recorded.store.append(record.id, [RunResumed(120, "crashed"), *again])
        await wait(pilot, lambda: screen.summary is not None and screen.summary.step == 160)

        key = SeriesKey("train", "topic", "loss")

        def losses() -> Any:
            curve = screen._history.get(key)
            return () if curve is None else curve.values

        await wait(pilot, lambda: 77.0 in losses())


async def test_what_is_evaluated_after_the_end_is_drawn(recorded: Workspace, wait: Any) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        record = recorded.store.run("k7fp3x2a")
        finish(recorded, record)
        screen = await open_run(app, pilot, wait, record.id)
        key = SeriesKey("dev", "topic", "accuracy")
        step = int(screen._history.get(key).steps[-1])  # type: ignore[union-attr]
        better = EvaluationFinished(step, "dev", {"topic": {"accuracy": 0.99}}, None, 1.0)

        add_evaluation(recorded.store, recorded.location, record.id, better)

        def drawn() -> Any:
            curve = screen._history.get(key)
            return () if curve is None else curve.values

        await wait(pilot, lambda: 0.99 in drawn())


async def test_a_run_that_cannot_go_on_says_why(
    recorded: Workspace, wait: Any, screen_text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(ws: Workspace, asked: str, run_id: str) -> None:
        raise CheckpointError(f"There is no checkpoint to {asked} from.", next_step="fork it")

    monkeypatch.setattr(requests, "ask", ask)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await open_run(app, pilot, wait, "f9zx7k2n")
        await pilot.press("p")

        await wait(pilot, lambda: "There is no checkpoint to resume from." in screen_text(pilot))
        assert "fork it" in screen_text(pilot)


async def test_values_of_all_charts_stand_in_a_table_at_the_cursor(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_run(app, pilot, wait, "n2rt5c8w")

        await pilot.press("i", "left", "b")
        await pilot.pause()

        table = screen.query_one(ValueTable)
        lines = table.plain_lines()
        assert any("topic loss" in line and "train" in line for line in lines)
        assert any("topic best" in line for line in lines)
        place = charts(screen)[0].cursor
        assert place is not None
        assert f"at step {place:g}" in str(table._columns[2].title)


async def test_a_zoom_to_the_end_moves_on_with_what_arrives(recorded: Workspace, wait: Any) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_run(app, pilot, wait, "k7fp3x2a")
        first, second = charts(screen)[:2]
        await pilot.press("left")  # the last value
        await pilot.press("plus", "plus")
        before = first.view
        assert before is not None
        assert before[1] >= 150
        record = recorded.store.run("k7fp3x2a")

        recorded.store.append(record.id, steps(record, 151, 170, 240))
        await wait(pilot, lambda: "170" in first.summary())

        assert first.view == pytest.approx((before[0] + 20, before[1] + 20))
        assert second.view == first.view


async def test_the_log_is_searched_and_its_first_error_found(
    recorded: Workspace, wait: Any, screen_text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"step {n}" for n in range(300)]
    lines[120] = "ValueError: the loss is not finite"
    write_log(recorded, "n2rt5c8w", *lines)
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await open_run(app, pilot, wait, "n2rt5c8w")
        await pilot.press("L")
        await wait(pilot, lambda: isinstance(app.screen, LogScreen))
        table = app.screen.query_one(Table)
        await wait(pilot, lambda: table.cursor_key == "299")

        await pilot.press("e")
        assert table.cursor_key == "120"
        assert "the loss is not finite" in screen_text(pilot)

        assert sum("cells" in vars(row) for row in table.rows) < 200  # only those in view
        monkeypatch.setattr(log_screen, "is_error", lambda line: 1 / 0)  # each is matched once
        await pilot.press("e")

        await pilot.press("slash", *"step 27", "enter")
        await wait(pilot, lambda: table.cursor_key == "270")  # the next one below
        await pilot.press("escape")
        await wait(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_settings_that_are_not_as_by_default_stand_first(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await open_run(app, pilot, wait, "n2rt5c8w")

        await pilot.press("h")
        await wait(pilot, lambda: isinstance(app.screen, SettingsScreen))

        lines = app.screen.query_one(Table).plain_lines()
        at = next(n for n, line in enumerate(lines) if line.startswith("pooling.mode"))
        unchanged = next(n for n, line in enumerate(lines) if line.startswith("training.epochs"))
        assert at < unchanged
        assert any(line.startswith("rate of heads now") for line in lines)


async def test_pausing_asks_first_and_is_asked_of_the_operations(
    recorded: Workspace, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(requests, "ask", lambda ws, what, run: asked.append((what, run)))
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await open_run(app, pilot, wait, "k7fp3x2a")
        await pilot.press("p")
        await wait(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("n")
        assert asked == []

        await pilot.press("p")
        await wait(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y", "w")
        await wait(pilot, lambda: len(asked) == 2)

        assert asked == [("pause", "k7fp3x2a"), ("checkpoint", "k7fp3x2a")]


async def test_pairs_of_tasks_are_chosen_by_the_cursor(recorded: Workspace, wait: Any) -> None:
    write_cosines(recorded, "n2rt5c8w")
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await open_run(app, pilot, wait, "n2rt5c8w")
        await pilot.press("g")
        await wait(pilot, lambda: isinstance(app.screen, InterferenceScreen))
        chart = app.screen.query_one(Chart)
        await wait(pilot, lambda: chart.chart_title == "cosine of topic and entity")

        await pilot.press("down")

        await wait(pilot, lambda: chart.chart_title == "cosine of sentiment and entity")
        await pilot.press("escape")
        await wait(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_a_run_without_cosines_says_how_to_get_them(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await open_run(app, pilot, wait, "n2rt5c8w")
        await pilot.press("g")

        await wait(pilot, lambda: "interference_every" in screen_text(pilot))


async def test_a_comparison_changes_statistic_and_is_written(
    recorded: Workspace, wait: Any, tmp_path: Path
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        app._compare.show_runs(("n2rt5c8w", "f9zx7k2n"))
        app.action_go("compare")
        await wait(pilot, lambda: isinstance(app.screen, CompareScreen))
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        await wait(pilot, lambda: screen.comparison is not None)

        await pilot.press("v", "e")
        await wait(pilot, lambda: isinstance(app.screen, PromptScreen))
        app.screen.query_one(Input).value = str(tmp_path / "c.json")
        await pilot.press("enter")
        await wait(pilot, lambda: (tmp_path / "c.json").is_file())

        document = json.loads((tmp_path / "c.json").read_text())
        assert document["statistic"] == "best"
        await pilot.press("p")
        assert "none better" not in screen.query_one(Chart).summary()  # one beats the other


async def test_many_runs_are_the_rows_of_the_tables(workspace: Workspace, wait: Any) -> None:
    from synthetic_runs import fill

    ids = fill(workspace, 9, steps_each=4)
    app = WorkbenchApp(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 9)
        app._compare.show_runs(tuple(ids))
        app.action_go("compare")
        await wait(pilot, lambda: isinstance(app.screen, CompareScreen))
        table = app.screen.query_one("#metrics", Table)
        await wait(pilot, lambda: [row.key for row in table.rows] == ids)

        await pilot.press("f")

        chart = app.screen.query_one(Chart)
        assert "mean of seeds" in chart.chart_title
        assert chart.summary().count("×3") == 3


async def test_sentences_are_tried_and_shown_as_likenesses(
    recorded: Workspace, wait: Any, screen_text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    def try_texts(self: Playground, run_id: str, texts: Any, **rest: Any) -> Tried:
        # What a model says is tested where there is one; here, that it is shown.
        answer = {"topic": {"label": "sports", "probabilities": {"sports": 0.9, "food": 0.1}}}
        return Tried(tuple(texts), tuple(answer for _ in texts), np.eye(len(texts), dtype="f4"))

    monkeypatch.setattr(Playground, "try_texts", try_texts)
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        app.action_go("playground")
        await wait(pilot, lambda: isinstance(app.screen, PlaygroundScreen))
        await pilot.press(*"a goal", "enter")
        await wait(pilot, lambda: "▸ sports" in screen_text(pilot))
        await pilot.press(*"a dish", "enter")
        await wait(pilot, lambda: "  2  a dish" in screen_text(pilot))

        await pilot.press("escape", "v")

        await wait(pilot, lambda: "1.000" in screen_text(pilot))
        assert "cosines" in screen_text(pilot)


async def test_a_checkpoint_is_asked_once_and_another_ones_answer_is_not_taken(
    recorded: Workspace, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    goes_on = Event()

    def try_texts(self: Playground, run_id: str, texts: Any, *, checkpoint: str, **_: Any) -> Tried:
        asked.append(checkpoint)
        if checkpoint == "40":
            goes_on.wait(10)
        answer = {"topic": {"label": f"of {checkpoint}", "probabilities": {}}}
        return Tried(tuple(texts), tuple(answer for _ in texts), np.eye(len(texts), dtype="f4"))

    monkeypatch.setattr(Playground, "try_texts", try_texts)
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        record = recorded.store.run("n2rt5c8w")
        app._trying._texts = ("a goal",)
        for checkpoint in ("80", "40", "120"):
            app._trying.show_checkpoint(record, checkpoint)
            app.action_go("playground")
            await wait(pilot, lambda: isinstance(app.screen, PlaygroundScreen))
            await wait(pilot, lambda checkpoint=checkpoint: checkpoint in asked)
            app.action_go("home")
            await wait(pilot, lambda: isinstance(app.screen, HomeScreen))
        goes_on.set()
        await wait(pilot, lambda: app._trying._waiting == 0)

        assert asked == ["80", "40", "120"]
        assert app._trying.tried is not None
        assert app._trying.tried.predictions[0]["topic"]["label"] == "of 120"


async def test_what_cannot_be_tried_says_why(
    recorded: Workspace, wait: Any, screen_text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        app.action_go("playground")
        await wait(pilot, lambda: isinstance(app.screen, PlaygroundScreen))
        await pilot.press(*"x", "enter")

        await wait(pilot, lambda: "not on this machine" in screen_text(pilot))


async def test_mistakes_are_paged_through(
    recorded: Workspace, wait: Any, screen_text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistakes = [
        {"text": f"text {n}", "expected": "a", "predicted": "b", "badness": 0.9, "words": []}
        for n in range(3)
    ]
    found = {
        "kind": "classification", "examples": 9, "wrong": 3, "labels": ["a", "b"],
        "confusion": [[2, 3], [0, 4]], "mistakes": mistakes,
        "classes": [{"label": "a", "precision": 1.0, "recall": 0.4, "f1": 0.57, "support": 5}],
    }  # fmt: skip
    monkeypatch.setattr(Playground, "review", lambda self, run_id, **rest: {"topic": found})
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        app._checkpoints.show_run("n2rt5c8w")
        app.action_go("checkpoints")
        await wait(pilot, lambda: isinstance(app.screen, CheckpointsScreen))
        await wait(pilot, lambda: app.screen.chosen is not None)  # type: ignore[attr-defined]
        await pilot.press("m")
        await wait(pilot, lambda: isinstance(app.screen, ReviewScreen))
        await wait(pilot, lambda: "3 of 9 wrong" in screen_text(pilot))

        await pilot.press("down", "down", "c")

        await wait(pilot, lambda: "taken for b" in screen_text(pilot))
        assert "text 2" in screen_text(pilot)
        assert "1 a" in screen_text(pilot)  # the table of confusions


def test_a_checkpoint_that_is_elsewhere_is_named(recorded: Workspace) -> None:
    with pytest.raises(CheckpointError, match="not on this machine"):
        Playground(recorded).try_texts("n2rt5c8w", ["x"])
