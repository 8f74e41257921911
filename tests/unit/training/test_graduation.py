from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import a_task, an_experiment, events_of, sentences, write_jsonl
from safetensors.torch import load_file

from workbench.config.loading import validate
from workbench.errors import ConfigError
from workbench.events import (
    EvaluationFinished,
    Event,
    RunFinished,
    StepFinished,
    TaskGraduated,
    Warned,
)
from workbench.training.graduation import Graduation
from workbench.training.manifest import checkpoint_name
from workbench.training.selection import selection_value

STANDSTILL = {"learning_rate": 1e-9, "schedule": "constant", "warmup": 0}
"""A rate at which no metric changes."""


def of(kind: type[Any], events: Sequence[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def through_after(patience: int, *values: float) -> list[int]:
    """The evaluations, counted from 1, after which a task is through."""
    graduation = Graduation({"a": "accuracy"}, {"a": patience})
    return [
        graduated.step
        for step, value in enumerate(values, start=1)
        for graduated in graduation.evaluated(step, {"a": {"accuracy": value}})
    ]


def test_a_task_is_through_when_it_waited_for_a_new_best_in_vain() -> None:
    assert through_after(1, 0.5, 0.6, 0.6) == [3]
    assert through_after(2, 0.5, 0.4, 0.6, 0.5, 0.55, 0.9) == [5]
    assert through_after(2, 0.5, 0.6, 0.7, 0.8) == []
    assert through_after(0, 0.5, 0.5, 0.5) == []


def test_a_task_that_is_through_is_trained_no_longer_and_evaluated_on(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    tasks = {"mood": a_task(corpus, patience=1), "entity": a_task(corpus, "tagging")}
    config = an_experiment(
        backbone=bert,
        tasks=tasks,
        optimization=STANDSTILL,
        training={"epochs": 4, "batch_size": 8},
        weighting={"method": "mean"},
    )

    events = events_of(config, tmp_path)

    (graduated,) = of(TaskGraduated, events)
    assert (graduated.step, graduated.task, graduated.best_step) == (6, "mood", 3)
    steps = of(StepFinished, events)
    assert len(steps) == 12
    for step in steps:  # the loss is still told, where it comes for nothing
        assert step.weights == ({"entity": 1.0} if step.step > 6 else {"mood": 0.5, "entity": 0.5})
    assert all(
        event.metrics.keys() == {"mood", "entity"} for event in of(EvaluationFinished, events)
    )


def test_the_head_of_a_task_that_is_through_stays_as_it_is(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    tasks = {"mood": a_task(corpus, patience=1), "entity": a_task(corpus, "tagging")}
    config = an_experiment(
        backbone=bert,
        tasks=tasks,
        training={"epochs": 6, "batch_size": 8, "keep_every": 1},
        optimization={"schedule": "constant"},
    )

    events = events_of(config, tmp_path)

    (graduated,) = of(TaskGraduated, events)
    before, after = (
        {
            name: value
            for file in (tmp_path / checkpoint_name(step) / "model").rglob("*.safetensors")
            for name, value in load_file(file).items()
        }
        for step in (graduated.step, 18)
    )
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert graduated.step < 18
    assert not any("mood" in name for name in moved)
    assert any("entity" in name for name in moved)


def test_texts_of_a_task_that_is_through_are_passed_over(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    alone = write_jsonl(tmp_path / "alone.jsonl", sentences(24, first=200))
    tasks = {
        "mood": a_task(corpus, patience=1, data={"train": str(alone)}),
        "entity": a_task(corpus, "tagging"),
    }
    config = an_experiment(
        backbone=bert, tasks=tasks, optimization=STANDSTILL, training={"epochs": 3}
    )

    events = events_of(config, tmp_path / "run")

    steps = of(StepFinished, events)
    assert sum(step.texts for step in steps if step.step <= 12) == 96
    assert sum(step.texts for step in steps if step.step > 12) == 24
    assert not any("mood" in step.losses for step in steps if step.step > 12)


def test_a_run_ends_when_all_tasks_are_through(bert: Path, corpus: Path, tmp_path: Path) -> None:
    tasks = {
        "mood": a_task(corpus, patience=1),
        "entity": a_task(corpus, "tagging", patience=2),
    }
    config = an_experiment(
        backbone=bert, tasks=tasks, optimization=STANDSTILL, training={"epochs": 9, "batch_size": 8}
    )

    events = events_of(config, tmp_path)

    assert [event.task for event in of(TaskGraduated, events)] == ["mood", "entity"]
    (finished,) = of(RunFinished, events)
    assert (finished.step, finished.stopped) == (9, False)


def test_a_task_is_looked_at_as_seldom_as_it_wants_but_first_and_last(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    tasks = {"mood": a_task(corpus, evaluate_every=3), "entity": a_task(corpus, "tagging")}
    config = an_experiment(backbone=bert, tasks=tasks, training={"epochs": 6, "batch_size": 24})

    evaluations = of(EvaluationFinished, events_of(config, tmp_path))

    looked = ["mood" in event.metrics for event in evaluations]
    assert looked == [True, False, False, True, False, True]
    assert all("entity" in event.metrics for event in evaluations)
    latest = {}
    for event in evaluations:  # the latest of each task counts in the selection
        latest |= event.metrics
        assert event.selection == pytest.approx(selection_value(config, latest))


@pytest.mark.parametrize("schedule", ["one_cycle", "slanted_triangular", "warmup_stable_decay"])
def test_a_schedule_that_pays_at_its_end_draws_a_warning_beside_a_patience(
    schedule: str, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    tasks = {"mood": a_task(corpus, patience=2), "entity": a_task(corpus, "tagging")}
    config = an_experiment(
        backbone=bert,
        tasks=tasks,
        optimization={"schedule": schedule},
        training={"epochs": 1, "batch_size": 24},
    )

    said = [event.message for event in of(Warned, events_of(config, tmp_path))]

    assert any(f"The schedule {schedule} gains most at its end" in message for message in said)


def test_the_mean_gain_is_relative_to_what_tasks_reach_alone() -> None:
    config = an_experiment(selection={"rule": "gain", "baselines": {"mood": 0.8, "entity": 0.5}})
    metrics = {"mood": {"accuracy": 0.88}, "entity": {"span_f1": 0.45}}

    assert selection_value(config, metrics) == pytest.approx((0.1 - 0.1) / 2)
    assert selection_value(config, {"mood": {"accuracy": 0.88}}) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"rule": "gain"}, "needs selection.baselines"),
        ({"rule": "gain", "baselines": {"mood": 0.0}}, '"mood" is 0'),
        ({"rule": "gain", "baselines": {"moood": 0.5}}, 'a task "moood" that is not there'),
    ],
)
def test_baselines_that_say_nothing_are_refused(selection: dict[str, Any], message: str) -> None:
    values = an_experiment().model_dump(mode="json") | {"selection": selection}

    with pytest.raises(ConfigError, match=message):
        validate(values)
