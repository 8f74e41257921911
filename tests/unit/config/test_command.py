"""The equivalent command says exactly what the config says."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config.experiment import ExperimentConfig
from workbench.config.fields import equivalent_command
from workbench.config.loading import load_experiment, validate

PRESET = """\
name = "base"
[tasks.question]
kind = "classification"
data = {train = "q.jsonl", dev = "d.jsonl"}
[tasks.entity]
kind = "tagging"
[tasks.entity.data]
train = "e.conll"
[tasks.mood]
kind = "classification"
metric = "macro_f1"
data.train = "m.csv"
[selection.weights]
question = 2.0
[training]
epochs = 7
"""


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("it's a folder")
    for name in ("q.jsonl", "d.jsonl", "e.conll", "m.csv"):
        (folder / name).touch()
    file = folder / "base.toml"
    file.write_text(PRESET)
    return file


def obey(command: str) -> ExperimentConfig:
    """The config of what a shell would make of the command."""
    program, train, *words = shlex.split(command)
    assert (program, train) == ("mtl-workbench", "train")
    source = words.pop(0) if words and not words[0].startswith("--") else ""
    pairs = list(zip(words[::2], words[1::2], strict=True))
    root = [Path(value) for option, value in pairs if option == "--data-root"]
    return load_experiment(
        source,
        overrides=[value for option, value in pairs if option == "--set"],
        data_root=root[0] if root else None,
        check_files=False,
    )


def changed(config: ExperimentConfig, change: dict[str, Any]) -> ExperimentConfig:
    """The config with the tasks, or settings by dotted key, that `change` gives."""
    values = config.model_dump(mode="json")
    for path, value in change.items():
        *sections, key = path.split(".")
        inner = values
        for section in sections:
            inner = inner[section]
        inner[key] = value
    return validate(values)


def test_an_unchanged_preset_needs_nothing_but_its_name(preset: Path) -> None:
    command = equivalent_command(load_experiment(preset), str(preset))

    assert shlex.split(command) == ["mtl-workbench", "train", str(preset)]


def test_only_what_differs_is_said(preset: Path) -> None:
    config = changed(load_experiment(preset), {"training.epochs": 2, "name": "it's mine"})

    words = shlex.split(equivalent_command(config, str(preset)))

    assert words[3:] == ["--set", "name=it's mine", "--set", "training.epochs=2"]


def test_another_data_folder_is_said_once(preset: Path, tmp_path: Path) -> None:
    for name in ("q.jsonl", "d.jsonl", "e.conll", "m.csv"):
        (tmp_path / name).touch()
    config = load_experiment(preset, data_root=tmp_path)

    command = equivalent_command(config, str(preset))

    assert shlex.split(command)[3:] == ["--data-root", str(tmp_path)]
    assert obey(command) == config


def test_a_source_that_is_gone_or_none_is_spelled_out(preset: Path) -> None:
    config = load_experiment(preset)

    for source in ("", "gone.toml"):
        assert obey(equivalent_command(config, source)) == config


def test_a_task_of_another_kind_and_a_renamed_one_keep_their_order(preset: Path) -> None:
    config = load_experiment(preset)
    tasks = config.model_dump(mode="json")["tasks"]
    tasks["entity"] = {"kind": "classification", "data": {"train": "/x.csv"}}
    tasks["feeling"] = tasks.pop("mood")
    config = changed(config, {"tasks": tasks})

    again = obey(equivalent_command(config, str(preset)))

    assert again == config
    assert list(again.tasks) == ["question", "entity", "feeling"]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXTS.filter(lambda text: text and text.isprintable()),
        "seed": st.integers(0, 2**32 - 1),
        "optimization.learning_rate": st.floats(1e-12, 10.0),
        "optimization.head_learning_rate": st.none() | st.floats(1e-12, 10.0),
        "optimization.schedule": st.sampled_from(["constant", "linear", "cosine"]),
        "training.length_buckets": st.booleans(),
        "training.device": st.sampled_from(["cpu", "cuda:1"]),
        "freezing.mode": st.sampled_from(["none", "backbone"]),
        "showcase.texts": st.lists(TEXTS, max_size=3),
        "selection.weights": st.dictionaries(st.just("question"), st.floats(0.0, 10.0)),
        "tasks.question.data.label": TEXTS,
        "tasks.question.data.subset": st.none() | TEXTS | st.sampled_from(["none", "None", ""]),
        "tasks.entity.data.tag_column": st.integers(-3, 3),
        "tasks.entity.weight": st.floats(0.0, 1e300),
    },
)


@settings(deadline=None, max_examples=80)
@given(
    change=CHANGES, order=st.permutations(["question", "entity", "mood"]), keep=st.integers(1, 3)
)
def test_what_the_command_says_is_what_was_meant(
    preset: Path, change: dict[str, Any], order: list[str], keep: int
) -> None:
    config = changed(load_experiment(preset), change)
    tasks = config.model_dump(mode="json")["tasks"]
    kept = {name: tasks[name] for name in order[:keep]}
    weights = {} if "question" not in kept else config.selection.weights
    if all(task["weight"] == 0 for task in kept.values()):
        kept[order[0]]["weight"] = 1.0
    config = changed(config, {"tasks": kept, "selection.weights": dict(weights)})

    again = obey(equivalent_command(config, str(preset)))

    assert again == config
    assert list(again.tasks) == list(config.tasks)
