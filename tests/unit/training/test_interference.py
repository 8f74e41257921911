from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import a_task, an_experiment, events_of, sentences, write_jsonl
from torch import nn

from workbench.config.experiment import ExperimentConfig
from workbench.conflicts import conflict_rate
from workbench.events import (
    Event,
    InterferenceProbed,
    StepFinished,
    Warned,
)
from workbench.model.parts import Part
from workbench.training.balance import Balance
from workbench.training.blocks import BlockReader
from workbench.training.interference import ConflictWatch, look, looks_every
from workbench.training.milestone import planned_milestone
from workbench.training.preparation import prepare
from workbench.training.run import Run
from workbench.training.task_rows import TaskRows
from workbench.training.update import make_update

OPPOSITE = {"long": "short", "short": "long"}


def of(kind: type[Any], events: Sequence[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def two_tasks(folder: Path, *, opposed: bool) -> dict[str, Any]:
    """Two tasks on the same texts, whose labels are the same or each other's opposite."""
    for split, first, count in (("train", 0, 48), ("dev", 60, 24)):
        rows = sentences(count, first=first)
        for row in rows:
            row["other"] = OPPOSITE[row["length"]] if opposed else row["length"]
        write_jsonl(folder / f"{split}.jsonl", rows)
    files = {split: str(folder / f"{split}.jsonl") for split in ("train", "dev")}
    return {
        "first": {"kind": "classification", "data": files | {"label": "length"}},
        "second": {"kind": "classification", "data": files | {"label": "other"}},
    }


def prepared(config: ExperimentConfig, folder: Path) -> Run:
    """A run that is ready for its first update."""
    preparation = prepare(config, folder)
    while True:
        try:
            next(preparation)
        except StopIteration as ended:
            made: Run = ended.value
            return made


def an_observed_run(bert: Path, folder: Path, *, opposed: bool) -> list[Event]:
    """Two tasks that share everything: their heads are equal and do not move.

    So a step along the gradient of one is a step against that of the other where their labels
    are opposite, and along it where they are the same. The second counts more, and wins.
    """
    tasks = two_tasks(folder, opposed=opposed)
    tasks["second"]["weight"] = 3.0
    config = an_experiment(
        backbone=bert,
        tasks=tasks,
        freezing={"heads": ["first", "second"]},
        instruments={"interference_every": 1},
        optimization={"learning_rate": 1e-3, "schedule": "constant", "warmup": 0},
        training={"epochs": 4, "batch_size": 8},
    )
    run = prepared(config, folder)
    heads = run.loaded.model.heads
    heads["second"].load_state_dict(heads["first"].state_dict())
    run.loaded.model.train()
    reader = BlockReader(1)
    events = list(planned_milestone(run))
    for epoch in range(config.training.epochs):
        for number, indices in enumerate(run.sampling.batches(epoch)):
            reader.add(make_update(run, indices.tolist()), epoch, time.perf_counter())
            events += reader.read(run)
            if number % 3 == 2:
                events += planned_milestone(run)
    return events


def test_looking_changes_nothing_of_what_is_learned(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    runs = {}
    for every in (0, 1):
        config = an_experiment(
            backbone=bert,
            folder=corpus,
            training={"epochs": 2},
            instruments={"interference_every": every},
        )
        runs[every] = events_of(config, tmp_path / str(every))

    steps = [
        [(step.losses, step.total_loss, step.gradient_norm) for step in of(StepFinished, events)]
        for events in runs.values()
    ]
    assert steps[0] == steps[1]
    assert len(of(InterferenceProbed, runs[1])) == 6
    assert not of(InterferenceProbed, runs[0])


def test_a_look_tells_norms_cosines_and_weights_of_every_part(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    tasks = {"mood": a_task(corpus, weight=0.5), "entity": a_task(corpus, "tagging")}
    config = an_experiment(
        backbone=bert,
        tasks=tasks,
        training={"epochs": 1},
        instruments={"interference_every": 2},
    )

    (probe,) = of(InterferenceProbed, events_of(config, tmp_path))

    assert probe.step == 2
    assert probe.tasks == ("mood", "entity")
    assert list(probe.norms) == ["all", "embeddings", "layer 0", "layer 1"]
    for group, cosines in probe.cosines.items():
        assert cosines.keys() == {"mood|entity"}
        assert -1 <= cosines["mood|entity"] <= 1
        assert all(norm > 0 for norm in probe.norms[group].values())
    whole = sum(probe.norms[group]["mood"] ** 2 for group in list(probe.norms)[1:])
    assert probe.norms["all"]["mood"] == pytest.approx(whole**0.5, rel=1e-4)
    assert probe.weights == {"mood": 0.5, "entity": 1.0}


@pytest.mark.parametrize(
    "settings", [{"method": "uncertainty"}, {"gradients": "upgrad"}, {"gradients": "mgda"}]
)
def test_the_weights_of_a_look_are_those_in_effect(
    settings: dict[str, str], bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=bert,
        folder=corpus,
        weighting=settings,
        training={"epochs": 1},
        instruments={"interference_every": 3},
    )

    events = events_of(config, tmp_path)

    (probe,) = of(InterferenceProbed, events)
    assert probe.weights == of(StepFinished, events)[-1].weights
    assert all(weight > 0 for weight in probe.weights.values())


@pytest.fixture(scope="module")
def both(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, list[Event]]:
    """A run of two tasks whose labels contradict each other, and one of two that agree."""
    return {
        opposed: an_observed_run(
            bert, tmp_path_factory.mktemp(f"opposed-{opposed}"), opposed=opposed
        )
        for opposed in (True, False)
    }


def test_opposed_tasks_are_seen_to_pull_apart_and_agreeing_ones_together(
    both: dict[bool, list[Event]],
) -> None:
    cosines = {
        opposed: [probe.cosines["all"]["first|second"] for probe in of(InterferenceProbed, events)]
        for opposed, events in both.items()
    }

    assert len(cosines[True]) == len(cosines[False]) == 24
    # Each text pulls the two apart; a batch of several may once come out the other way.
    assert np.mean(cosines[True]) < -0.7
    assert min(cosines[False]) > 0.99
    assert (conflict_rate(cosines[True]) or 0.0) > 0.8
    assert conflict_rate(cosines[False]) == 0.0


def test_only_the_task_that_loses_to_its_opposite_is_warned_of(
    both: dict[bool, list[Event]],
) -> None:
    warnings = {
        opposed: [event.message for event in of(Warned, events)] for opposed, events in both.items()
    }

    (message,) = warnings[True]
    assert message.startswith("second may harm first: ")
    assert warnings[False] == []


def test_parts_that_do_not_move_are_not_looked_at(bert: Path, corpus: Path, tmp_path: Path) -> None:
    config = an_experiment(
        backbone=bert,
        folder=corpus,
        freezing={"mode": "lowest", "layers": 1},
        training={"epochs": 1},
        instruments={"interference_every": 3},
    )

    (probe,) = of(InterferenceProbed, events_of(config, tmp_path))

    assert list(probe.norms) == ["all", "layer 1"]


@pytest.mark.parametrize(
    ("tasks", "values", "asked", "every"),
    [(2, 100, None, 60), (4, 100, None, 120), (2, 100, 7, 7), (2, 100, 0, 0), (1, 100, 5, 0)],
)
def test_looks_are_so_seldom_that_they_cost_little(
    tasks: int, values: int, asked: int | None, every: int
) -> None:
    assert looks_every(asked, tasks, values, torch.device("cpu"))[0] == every
    assert looks_every(asked, tasks, 0, torch.device("cpu"))[0] == 0


def test_gradients_of_a_known_angle_have_its_cosine() -> None:
    below, above = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
    parts = [Part("layer", "layer 0", {"x": below}, 0), Part("top", "top", {"y": above})]
    rows = TaskRows(("a", "b", "c"), [below, above])
    for task, x, y in (("a", [3.0, 4.0], 0.0), ("b", [-3.0, -4.0], 12.0), ("c", [0.0, 0.0], 1.0)):
        rows.add(task, [torch.tensor(x), torch.tensor([y])])

    probe = look(rows, parts).event(5, {})

    assert probe.norms["all"] == pytest.approx({"a": 5.0, "b": 13.0, "c": 1.0})
    assert probe.cosines["all"] == pytest.approx({"a|b": -25 / 65, "a|c": 0.0, "b|c": 12 / 13})
    assert probe.cosines["layer 0"] == pytest.approx({"a|b": -1.0})  # c has no gradient there
    assert probe.cosines["top"] == pytest.approx({"b|c": 1.0})


def a_watch() -> ConflictWatch:
    return ConflictWatch({"a": "accuracy", "b": "span_f1"}, warn_below=-0.1)


def seen(watch: ConflictWatch, cosine: float, times: int) -> None:
    for step in range(times):
        watch.see(InterferenceProbed(step, ("a", "b"), {}, {"all": {"a|b": cosine}}, {}))


def told(watch: ConflictWatch, a: float, b: float) -> list[str]:
    return list(watch.evaluated({"a": {"accuracy": a}, "b": {"span_f1": b}}))


def test_a_standing_conflict_with_a_falling_metric_is_warned_of_once() -> None:
    watch = a_watch()
    seen(watch, -0.4, 3)

    assert told(watch, 0.80, 0.5) == []
    (message,) = told(watch, 0.70, 0.6)
    assert message.startswith("b may harm a: ")
    assert "mean cosine -0.40" in message
    assert "accuracy of a on dev has fallen from 0.800 to 0.700" in message
    assert told(watch, 0.60, 0.6) == []


@pytest.mark.parametrize(
    ("cosine", "looks", "second"),
    [(-0.4, 2, 0.7), (-0.05, 20, 0.7), (0.4, 20, 0.7), (-0.4, 20, 0.798), (-0.4, 20, 0.9)],
    ids=["too few looks", "hardly opposed", "agreeing", "hardly fallen", "risen"],
)
def test_neither_a_conflict_nor_a_falling_metric_alone_is_warned_of(
    cosine: float, looks: int, second: float
) -> None:
    watch = a_watch()
    seen(watch, cosine, looks)

    assert told(watch, 0.80, 0.5) == []
    assert told(watch, second, 0.5) == []


def test_a_restored_watch_warns_as_if_it_had_never_stopped() -> None:
    watch, restored = a_watch(), a_watch()
    seen(watch, -0.4, 5)
    assert told(watch, 0.8, 0.5) == []

    restored.restore(watch.state())

    assert told(restored, 0.7, 0.5) == told(watch, 0.7, 0.5) != []


def test_where_a_look_takes_too_much_memory_the_run_goes_on_without(
    bert: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Balance.begin

    def begin(self: Balance, *given: Any, wants_rows: bool, **named: Any) -> None:
        if wants_rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        plain(self, *given, wants_rows=wants_rows, **named)

    monkeypatch.setattr(Balance, "begin", begin)
    config = an_experiment(
        backbone=bert,
        folder=corpus,
        training={"epochs": 1, "batch_size": 8},
        instruments={"interference_every": 2},
    )

    events = events_of(config, tmp_path)

    assert [step.step for step in of(StepFinished, events)] == [1, 2, 3]
    assert not of(InterferenceProbed, events)
    assert any("they are looked at no more" in event.message for event in of(Warned, events))
