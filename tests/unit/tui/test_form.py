"""The form as plain values: what was typed, and what the schema says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config.fields import experiment_fields
from workbench.config.loading import load_experiment
from workbench.tui.form import FormDraft, draft_of, empty_draft, judge, load_draft, shown

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
