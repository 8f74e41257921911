"""Every kind of task as a whole run: it learns, is saved, and says the same when it is opened."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import a_task, an_experiment, events_of, write_corpus

from workbench.config.tasks import TASK_MODELS
from workbench.data.examples import read_evaluation_split
from workbench.data.labels import LabelSpace
from workbench.data.tokenizing import encode_split
from workbench.events import (
    CheckpointSaved,
    EvaluationFinished,
    RunStarted,
    ShowcaseComputed,
    StepFinished,
    Warned,
)
from workbench.inference.predictor import Predictor, as_json
from workbench.model.arithmetic import choose_arithmetic
from workbench.training.evaluation import evaluate

CPU = choose_arithmetic("cpu", "fp32")
PAIR = ("Ada loves the rain in Paris.", "Ada was in Oslo.")
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "topics": ("multilabel", {"thresholds": "one"}),
    "topics by label": (
        "multilabel",
        {"thresholds": "per_label", "positive_weights": "balanced", "hidden_size": 8},
    ),
    "grade": ("regression", {}),
    "grade with huber": ("regression", {"huber_delta": 1.0, "hidden_size": 8}),
    "follows joint": ("classification", {"data": {"text_b": "other", "label": "follows"}}),
    "follows two": (
        "classification",
        {"data": {"text_b": "other", "label": "follows"}, "pair": "two"},
    ),
    "near joint": ("regression", {"data": {"text_b": "other", "label": "alike"}}),
    "near two": (
        "regression",
        {"data": {"text_b": "other", "label": "alike"}, "pair": "two", "hidden_size": 8},
    ),
    "topics of pairs": ("multilabel", {"data": {"text_b": "other"}, "pair": "two"}),
    "cosine": ("similarity", {"loss": "cosine", "dropout": 0.1}),
    "cosent": ("similarity", {"loss": "cosent", "hidden_size": 8}),
    "contrastive": ("contrastive", {"data": {"negatives": ["wrong"]}}),
    "hidden words": ("masked_lm", {}),
    "named": ("few_shot", {"method": "matching"}),
    "drawn together": ("few_shot", {"method": "contrastive"}),
    "both ways": ("contrastive", {"symmetric": True, "hidden_size": 8, "metric": "mrr"}),
}
"""Kind and settings of tasks that together use every setting of the new kinds."""


@dataclass(frozen=True)
class Done:
    """A short run of one task."""

    config: Any
    events: list[Any]
    model: Path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("kinds"), train_size=48, dev_size=24)


@pytest.fixture(scope="module", params=TASKS)
def done(
    request: pytest.FixtureRequest,
    bert: Path,
    corpus: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Done:
    kind, settings = TASKS[request.param]
    config = an_experiment(
        backbone=bert,
        tasks={"task": a_task(corpus, kind, **settings)},
        optimization={"learning_rate": 2e-3},
        training={"epochs": 6, "evaluations_per_epoch": 1},
        showcase={"texts": ["Ada loves the rain in Paris."]},
    )
    folder = tmp_path_factory.mktemp("run")
    events = events_of(config, folder)
    best = [one for one in events if isinstance(one, CheckpointSaved) and one.is_best][-1]
    return Done(config, events, folder / best.folder / "model")


def rounded(value: Any) -> Any:
    """Plain values with their numbers to four digits: sums in float32 depend on the memory."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return pytest.approx(value, rel=1e-4, abs=1e-5) if isinstance(value, float) else value


def test_every_kind_is_run_here_or_in_a_file_of_its_own() -> None:
    elsewhere = {"tagging", "few_shot"}

    assert {kind for kind, _ in TASKS.values()} | elsewhere == set(TASK_MODELS)


def test_the_loss_falls(done: Done) -> None:
    if getattr(done.config.tasks["task"], "method", "") == "contrastive":
        return  # what it can come down to differs from batch to batch; see test_few_shot
    losses = [one.losses["task"] for one in done.events if isinstance(one, StepFinished)]

    assert np.isfinite(losses).all()
    # An epoch has six updates, so both means are over the same examples.
    assert np.mean(losses[-6:]) < np.mean(losses[:6])


def test_dev_is_measured_by_the_metric_that_counts(done: Done) -> None:
    metric = done.config.tasks["task"].metric

    evaluations = [one for one in done.events if isinstance(one, EvaluationFinished)]

    assert all(one.selection == one.metrics["task"][metric] for one in evaluations)
    assert all(np.isfinite(value) for one in evaluations for value in one.metrics["task"].values())


def test_a_checkpoint_that_is_opened_measures_the_same(done: Done) -> None:
    best = max(
        (one for one in done.events if isinstance(one, EvaluationFinished)),
        key=lambda one: one.selection,
    )
    predictor = Predictor.open(done.model)
    head = predictor.description.heads["task"]
    labels = {"task": LabelSpace("task", head.labels, head.kind)}
    split, _ = read_evaluation_split(done.config, "dev", labels)

    metrics = evaluate(
        predictor.loaded, encode_split(split, predictor.loaded.tokenizer, labels), labels, CPU
    )

    assert metrics["task"] == pytest.approx(best.metrics["task"], rel=1e-4, abs=1e-5)


def test_predictions_are_json_and_the_same_when_opened_anew(done: Done) -> None:
    one, two = (Predictor.open(done.model) for _ in range(2))

    found, again = (
        [as_json(each) for each in predictor.predict([PAIR, PAIR[0], PAIR])]
        for predictor in (one, two)
    )

    assert found == json.loads(json.dumps(found))
    assert rounded(found) == rounded(again)
    reads_pairs = one.description.heads["task"].pair is not None
    assert [bool(each["tasks"]) for each in found] == [reads_pairs, not reads_pairs, reads_pairs]
    assert rounded(found[0]) == rounded(found[2])
    assert [each.get("text_b") for each in found] == [PAIR[1], None, PAIR[1]]


def test_a_run_describes_its_task_and_shows_what_reads_one_text(done: Done) -> None:
    (started,) = (one for one in done.events if isinstance(one, RunStarted))
    (shown,) = (one for one in done.events if isinstance(one, ShowcaseComputed))

    assert started.tasks[0].kind == done.config.tasks["task"].kind
    assert started.tasks[0].examples == {"train": 48, "dev": 24}
    data = done.config.tasks["task"].data
    told = set(shown.answers) | set(shown.logits)
    assert told == (set() if getattr(data, "text_b", None) else {"task"})
    assert len(shown.vectors) == 1


def test_thresholds_of_the_checkpoint_are_in_its_description(bert: Path, corpus: Path,
                                                            tmp_path: Path) -> None:  # fmt: skip
    task = a_task(corpus, "multilabel", thresholds="per_label")
    config = an_experiment(backbone=bert, tasks={"task": task}, training={"epochs": 2})
    events = events_of(config, tmp_path)
    (best, *_) = (one for one in reversed(events) if isinstance(one, CheckpointSaved))
    folder = tmp_path / best.folder / "model"

    predictor = Predictor.open(folder)

    told = json.loads((folder / "model.json").read_text())["heads"]["task"]["options"]
    head = predictor.loaded.model.heads["task"]
    assert head.thresholds.tolist() == told["thresholds"]
    assert told["thresholds"] != [0.5] * 3
    assert predictor.description.heads["task"].options["thresholds"] == told["thresholds"]


@pytest.mark.parametrize("loss", ["cosine", "cosent"])
def test_a_task_without_layers_of_its_own_is_told_where_nothing_can_move(
    loss: str, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    tasks = {"alike": a_task(corpus, "similarity", loss=loss), "mood": a_task(corpus)}

    moving, frozen = (
        [
            one.message
            for one in events_of(
                an_experiment(
                    backbone=bert, tasks=tasks, training={"epochs": 1}, freezing={"mode": mode}
                ),
                tmp_path / mode,
            )
            if isinstance(one, Warned)
        ]
        for mode in ("none", "backbone")
    )

    assert not any("alike" in message for message in moving)
    assert any("alike has nothing to learn but the backbone" in message for message in frozen)


def test_relatedness_and_entailment_of_a_pair_take_one_pass(bert: Path, corpus: Path,
                                                           tmp_path: Path) -> None:  # fmt: skip
    pair = {"text_b": "other"}
    tasks = {
        "near": a_task(corpus, "regression", data=pair | {"label": "alike"}),
        "follows": a_task(corpus, data=pair | {"label": "follows"}),
    }

    events = events_of(
        an_experiment(backbone=bert, tasks=tasks, training={"epochs": 1}), tmp_path / "run"
    )

    steps = [one for one in events if isinstance(one, StepFinished)]
    assert len(steps) == 48 / 8
    assert all(one.losses.keys() == {"near", "follows"} for one in steps)
