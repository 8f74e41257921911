"""The flows of the interface by keyboard, over a real database filled with recorded runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from recorded_runs import a_config, a_run, data_files, evaluation, finish, steps, train, write_log
from textual.pilot import Pilot

from workbench.config.experiment import ExperimentConfig
from workbench.config.tasks import TASK_MODELS
from workbench.control import Request, Stop
from workbench.errors import WorkerError
from workbench.events import CheckpointRemoved
from workbench.operations import lifecycle
from workbench.operations.workspace import Workspace
from workbench.store.records import ExportRecord, RunRecord
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.checkpoints import CheckpointsScreen
from workbench.tui.screens.choose import ChooseScreen
from workbench.tui.screens.compare import CompareScreen
from workbench.tui.screens.confirm import ConfirmScreen
from workbench.tui.screens.help import HelpScreen
from workbench.tui.screens.home import HomeScreen
from workbench.tui.screens.new_experiment import NewExperimentScreen
from workbench.tui.screens.run import RunScreen
from workbench.tui.widgets.chart import Chart
from workbench.tui.widgets.chart_grid import ChartGrid
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.run_table import RunTable
from workbench.tui.widgets.table import Table
from workbench.tui.widgets.task_editor import TaskEditor
from workbench.worker.liveness import RunState

Text = Callable[[Pilot[None]], str]


def the(app: WorkbenchApp, kind: type) -> Any:
    """The screen in front, which has to be of that kind."""
    assert isinstance(app.screen, kind), f"{app.screen} is in front"
    return app.screen


def is_front(app: WorkbenchApp, kind: type) -> Callable[[], bool]:
    return lambda: isinstance(app.screen, kind)


# Home


async def test_an_empty_database_says_what_to_do_next(workspace: Workspace, wait: Any,
                                                      screen_text: Text) -> None:  # fmt: skip
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: "No runs yet" in screen_text(pilot))

        assert "new experiment" in screen_text(pilot)


async def test_every_run_is_a_line_with_its_state_in_words(recorded: Workspace, wait: Any,
                                                           screen_text: Text) -> None:  # fmt: skip
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)

        text = screen_text(pilot)
    for words in ("● running", "✓ finished", "✗ failed", "quickstart", "62%", "0.787"):
        assert words in text


async def test_baselines_of_one_run_are_told_apart_on_a_narrow_screen(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    for number, task in enumerate(("sentiment", "topic")):
        name = f"moods and topics of the news: {task} alone"
        finish(recorded, a_run(recorded, f"b{number}", config=a_config(name)))
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 5)

        table = the(app, HomeScreen).query_one(RunTable)
        await wait(pilot, lambda: len(table.rows) == 5)
        lines = screen_text(pilot).splitlines()

    rows = [line for line in lines[:20] if "✓ finished  moods" in line]
    ends = sorted(row.split("…")[1].split("  ")[0] for row in rows)
    assert ends == ["iment alone", "topic alone"]


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (200, 60)])
async def test_the_way_to_help_is_seen_at_every_size(recorded: Workspace, wait: Any,
                                                     screen_text: Text,
                                                     size: tuple[int, int]) -> None:  # fmt: skip
    app = WorkbenchApp(recorded)
    async with app.run_test(size=size) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)

        lines = screen_text(pilot).splitlines()
    assert "? Help" in lines[-1]
    assert "q Quit" in lines[-1]
    assert "/ Filter" in lines[-1]


async def test_cursor_and_marks_stay_with_their_runs_when_a_run_is_added(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("space")
        table = the(app, HomeScreen).query_one(RunTable)
        assert table.cursor_key == "n2rt5c8w"

        a_run(recorded, "z2new234", minutes_ago=0)
        await wait(pilot, lambda: len(app.known_runs) == 4)

        assert table.cursor_key == "n2rt5c8w"
        assert the(app, HomeScreen).marks == ("k7fp3x2a",)


async def test_the_filter_leaves_lines_with_all_its_words(recorded: Workspace, wait: Any) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("slash", *"fail", "enter")
        table = the(app, HomeScreen).query_one(RunTable)

        assert [row.key for row in table.rows] == ["f9zx7k2n"]

        await pilot.press("escape")

        assert len(table.rows) == 3


async def test_markup_in_names_is_shown(workspace: Workspace, wait: Any, screen_text: Text) -> None:
    finish(workspace, a_run(workspace, "m2ark345", config=a_config("[bold]x[/bold]")))
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 1)

        assert "[bold]x[/bold]" in screen_text(pilot)


async def test_nothing_is_read_again_while_nothing_changes(
    workspace: Workspace, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(workspace, "n2rt5c8w")
    train(workspace, run, upto=40)
    finish(workspace, run)
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 1)
        looks: list[str] = []
        monkeypatch.setattr("workbench.operations.reading.list_runs", looks.append)
        ended: list[bool] = []
        home = the(app, HomeScreen)
        home.look()
        app.call_later(lambda: ended.append(True))
        await wait(pilot, lambda: not home._is_looking and ended)

        assert looks == []


# Run


async def test_new_steps_are_added_to_the_charts_of_an_open_run(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("enter")
        await wait(pilot, is_front(app, RunScreen))
        grid = the(app, RunScreen).query_one(ChartGrid)
        await wait(pilot, lambda: len(grid.charts) == 5 and "150" in grid.charts[0].summary())
        record = recorded.store.run("k7fp3x2a")

        recorded.store.append(record.id, steps(record, 151, 160, 240))
        recorded.store.append(record.id, evaluation(record, 160, 240))
        await wait(pilot, lambda: "160" in grid.charts[0].summary())

        assert "160" in grid.charts[4].summary()
        assert [chart.chart_title for chart in grid.charts] == [
            "topic loss", "sentiment loss", "entity loss", "learning rate", "dev metrics",
        ]  # fmt: skip


async def test_a_chart_is_not_given_anything_while_nothing_is_new(
    recorded: Workspace, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = WorkbenchApp(recorded, run_id="n2rt5c8w")
    async with app.run_test() as pilot:
        await wait(pilot, lambda: app.screen.query(Chart))
        screen = the(app, RunScreen)
        await wait(pilot, lambda: "240" in screen.query(Chart).first().summary())
        shows: list[Chart] = []
        monkeypatch.setattr(Chart, "show", lambda self, *rest: shows.append(self))

        screen.look()
        await wait(pilot, lambda: not screen._is_looking)

        assert shows == []


async def test_the_cursor_is_shared_by_all_charts(recorded: Workspace, wait: Any) -> None:
    app = WorkbenchApp(recorded, run_id="k7fp3x2a")
    async with app.run_test() as pilot:
        await wait(pilot, lambda: app.screen.query(Chart))
        charts = app.screen.query_one(ChartGrid).charts
        await wait(pilot, lambda: "150" in charts[0].summary() and app.focused is charts[0])

        await pilot.press("left")

        assert charts[0].cursor is not None
        assert {chart.cursor for chart in charts} == {charts[0].cursor}


async def test_logarithm_and_smoothing_are_shared_by_the_loss_charts(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded, run_id="k7fp3x2a")
    async with app.run_test() as pilot:
        await wait(pilot, lambda: app.screen.query(Chart))
        charts = app.screen.query_one(ChartGrid).charts
        await wait(pilot, lambda: app.focused is charts[0])

        await pilot.press("l", "s")
        await pilot.pause()

        assert [chart.log_y for chart in charts] == [True, True, True, False, False]
        assert [chart.smoothing for chart in charts] == [0.9, 0.9, 0.9, 0.0, 0.0]


async def test_one_key_lets_a_chart_fill_the_screen_and_escape_shows_all(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded, run_id="k7fp3x2a")
    async with app.run_test() as pilot:
        await wait(pilot, lambda: app.screen.query(Chart))
        charts = app.screen.query_one(ChartGrid).charts
        await wait(pilot, lambda: app.focused is charts[0])

        await pilot.press("down", "z")
        assert [chart.display for chart in charts] == [False, True, False, False, False]

        await pilot.press("escape")
        assert all(chart.display for chart in charts)


async def test_a_failed_run_says_what_where_and_what_next(recorded: Workspace, wait: Any,
                                                          screen_text: Text) -> None:  # fmt: skip
    app = WorkbenchApp(recorded, run_id="f9zx7k2n")
    async with app.run_test() as pilot:
        await wait(pilot, lambda: "The run failed" in screen_text(pilot))

        text = screen_text(pilot)
    assert 'Task "entity": the loss is nan at step 88.' in text
    assert "where  step 88, batch of 32 texts" in text
    assert "next   lower optimization.learning_rate" in text


async def test_the_log_stands_in_for_the_charts_until_the_first_step(
    workspace: Workspace, wait: Any, screen_text: Text
) -> None:
    record = a_run(workspace, "b4loads2")
    write_log(workspace, record.id, "loading the backbone", "Retrying in 8s")
    app = WorkbenchApp(workspace, run_id=record.id)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: "Retrying in 8s" in screen_text(pilot))

        train(workspace, record, upto=40)

        await wait(pilot, lambda: "topic loss" in screen_text(pilot))
        assert "Retrying in 8s" not in screen_text(pilot)
        await wait(pilot, lambda: isinstance(app.focused, Chart))


async def test_only_a_run_that_goes_on_can_be_stopped(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(recorded, run_id="k7fp3x2a")
    async with app.run_test() as pilot:
        await wait(pilot, lambda: "x Stop" in screen_text(pilot))

        app.open_run("n2rt5c8w")

        await wait(pilot, lambda: "✓ finished" in screen_text(pilot))
        await wait(pilot, lambda: "x Stop" not in screen_text(pilot))


async def test_checkpoints_whose_files_are_elsewhere_are_told(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    kept = recorded.location.run_folder("n2rt5c8w") / "checkpoints" / "240"
    kept.mkdir(parents=True)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("down", "k")
        await wait(pilot, is_front(app, CheckpointsScreen))
        table = app.screen.query_one("#checkpoints", Table)
        await wait(pilot, lambda: len(table.rows) == 6)

    assert [line.endswith("not here") for line in table.plain_lines()] == [True] * 5 + [False]


async def test_of_a_removed_checkpoint_the_metrics_stay_and_nothing_can_be_taken(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    recorded.store.append("n2rt5c8w", [CheckpointRemoved(40), CheckpointRemoved(80)])
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("down", "k")
        await wait(pilot, is_front(app, CheckpointsScreen))
        table = app.screen.query_one("#checkpoints", Table)
        await wait(pilot, lambda: len(table.rows) == 6)

        lines = table.plain_lines()
        assert lines[0].split()[:6] == ["40", "0.299", "0.331", "0.299", "0.267", "removed"]
        assert "removed" not in lines[2]
        await pilot.press("home", "e")
        await wait(pilot, lambda: "Step 40 was removed" in screen_text(pilot))
        assert isinstance(app.screen, CheckpointsScreen)


async def test_escape_sequences_and_markup_in_the_log_are_shown(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(recorded, run_id="k7fp3x2a")
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: "[bold]150[/bold]" in screen_text(pilot))

        assert "\x1b" not in screen_text(pilot)


async def test_stopping_asks_first_and_then_tells_the_worker(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded, run_id="k7fp3x2a")
    async with app.run_test() as pilot:
        await wait(pilot, lambda: app.screen.query(Chart))
        await wait(pilot, lambda: the(app, RunScreen).summary is not None)
        await pilot.press("x")
        await wait(pilot, is_front(app, ConfirmScreen))
        await pilot.press("n")
        assert recorded.store.take_commands("k7fp3x2a") == []

        await pilot.press("x")
        await wait(pilot, is_front(app, ConfirmScreen))
        await pilot.press("y")
        commands: list[Request] = []

        def is_told() -> bool:
            commands.extend(recorded.store.take_commands("k7fp3x2a"))
            return commands == [Stop()]

        await wait(pilot, is_told)


async def test_quitting_touches_no_run(recorded: Workspace, wait: Any) -> None:
    app = WorkbenchApp(recorded, run_id="k7fp3x2a")
    async with app.run_test() as pilot:
        await wait(pilot, lambda: app.screen.query(Chart))
        await pilot.press("q")

    assert recorded.store.take_commands("k7fp3x2a") == []
    assert recorded.store.facts("k7fp3x2a").exit is None


# Compare


async def test_two_marked_runs_are_compared_with_the_better_value_marked(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("space", "space", "c")
        await wait(pilot, is_front(app, CompareScreen))
        screen = the(app, CompareScreen)
        await wait(pilot, lambda: screen.comparison is not None)

        metrics = screen.query_one("#metrics", Table).plain_lines()
        settings = screen.query_one("#settings", Table).plain_lines()
        chart = screen.query_one(Chart)
        assert "topic accuracy  0.684  ★ 0.870" in metrics
        assert settings == ["pooling.mode  mean  cls"]
        assert "quickstart" in chart.summary()
        assert "cls" in chart.summary()


async def test_task_and_metric_of_the_comparison_are_changed_by_key(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("space", "space", "c")
        await wait(pilot, is_front(app, CompareScreen))
        chart = app.screen.query_one(Chart)
        await wait(pilot, lambda: chart.chart_title == "topic train loss")

        await pilot.press("t", "m", "m")

        await wait(pilot, lambda: chart.chart_title == "sentiment dev accuracy")


async def test_one_run_alone_is_not_compared(recorded: Workspace, wait: Any) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)

        await pilot.press("c")

        assert isinstance(app.screen, HomeScreen)


# Checkpoints and export


async def open_export(app: WorkbenchApp, pilot: Pilot[None], wait: Any) -> None:
    await wait(pilot, lambda: len(app.known_runs) == 3)
    await pilot.press("down", "k")
    await wait(pilot, is_front(app, CheckpointsScreen))
    table = app.screen.query_one("#checkpoints", Table)
    await wait(pilot, lambda: table.cursor_key == "240")
    await pilot.press("e")


async def test_the_chosen_checkpoint_is_exported_and_its_difference_shown(
    recorded: Workspace, wait: Any, screen_text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def export(ws: Workspace, ref: str, *, progress: Callable[[str], None], **rest: Any) -> Any:
        asked.append((ref, rest))
        progress("writing weights")
        return ExportRecord(datetime.now(UTC), rest["format"], "/runs/out", 240, 3.2e-7)

    monkeypatch.setitem(
        sys.modules, "workbench.operations.artefacts", SimpleNamespace(export=export)
    )
    monkeypatch.setattr(
        "workbench.operations.artefacts", SimpleNamespace(export=export), raising=False
    )
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await open_export(app, pilot, wait)
        await pilot.press("right", "enter")
        await wait(pilot, lambda: "3.2e-07" in screen_text(pilot))

        assert "/runs/out" in screen_text(pilot)
    assert asked == [("n2rt5c8w", {"checkpoint": "240", "format": "transformers", "to": None})]


async def test_a_failed_export_says_why_in_the_dialog(
    recorded: Workspace, wait: Any, screen_text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(*rest: Any, **named: Any) -> Any:
        raise WorkerError("The folder is not empty.", where="/out", next_step="give another one")

    fake = SimpleNamespace(export=export)
    monkeypatch.setitem(sys.modules, "workbench.operations.artefacts", fake)
    monkeypatch.setattr("workbench.operations.artefacts", fake, raising=False)
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await open_export(app, pilot, wait)
        await pilot.press("enter")
        await wait(pilot, lambda: "The folder is not empty." in screen_text(pilot))

        assert "give another one" in screen_text(pilot)


# New experiment


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one preset whose files are there."""
    folder = tmp_path / "presets"
    data_files(folder / "data")
    (folder / "quickstart.toml").write_text(
        "# Two tasks, at once.\n"
        'name = "quickstart"\n'
        '[tasks.topic]\nkind = "classification"\n'
        '[tasks.topic.data]\ntrain = "data/train.jsonl"\ndev = "data/dev.jsonl"\n'
        '[tasks.entity]\nkind = "tagging"\n'
        '[tasks.entity.data]\ntrain = "data/train.jsonl"\ndev = "data/dev.jsonl"\n'
    )
    monkeypatch.setattr("workbench.config.presets.shipped_presets", lambda: folder)
    return folder


async def open_form(app: WorkbenchApp, pilot: Pilot[None], wait: Any) -> NewExperimentScreen:
    await wait(pilot, is_front(app, HomeScreen))
    await pilot.press("n")
    await wait(pilot, is_front(app, NewExperimentScreen))
    screen: NewExperimentScreen = the(app, NewExperimentScreen)
    await wait(pilot, lambda: screen.draft.source == "quickstart")
    await wait(pilot, lambda: screen.verdict is not None and screen.verdict.config is not None)
    return screen


async def test_the_form_begins_with_the_quick_start_and_shows_its_command(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        await open_form(app, pilot, wait)

        text = screen_text(pilot)
    assert "✓ valid" in text
    assert "mtl-workbench train quickstart" in text
    assert "● topic ○ entity" in text


async def test_what_is_typed_is_checked_and_told_beside_its_field(
    workspace: Workspace, presets: Path, wait: Any
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        row = screen.row("training.epochs")
        row.focus_editor()
        await pilot.press("end", "backspace", "x")
        await wait(pilot, lambda: row.has_class("-wrong"))

        await pilot.press("backspace", "7")
        await wait(pilot, lambda: not row.has_class("-wrong"))
        await wait(pilot, lambda: screen.verdict is not None and screen.verdict.config is not None)

        assert screen.verdict is not None
        assert "--set training.epochs=7" in screen.verdict.command


async def test_a_data_file_that_is_not_there_is_told_beside_its_field(
    workspace: Workspace, presets: Path, wait: Any
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        row = screen.row("data.train")
        row.focus_editor()
        await pilot.press("end", "z")

        await wait(pilot, lambda: row.has_class("-wrong"))

        assert screen.verdict is not None
        assert "the field data root" in screen.verdict.problems[0].next_step


async def test_a_task_is_added_renamed_and_removed(
    workspace: Workspace, presets: Path, wait: Any
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        await pilot.press("ctrl+t")
        await wait(pilot, is_front(app, ChooseScreen))
        await pilot.press("down", "enter")
        await wait(pilot, lambda: len(screen.draft.tasks) == 3)
        await pilot.press("b")
        assert [task.name for task in screen.draft.tasks] == ["topic", "entity", "b"]
        assert screen.draft.tasks[-1].kind == list(TASK_MODELS)[1]
        assert screen.query_one("#task", Choice).value == "b"

        await pilot.press("ctrl+r")

        assert [task.name for task in screen.draft.tasks] == ["topic", "entity"]


async def test_fields_follow_the_kind_of_the_task(
    workspace: Workspace, presets: Path, wait: Any
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        assert screen.row("data.label").display

        screen.query_one("#task", Choice).step(1)
        await pilot.pause()

        assert screen.row("data.tags").display
        assert "data.label" not in [row.key for row in screen.query_one(TaskEditor).rows()]


async def test_f5_starts_the_experiment_and_opens_the_run(
    workspace: Workspace, presets: Path, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[ExperimentConfig, str]] = []

    def start(ws: Workspace, config: ExperimentConfig, *, source: str = "") -> RunRecord:
        started.append((config, source))
        return a_run(ws, "s2tart34", config=config, source=source)

    monkeypatch.setattr(lifecycle, "start", start)
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        await open_form(app, pilot, wait)
        await pilot.press("f5")
        await wait(pilot, is_front(app, RunScreen))

        await wait(pilot, lambda: the(app, RunScreen).summary is not None)
    assert started[0][1] == "quickstart"
    assert list(started[0][0].tasks) == ["topic", "entity"]


async def test_a_worker_that_does_not_start_is_told_on_the_form(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def start(ws: Workspace, config: ExperimentConfig, *, source: str = "") -> RunRecord:
        raise WorkerError("The worker ended before it began.", next_step="read the log")

    monkeypatch.setattr(lifecycle, "start", start)
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        await open_form(app, pilot, wait)
        await pilot.press("f5")

        await wait(pilot, lambda: "The worker ended before it began." in screen_text(pilot))


# Everywhere


async def test_help_lists_the_keys_of_the_screen_in_front(recorded: Workspace, wait: Any,
                                                          screen_text: Text) -> None:  # fmt: skip
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(100, 40)) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        await pilot.press("question_mark")
        await wait(pilot, is_front(app, HelpScreen))

        text = screen_text(pilot)
        for words in ("Mark the run for comparing", "Stop the run", "Everywhere", "All runs in"):
            assert words in text

        await pilot.press("escape")
        assert isinstance(app.screen, HomeScreen)


async def test_jump_keys_lead_to_every_screen(recorded: Workspace, wait: Any) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        for key, kind in (("3", RunScreen), ("4", CompareScreen), ("5", CheckpointsScreen),
                          ("1", HomeScreen), ("2", NewExperimentScreen)):  # fmt: skip
            await pilot.press(key)
            await wait(pilot, is_front(app, kind))


async def test_every_action_of_a_screen_is_in_the_palette(recorded: Workspace, wait: Any) -> None:
    from workbench.tui.commands import WorkbenchCommands

    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)
        provider = WorkbenchCommands(app.screen)

        offered = {hit.text async for hit in provider.discover()}
        runs = [hit.text async for hit in provider.search("open run cls")]

    tooltips = {one.tooltip for screen in (HomeScreen, WorkbenchApp) for one in screen.BINDINGS}
    assert tooltips <= offered
    assert "Open run cls n2rt5c8w" in runs


def test_every_binding_has_an_id_and_a_tooltip() -> None:
    screens = (WorkbenchApp, HomeScreen, RunScreen, CompareScreen, CheckpointsScreen,
               NewExperimentScreen, ConfirmScreen, HelpScreen)  # fmt: skip

    bindings = [binding for screen in screens for binding in screen.BINDINGS]

    assert [binding.key for binding in bindings if not (binding.id and binding.tooltip)] == []


def test_the_interface_is_imported_without_anything_heavy() -> None:
    heavy = ("torch", "transformers", "datasets", "pandas", "alembic", "pyarrow")
    program = (
        f"import sys, workbench.tui.app\nprint([name for name in {heavy} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


async def test_a_run_that_is_stopped_elsewhere_is_shown_so_without_a_key(
    recorded: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 3)

        finish(recorded, recorded.store.run("k7fp3x2a"), step=150)

        await wait(pilot, lambda: app.known_runs[0].state is RunState.FINISHED)
