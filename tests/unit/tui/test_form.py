"""The form as plain values: what was typed, and what the schema says of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from workbench.config.checks import data_files
from workbench.config.fields import experiment_fields
from workbench.config.loading import find_source, load_experiment
from workbench.config.presets import list_presets
from workbench.tui.form import (
    FormDraft,
    TaskDraft,
    clone_draft,
    draft_of,
    empty_draft,
    judge,
    load_draft,
    peek_at_files,
    plain_specs,
    shown,
    task_kinds,
    task_specs,
)

PRESET = """
name = "two tasks"
[tasks.topic]
kind = "classification"
[tasks.topic.data]
train = "train.jsonl"
[tasks.entity]
kind = "tagging"
weight = 0.5
[tasks.entity.data]
train = "train.jsonl"
tag_column = 3
[optimization]
learning_rate = 2e-5
[selection]
weights = {topic = 2.0}
[showcase]
texts = ["Ann went home.", "It rained."]
"""


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    (tmp_path / "train.jsonl").write_text('{"text": "a", "label": "b"}\n')
    file = tmp_path / "two.toml"
    file.write_text(PRESET)
    return file


def test_a_preset_that_goes_through_the_form_is_unchanged(preset: Path) -> None:
    draft = load_draft(str(preset))

    verdict = judge(draft.entries())

    assert verdict.problems == ()
    assert verdict.config == load_experiment(preset)


@pytest.mark.parametrize("name", [preset.name for preset in list_presets()])
def test_every_shipped_preset_goes_through_the_form_unchanged(name: str, tmp_path: Path) -> None:
    given = tomllib.loads(find_source(name).read_text(encoding="utf-8"))
    for _, written in data_files(given):
        (tmp_path / written).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / written).touch()
    draft = load_draft(name)
    draft.data_root = str(tmp_path)

    verdict = judge(draft.entries())

    assert verdict.problems == ()
    assert verdict.config == load_experiment(name, data_root=tmp_path)


def test_the_form_shows_data_files_as_the_preset_has_them(preset: Path) -> None:
    draft = load_draft(str(preset))

    assert draft.tasks[0].values["data.train"] == "train.jsonl"


def test_the_data_root_is_looked_in_first(preset: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "train.jsonl").write_text("{}\n")
    draft = load_draft(str(preset))
    draft.data_root = str(root)

    config = judge(draft.entries()).config

    assert config is not None
    assert config.tasks["topic"].data.train == str(root / "train.jsonl")


def test_every_problem_has_the_key_of_its_field(preset: Path) -> None:
    draft = load_draft(str(preset))
    draft.values["training.epochs"] = "0"
    draft.values["optimization.warmup"] = "soon"
    draft.tasks[1].values["dropout"] = "2"
    draft.tasks[0].values["data.train"] = "nowhere.jsonl"

    problems = judge(draft.entries()).problems

    assert {problem.where for problem in problems} == {
        "training.epochs",
        "optimization.warmup",
        "tasks.entity.dropout",
        "tasks.topic.data.train",
    }


def test_a_problem_between_two_fields_stands_beside_one_of_them(preset: Path) -> None:
    draft = load_draft(str(preset))
    draft.values["freezing.mode"] = "lowest"
    draft.values["optimization.schedule"] = "plateau"

    problems = judge(draft.entries()).problems

    assert [problem.where for problem in problems] == ["freezing.layers"]
    draft.values["freezing.layers"] = "2"
    assert [one.where for one in judge(draft.entries()).problems] == ["optimization.schedule"]


def test_an_empty_field_is_its_default(preset: Path) -> None:
    draft = load_draft(str(preset))
    draft.values["optimization.learning_rate"] = "  "

    config = judge(draft.entries()).config

    assert config is not None
    assert config.optimization.learning_rate == 2e-5


def test_a_form_without_a_task_says_so() -> None:
    problems = judge(empty_draft().entries()).problems

    assert any("no task" in problem.what for problem in problems)


def test_two_tasks_of_one_name_are_a_problem(preset: Path) -> None:
    draft = load_draft(str(preset))
    draft.tasks[1].name = "topic"

    problems = judge(draft.entries()).problems

    assert 'Two tasks are called "topic".' in [problem.what for problem in problems]


def test_a_new_task_gets_a_name_that_is_free(preset: Path) -> None:
    draft: FormDraft = draft_of(load_experiment(preset), "")
    draft.tasks[0].name = "task1"

    assert draft.new_task().name == "task2"


def test_every_default_is_shown_in_a_way_that_reads_back() -> None:
    texts = {spec.path: shown(spec, spec.default) for spec in experiment_fields()}

    assert texts["optimization.learning_rate"] == "2e-5"
    assert texts["training.length_buckets"] == "true"
    assert texts["showcase.texts"] == ""


# Which fields apply


def applying(draft: FormDraft) -> set[str]:
    return {spec.path for spec in plain_specs() if draft.has(spec)}


def applying_in(task: TaskDraft) -> set[str]:
    return {spec.path.removeprefix("tasks.*.") for spec in task_specs() if task.has(spec)}


def test_a_field_applies_as_soon_as_another_says_so(preset: Path) -> None:
    draft = load_draft(str(preset))
    assert "freezing.layers" not in applying(draft)

    draft.values["freezing.mode"] = "lowest"

    assert "freezing.layers" in applying(draft)


def test_the_ending_of_the_file_spares_the_fields_of_other_formats(preset: Path) -> None:
    entity = load_draft(str(preset)).tasks[1]
    assert {"data.tags", "data.tokens"} <= applying_in(entity)
    assert "data.conllu_column" not in applying_in(entity)

    entity.values["data.train"] = "train.conllu"

    assert "data.conllu_column" in applying_in(entity)
    assert not {"data.tags", "data.tokens"} & applying_in(entity)


def test_what_a_preset_says_without_effect_is_handed_on(preset: Path) -> None:
    draft = load_draft(str(preset))
    assert draft.tasks[1].idle["data.tag_column"] == "3"

    config = judge(draft.entries()).config

    assert config == load_experiment(preset)


def test_what_loses_its_effect_by_an_edit_does_not_spoil_the_experiment(preset: Path) -> None:
    preset.write_text(f'{PRESET}[freezing]\nmode = "lowest"\nlayers = 3\n')
    draft = load_draft(str(preset))

    draft.values["freezing.mode"] = "none"

    verdict = judge(draft.entries())
    assert verdict.problems == ()
    assert verdict.config is not None
    assert verdict.config.freezing.layers == 0

    draft.values["freezing.mode"] = "lowest"

    config = judge(draft.entries()).config
    assert config is not None
    assert config.freezing.layers == 3  # kept while it was hidden


# What a field may look like


@pytest.mark.parametrize("raw", ["0.1, 0.5", "0.1 0.5", "0.1\n0.5", "[0.1, 0.5]", "0.1, 0.5,"])
def test_numbers_may_be_parted_as_one_likes(preset: Path, raw: str) -> None:
    draft = load_draft(str(preset))
    draft.values |= {"optimization.layer_rates": "table", "optimization.layer_factors": raw}

    config = judge(draft.entries()).config

    assert config is not None
    assert config.optimization.layer_factors == (0.1, 0.5)


@pytest.mark.parametrize("raw", ["topic = 2.0", "{topic = 2.0}", "topic = 2.0, entity = 1.0"])
def test_a_table_needs_no_braces(preset: Path, raw: str) -> None:
    draft = load_draft(str(preset))
    draft.values["selection.weights"] = raw

    config = judge(draft.entries()).config

    assert config is not None
    assert config.selection.weights["topic"] == 2.0


# Tasks


@pytest.mark.parametrize("kind", task_kinds())
def test_a_new_task_of_any_kind_lacks_nothing_but_its_data(kind: str) -> None:
    draft = empty_draft()
    task = draft.new_task(kind)

    problems = judge(draft.entries()).problems

    assert task.kind == kind
    assert {problem.where for problem in problems} <= {
        f"tasks.{task.name}.{spec.path.removeprefix('tasks.*.')}"
        for spec in task_specs(kind)
        if spec.required
    }


def test_a_copy_of_a_task_has_its_settings_and_a_name_of_its_own(preset: Path) -> None:
    draft = load_draft(str(preset))

    copy = draft.duplicate(1)

    assert [task.name for task in draft.tasks] == ["topic", "entity", "entity2"]
    assert copy.values == draft.tasks[1].values
    copy.values["weight"] = "9"
    assert draft.tasks[1].values["weight"] == "0.5"


def test_tasks_are_moved_as_far_as_there_is_room(preset: Path) -> None:
    draft = load_draft(str(preset))

    assert draft.move_task(1, -1) == 0
    assert draft.move_task(0, -1) == 0
    assert [task.name for task in draft.tasks] == ["entity", "topic"]


# Past runs, files


def test_a_past_run_opens_as_it_was_though_its_preset_has_changed(preset: Path) -> None:
    run = load_experiment(preset)
    preset.write_text(PRESET.replace('"train.jsonl"', '"other.jsonl"', 1))

    verdict = judge(clone_draft(run, str(preset)).entries())

    assert verdict.config == run


def test_a_past_run_opens_though_its_preset_is_gone(preset: Path) -> None:
    run = load_experiment(preset)
    preset.unlink()

    draft = clone_draft(run, str(preset))

    assert draft.source == ""
    assert judge(draft.entries()).config == run


def test_what_is_in_the_data_files_is_told_by_task_and_field(preset: Path) -> None:
    peeks = peek_at_files(load_draft(str(preset)).entries())

    assert peeks["topic"]["data.train"].words == "1 rows: text, label"
    assert list(peeks["entity"]) == ["data.train"]
