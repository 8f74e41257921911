"""A plan is what the run would do: the same data, the same parts, the same steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import Script, a_task, an_experiment, events_of, sentences, write_jsonl

from workbench.config.experiment import ExperimentConfig
from workbench.config.model import BackboneConfig
from workbench.control import StopNow
from workbench.data.kinds import KINDS
from workbench.errors import ConfigError
from workbench.events import RunStarted, Warned
from workbench.plan import Check, Plan
from workbench.training.planning import check, measure

SETTINGS: list[dict[str, Any]] = [
    {},
    {"freezing": {"mode": "backbone"}},
    {"freezing": {"mode": "lowest", "layers": 1}},
    {"freezing": {"mode": "norms_only"}},
    {"freezing": {"gradual": 0.5}, "optimization": {"layer_rates": "decay"}},
    {"training": {"epochs": 3, "batch_size": 5}},
]


def plan_of(config: ExperimentConfig) -> Plan:
    found = check(config)
    assert found.plan is not None, found.findings
    return found.plan


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_plan_is_what_the_run_says_when_it_starts(
    bert: Path, corpus: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, **settings)
    events = events_of(config, tmp_path, Script((1, StopNow())))
    started = next(event for event in events if isinstance(event, RunStarted))
    warned = [event.message for event in events if isinstance(event, Warned)]

    found = check(config)

    plan = found.plan
    assert plan is not None
    assert (plan.total_steps, plan.steps_per_epoch) == (
        started.total_steps,
        started.steps_per_epoch,
    )
    assert plan.trainable_parameters == started.trainable_parameters
    assert plan.total_parameters == started.total_parameters
    assert [one.what for one in found.findings if one.severity == "warning"] == warned


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_parts_are_all_of_the_model_and_each_is_there_once(
    bert: Path, corpus: Path, settings: dict[str, Any]
) -> None:
    plan = plan_of(an_experiment(backbone=bert, folder=corpus, **settings))

    assert sum(part.parameters for part in plan.parts) == plan.total_parameters
    assert sum(part.trained for part in plan.parts) == plan.trainable_parameters
    assert len({part.name for part in plan.parts}) == len(plan.parts)
    assert all((part.rate > 0) == (part.trained > 0) for part in plan.parts)


def test_a_part_that_thaws_says_from_which_step_on(bert: Path, corpus: Path) -> None:
    plan = plan_of(an_experiment(backbone=bert, folder=corpus, freezing={"gradual": 0.5}))

    begins = [part.first_step for part in reversed(plan.parts)]
    assert begins == sorted(begins)
    assert begins[0] == 1
    assert 1 < begins[-1] <= plan.total_steps


def test_a_part_that_would_thaw_after_the_end_is_told(bert: Path, corpus: Path) -> None:
    found = check(an_experiment(backbone=bert, folder=corpus, freezing={"gradual": 1.0}))

    assert "embeddings: begins to move in step 7, but the run has 6." in [
        one.what for one in found.findings
    ]


def test_rows_labels_and_lengths_are_those_of_the_data(bert: Path, corpus: Path) -> None:
    plan = plan_of(an_experiment(backbone=bert, folder=corpus))

    mood, entity = plan.tasks
    assert mood.examples == {"train": 24, "dev": 12}
    assert sum(mood.labels.values()) == 24
    assert list(mood.labels.values()) == sorted(mood.labels.values(), reverse=True)
    assert entity.labels == {"PER": 24, "LOC": 24}
    assert sum(mood.lengths) == sum(entity.lengths) == 24


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_of_any_kind_is_planned(bert: Path, corpus: Path, kind: str) -> None:
    tasks = {"it": a_task(corpus, kind)}

    plan = plan_of(an_experiment(backbone=bert, folder=corpus, tasks=tasks))

    (task,) = plan.tasks
    assert task.kind == kind
    assert task.examples["train"] > 0
    assert sum(task.lengths) == task.examples["train"]
    assert sum(task.scores) in (0, task.examples["train"])


def test_the_share_that_will_be_cut_is_told(bert: Path, corpus: Path) -> None:
    config = an_experiment(backbone=bert, folder=corpus)
    short = config.model_copy(
        update={"backbone": config.backbone.model_copy(update={"max_length": 8})}
    )

    found = check(short)

    assert found.plan is not None
    assert found.plan.max_length == 8
    assert found.plan.tasks[0].truncated["train"] > 0
    assert any("longer than 8 pieces" in one.what for one in found.findings)


def test_rare_labels_are_noted(bert: Path, tmp_path: Path) -> None:
    rows = [{"text": row["text"], "mood": "odd" if number == 0 else "usual"}
            for number, row in enumerate(sentences(12))]  # fmt: skip
    for split in ("train", "dev", "test"):
        write_jsonl(tmp_path / f"{split}.jsonl", rows)
    tasks = {"mood": a_task(tmp_path)}

    found = check(an_experiment(backbone=bert, folder=tmp_path, tasks=tasks))

    notes = [one.what for one in found.findings if one.severity == "note"]
    assert notes == ["mood: 1 of 2 labels occur less than 5 times in train: odd."]


def test_what_would_end_the_run_is_an_error_in_words(bert: Path, tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        write_jsonl(tmp_path / f"{split}.jsonl", [{"text": "a", "other": "b"}])
    tasks = {"mood": a_task(tmp_path)}

    found = check(an_experiment(backbone=bert, folder=tmp_path, tasks=tasks))

    assert found.plan is None
    assert found.has_errors
    assert 'There is no column "mood"' in found.findings[0].what
    assert found.findings[0].setting == "tasks.mood.data.label"
    assert "[tasks.mood.data]" in found.findings[0].next_step


def test_an_error_says_which_setting_is_to_be_changed(bert: Path, corpus: Path) -> None:
    missing = an_experiment(backbone=bert, folder=corpus.parent / "nowhere")
    [no_file] = check(missing).findings
    [no_layer] = check(
        an_experiment(backbone=bert, folder=corpus, backbone_settings={"layer": 99})
    ).findings
    [no_folder] = check(an_experiment(backbone="./nowhere", folder=corpus)).findings

    assert (no_file.severity, no_file.setting) == ("error", "tasks.mood.data.train")
    assert no_layer.setting == "backbone.layer"
    assert no_folder.setting == "backbone.model"


def test_a_backbone_that_is_elsewhere_is_not_fetched(corpus: Path) -> None:
    found = check(an_experiment(backbone="nobody/has-this", folder=corpus))

    assert found.plan is None
    assert not found.has_errors
    assert "is not on this machine" in found.findings[0].what


def test_a_stack_of_embeddings_is_planned_and_measured(corpus: Path) -> None:
    config = an_experiment(folder=corpus)
    stack = config.model_copy(
        update={"backbone": BackboneConfig(kind="stack", model="nobody/has-this", max_length=48)}
    )

    assert plan_of(stack).trainable_parameters > 0
    assert measure(stack).seconds_per_update > 0


def test_a_device_that_is_not_there_is_an_error_though_planning_needs_none(
    bert: Path, corpus: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, training={"device": "cuda:63"})

    assert "cuda:63 is not there" in check(config).findings[0].what


def test_less_is_expected_of_a_frozen_backbone(bert: Path, corpus: Path) -> None:
    whole = plan_of(an_experiment(backbone=bert, folder=corpus)).memory
    frozen = plan_of(
        an_experiment(backbone=bert, folder=corpus, freezing={"mode": "backbone"})
    ).memory

    assert frozen.weights == whole.weights
    assert frozen.gradients < whole.gradients
    assert frozen.optimizer < whole.optimizer
    assert frozen.activations < whole.activations


def test_a_check_is_the_same_after_it_was_written_as_json(bert: Path, corpus: Path) -> None:
    config = an_experiment(backbone=bert, folder=corpus, freezing={"heads": ["mood"]})
    found = check(config)
    assert found.findings

    again = Check.from_json(json.loads(json.dumps(found.as_json())))

    assert again == found


def test_two_updates_are_measured(bert: Path, corpus: Path) -> None:
    config = an_experiment(backbone=bert, folder=corpus, training={"epochs": 50})

    measured = measure(config)

    assert measured.device == "cpu"
    assert measured.seconds_in_all > measured.seconds_per_update * 100 > 0
    assert measured.memory_bytes > 1e6


def test_where_nothing_moves_there_is_nothing_to_measure(bert: Path, corpus: Path) -> None:
    config = an_experiment(backbone=bert, folder=corpus, freezing={"mode": "everything"})

    with pytest.raises(ConfigError, match="no update to measure"):
        measure(config)
