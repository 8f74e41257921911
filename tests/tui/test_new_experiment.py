"""The form of a new experiment by keyboard: fields that apply, the plan, presets, past runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from grid import assert_grid
from recorded_runs import a_config, a_run, data_files, finish
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static

from workbench.config.loading import load_experiment
from workbench.operations.planning import Planner
from workbench.operations.workspace import Workspace
from workbench.plan import Check, Finding, Measured, Trial
from workbench.tui.app import WorkbenchApp
from workbench.tui.form import plain_specs
from workbench.tui.messages import WorkFailed
from workbench.tui.screens.choose import ChooseScreen
from workbench.tui.screens.help import HelpScreen
from workbench.tui.screens.new_experiment import NewExperimentScreen
from workbench.tui.screens.save_preset import SavePresetDialog
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.completing_input import CompletingInput
from workbench.tui.widgets.list_area import ListArea
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.outlook import Outlook, PlanPage

SIZES = [(80, 24), (100, 30), (120, 40), (200, 60)]
Text = Callable[[Pilot[None]], str]


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one preset whose files are there; the current folder is empty."""
    folder = tmp_path / "presets"
    data_files(folder / "data")
    (folder / "quickstart.toml").write_text(
        '# Two tasks, at once.\nname = "quickstart"\n'
        '[tasks.topic]\nkind = "classification"\n'
        '[tasks.topic.data]\ntrain = "data/train.jsonl"\ndev = "data/dev.jsonl"\n'
        '[tasks.entity]\nkind = "tagging"\n'
        '[tasks.entity.data]\ntrain = "data/train.jsonl"\ndev = "data/dev.jsonl"\n'
    )
    monkeypatch.setattr("workbench.config.presets.shipped_presets", lambda: folder)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


class Answers:
    """Stands for the helper process: says of each experiment what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[float] = []
        monkeypatch.setattr("workbench.tui.screens.new_experiment.PLAN_SECONDS", 0.01)
        monkeypatch.setattr(Planner, "check", self._check)
        monkeypatch.setattr(Planner, "measure", self._measure)
        monkeypatch.setattr(Planner, "trials", self._trials)

    def _check(self, config: Any, progress: Any = None) -> Check:
        self.asked.append(config.optimization.learning_rate)
        return Check(None, (Finding("note", f"rate {config.optimization.learning_rate:g}"),))

    def _measure(self, config: Any, progress: Any = None) -> Measured:
        return Measured("cpu", 0.5, 75.0, 10**9)

    def _trials(self, config: Any, progress: Any = None) -> tuple[Trial, ...]:
        return (Trial("gradients", False, "3 of 9 stand still.", "They learn nothing.", "thaw"),)


async def open_form(app: WorkbenchApp, pilot: Pilot[None], wait: Any) -> NewExperimentScreen:
    await pilot.press("2")
    await wait(pilot, lambda: isinstance(app.screen, NewExperimentScreen))
    screen = app.screen
    assert isinstance(screen, NewExperimentScreen)
    await wait(pilot, lambda: screen.verdict is not None and screen.verdict.config is not None)
    return screen


def shown_keys(screen: NewExperimentScreen) -> set[str]:
    return {row.key for row in screen.query("FieldRow") if row.display}  # type: ignore[attr-defined]  # by name: they are field rows


# Fields


async def test_a_field_comes_and_goes_with_what_decides_it(
    workspace: Workspace, presets: Path, wait: Any
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        assert "freezing.layers" not in shown_keys(screen)

        mode = screen.row("freezing.mode").query_one(Choice)
        mode.take("lowest")
        await wait(pilot, lambda: "freezing.layers" in shown_keys(screen))
        await wait(pilot, lambda: screen.verdict and screen.verdict.config is None)

        mode.take("none")
        await wait(pilot, lambda: "freezing.layers" not in shown_keys(screen))
        await wait(pilot, lambda: screen.verdict and screen.verdict.config is not None)


async def test_lists_take_one_row_until_they_have_more(
    workspace: Workspace, presets: Path, wait: Any
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        area = screen.row("showcase.texts").query_one(ListArea)
        area.focus()
        assert area.size.height <= 1

        await pilot.press("a", "enter", "b")
        await wait(pilot, lambda: area.size.height == 2)

        assert screen.draft.values["showcase.texts"] == "a\nb"
        await pilot.press("up", "up")
        assert app.focused is not area


async def test_any_of_several_words_are_taken_by_space(
    workspace: Workspace, presets: Path, wait: Any
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        screen.row("pooling.mode").query_one(Choice).take("concat")
        await wait(pilot, lambda: "pooling.modes" in shown_keys(screen))
        screen.row("pooling.modes").focus_editor()
        await pilot.press("space", "right", "space")

        def modes() -> int:
            config = screen.verdict.config if screen.verdict is not None else None
            return len(config.pooling.modes) if config is not None else 0

        await wait(pilot, lambda: modes() == 2)


async def test_enter_on_a_choice_explains_all_its_words(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        screen.row("freezing.mode").focus_editor()
        await pilot.press("enter")
        await wait(pilot, lambda: isinstance(app.screen, ChooseScreen))
        assert "everything  Nothing is learned; the run evaluates" in screen_text(pilot)

        await pilot.press("down", "down", "enter")
        await wait(pilot, lambda: app.screen is screen)

        assert screen.draft.values["freezing.mode"] == "backbone"


async def test_the_word_that_is_chosen_is_explained_under_the_form(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        screen.row("freezing.mode").focus_editor()
        await pilot.press("right")

        await wait(pilot, lambda: "everything  Nothing is learned" in screen_text(pilot))


async def test_a_path_is_completed_and_its_file_looked_at(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        row = screen.row("data.train")
        field = row.query_one(CompletingInput)
        row.focus_editor()
        await wait(pilot, lambda: "rows: " in screen_text(pilot))

        field.value = "data/tr"
        field.cursor_position = len(field.value)
        await wait(pilot, lambda: field._suggestion == "data/train.jsonl")
        await pilot.press("right")

        assert screen.draft.tasks[0].values["data.train"] == "data/train.jsonl"


# Tasks


async def test_tasks_are_copied_moved_and_removed_from_their_names(
    workspace: Workspace, presets: Path, wait: Any
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)

        def names() -> list[str]:
            return [task.name for task in screen.draft.tasks]

        screen.query_one("#task", Choice).focus()
        await pilot.press("c")
        assert names() == ["topic", "topic2", "entity"]

        screen.query_one("#task", Choice).focus()
        await pilot.press("greater_than_sign")
        assert names() == ["topic", "entity", "topic2"]

        await pilot.press("x")
        assert names() == ["topic", "entity"]


# The plan


async def test_the_plan_follows_what_is_typed_and_none_is_shown_for_another_form(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    answers = Answers(monkeypatch)
    app = WorkbenchApp(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_form(app, pilot, wait)
        await wait(pilot, lambda: "rate 2e-05" in screen_text(pilot))
        page = screen.query_one(PlanPage)
        assert not page.has_class("-stale")

        row = screen.row("optimization.learning_rate")
        row.query_one(Input).value = "3e-5"
        await pilot.pause()
        assert page.has_class("-stale") or "rate 3e-05" in screen_text(pilot)
        await wait(pilot, lambda: "rate 3e-05" in screen_text(pilot))
        assert not page.has_class("-stale")

        row.query_one(Input).value = "fast"
        await wait(pilot, lambda: page.has_class("-stale"))
        await wait(pilot, lambda: "form has problems" in screen_text(pilot))
    assert answers.asked == [2e-5, 3e-5]


async def test_a_form_whose_run_would_fail_is_not_called_valid(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    Answers(monkeypatch)
    fails = Check(None, (Finding("error", "There is no column.", "[tasks.a.data]", "name it"),))
    monkeypatch.setattr(Planner, "check", lambda *_: fails)
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        await open_form(app, pilot, wait)

        await wait(pilot, lambda: "✗ F2: There is no column." in screen_text(pilot))
        assert "✓ valid" not in screen_text(pilot)


async def test_what_the_plan_finds_wrong_with_a_setting_stands_beside_its_field(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    Answers(monkeypatch)
    label, gone = "tasks.topic.data.label", "training.gone"
    findings = (
        Finding("error", "There is no column.", "a.jsonl:1", "name it", label),
        Finding("error", "Nobody knows where.", "somewhere", "look", gone),
        Finding("warning", "It is slow.", "", "", "training.epochs"),
    )

    def check(_: Any, config: Any, progress: Any = None) -> Check:
        return Check(None, findings if config.tasks["topic"].data.label == "label" else ())

    monkeypatch.setattr(Planner, "check", check)
    app = WorkbenchApp(workspace)
    async with app.run_test(size=(80, 40)) as pilot:
        screen = await open_form(app, pilot, wait)
        row = screen.row("data.label")

        await wait(pilot, lambda: row.has_class("-wrong"))

        assert "There is no column. name it" in row.query_one(".problem").render().plain  # type: ignore[union-attr]
        assert not screen.row("training.epochs").has_class("-wrong")
        assert not screen.query_one(Notice).display
        row.query_one(Input).value = "tone"
        await wait(pilot, lambda: not row.has_class("-wrong"))


async def test_on_a_narrow_screen_the_plan_stands_in_for_the_form_until_escape(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    Answers(monkeypatch)
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        row = screen.row("training.epochs")
        row.focus_editor()
        await wait(pilot, lambda: "1 note" in screen_text(pilot))
        await pilot.press("f2")
        await wait(pilot, lambda: "rate 2e-05" in screen_text(pilot))

        await pilot.press("right", "right")
        await wait(pilot, lambda: "train quickstart" in screen_text(pilot))
        assert screen.query_one(Outlook).page == "file"

        await pilot.press("escape")
        assert app.focused in row.query(Input)


async def test_two_updates_are_timed_and_the_run_is_tried_on_request(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    Answers(monkeypatch)
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        await wait(pilot, lambda: "1 note" in screen_text(pilot))
        await pilot.press("f2", "m")
        await wait(pilot, lambda: not screen._desk.is_busy)
        await pilot.press("t")
        await wait(pilot, lambda: "! 3 of 9 stand still. They learn" in screen_text(pilot))
        await pilot.press("escape")

        await wait(pilot, lambda: "~1m15s" in screen_text(pilot))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_form_and_its_plan_look_as_approved(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text, size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    Answers(monkeypatch)
    app = WorkbenchApp(workspace)
    async with app.run_test(size=size) as pilot:
        screen = await open_form(app, pilot, wait)
        await wait(pilot, lambda: screen.query_one(Outlook).is_fresh)
        row = screen.row("training.epochs")
        row.focus_editor()
        await wait(pilot, lambda: app.focused in row.query(Input))
        await pilot.pause(0.3)  # it scrolls there
        assert_grid(f"new-{size[0]}x{size[1]}", screen_text(pilot))

        await pilot.press("f2")
        await wait(pilot, lambda: "rate 2e-05" in screen_text(pilot))
        assert_grid(f"new-plan-{size[0]}x{size[1]}", screen_text(pilot))


# Presets and past runs


async def test_the_command_and_the_file_are_copied_and_kept(
    workspace: Workspace, presets: Path, wait: Any, tmp_path: Path
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        await open_form(app, pilot, wait)
        await pilot.press("f4", "c", "t")
        kept = tmp_path / "cache" / "mtl-workbench"
        await wait(pilot, (kept / "experiment.toml").is_file)

    assert (kept / "command.sh").read_text() == "mtl-workbench train quickstart"
    assert 'name = "quickstart"' in (kept / "experiment.toml").read_text()


async def test_without_a_preset_the_form_is_empty_and_what_was_there_comes_back(
    workspace: Workspace, presets: Path, wait: Any
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        before = [task.name for task in screen.draft.tasks]

        screen.query_one("#preset", Select).clear()
        await wait(pilot, lambda: not screen.draft.source)

        assert [task.name for task in screen.draft.tasks] == ["task1"]
        assert screen.draft.values["training.epochs"] == "3"
        await pilot.press("ctrl+z")
        await wait(pilot, lambda: [task.name for task in screen.draft.tasks] == before)


async def test_the_form_is_saved_as_a_preset_which_can_be_chosen(
    workspace: Workspace, presets: Path, wait: Any, tmp_path: Path
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        screen.row("training.epochs").query_one(Input).value = "7"
        await wait(pilot, lambda: screen.verdict and "epochs=7" in screen.verdict.command)
        await pilot.press("ctrl+s")
        await wait(pilot, lambda: isinstance(app.screen, SavePresetDialog))
        app.screen.query_one("#file", Input).value = "mine"
        await pilot.press("enter")
        await wait(pilot, lambda: app.screen is screen)
        await wait(pilot, lambda: screen.draft.source == "mine.toml")
        await wait(pilot, lambda: screen.verdict and "train mine.toml" in screen.verdict.command)

    assert load_experiment(tmp_path / "here" / "mine.toml").training.epochs == 7


async def test_a_past_run_opens_in_the_form_and_the_form_before_comes_back(
    workspace: Workspace, presets: Path, wait: Any
) -> None:
    finish(workspace, a_run(workspace, "n2rt5c8w", config=a_config("hot", rate=1e-2)))
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        await pilot.press("1")
        await wait(pilot, lambda: len(app.known_runs) == 1)
        await pilot.press("N")
        await wait(pilot, lambda: app.screen is screen)
        await wait(pilot, lambda: screen.draft.values["name"] == "hot")
        assert screen.draft.values["optimization.learning_rate"] == "0.01"

        await pilot.press("ctrl+z")

        assert screen.draft.values["name"] == "quickstart"


async def test_a_past_run_opens_in_a_form_that_was_never_seen(
    workspace: Workspace, presets: Path, wait: Any
) -> None:
    finish(workspace, a_run(workspace, "n2rt5c8w", config=a_config("hot", rate=1e-2)))
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 1)
        await pilot.press("N")
        await wait(pilot, lambda: isinstance(app.screen, NewExperimentScreen))
        screen = app.screen
        assert isinstance(screen, NewExperimentScreen)

        await wait(pilot, lambda: screen.draft.values["name"] == "hot")
        await pilot.pause(0.2)
        assert screen.draft.values["name"] == "hot"


# Help


async def test_a_failure_of_something_else_does_not_let_a_run_be_started_twice(
    workspace: Workspace, wait: Any
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_form(app, pilot, wait)
        screen._launches._is_busy = True

        screen.post_message(WorkFailed("reading the presets", ()))
        await pilot.pause()
        assert screen._launches.is_busy
        screen.post_message(WorkFailed("starting the run", ()))
        await wait(pilot, lambda: not screen._launches.is_busy)


async def test_the_help_says_all_of_the_field_in_focus(
    workspace: Workspace, presets: Path, wait: Any, screen_text: Text
) -> None:
    app = WorkbenchApp(workspace)
    async with app.run_test() as pilot:
        screen = await open_form(app, pilot, wait)
        screen.row("freezing.mode").focus_editor()
        await pilot.press("f1")
        await wait(pilot, lambda: isinstance(app.screen, HelpScreen))

        here = str(app.screen.query_one("#help-here", Static).content)
    for spec in plain_specs():
        if spec.path == "freezing.mode":
            assert all(f"{word}  " in here for word in spec.choices)
