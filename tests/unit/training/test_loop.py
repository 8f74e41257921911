from __future__ import annotations

import itertools
import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from builders import (
    POSITIONS,
    Script,
    TrainedRun,
    a_task,
    an_experiment,
    events_of,
    resumable_steps,
    sentences,
    write_corpus,
    write_jsonl,
)

from workbench.control import Request, Stop, StopNow
from workbench.data.examples import read_corpus
from workbench.data.tokenizing import encode_split
from workbench.errors import DataError, WorkerError
from workbench.events import (
    CheckpointRemoved,
    CheckpointSaved,
    EvaluationFinished,
    Event,
    PhaseStarted,
    RunFinished,
    RunStarted,
    ShowcaseComputed,
    StepFinished,
    Warned,
)
from workbench.inference.predictor import Predictor
from workbench.model.arithmetic import choose_arithmetic
from workbench.model.folder import load_model_folder
from workbench.model.heads import ClassificationHead
from workbench.schedules import RateSchedule
from workbench.training.blocks import BlockReader
from workbench.training.evaluation import evaluate
from workbench.training.loop import train
from workbench.training.manifest import check_checkpoint, checkpoint_name
from workbench.training.requests import Requests
from workbench.training.update import Update

E = TypeVar("E")
QUICK = {"epochs": 1, "batch_size": 8}


def of(kind: type[E], events: Any) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def checkpoints_in(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "checkpoints").iterdir())


# --- Order and contents of the events -----------------------------------------------------------


def test_events_come_in_the_order_of_what_happens(trained: TrainedRun) -> None:
    kinds = [
        type(event).__name__ for event in trained.events if not isinstance(event, PhaseStarted)
    ]

    epoch = ["StepFinished"] * 3 + ["EvaluationFinished", "CheckpointSaved"]
    assert kinds[:11] == ["RunStarted", *epoch, *epoch]
    assert kinds[-1] == "RunFinished"
    assert kinds.count("RunStarted") == kinds.count("RunFinished") == 1
    assert kinds.count("StepFinished") == 18
    assert kinds.count("EvaluationFinished") == kinds.count("CheckpointSaved") == 6


def test_every_phase_is_announced_before_its_event(trained: TrainedRun) -> None:
    phase = ""
    for event in trained.events:
        if isinstance(event, PhaseStarted):
            phase = event.phase
            assert event.expected_seconds > 0
        elif isinstance(event, StepFinished):
            assert phase == "training"
        elif isinstance(event, EvaluationFinished):
            assert phase == "evaluating"
        elif isinstance(event, CheckpointSaved):
            assert phase == "saving"


def test_a_run_says_what_its_data_and_model_are(trained: TrainedRun) -> None:
    started = of(RunStarted, trained.events)[0]

    assert (started.total_steps, started.steps_per_epoch) == (18, 3)
    assert [task.task for task in started.tasks] == ["mood", "entity"]
    assert started.tasks[0].labels == ("bad", "good", "plain")
    assert started.tasks[1].examples == {"train": 24, "dev": 12}
    assert (started.device, started.precision) == ("cpu", "fp32")
    assert started.trainable_parameters == started.total_parameters
    assert started.frozen_checksum == ""


def test_steps_count_texts_pieces_and_passes(trained: TrainedRun) -> None:
    steps = of(StepFinished, trained.events)

    assert [step.step for step in steps] == list(range(1, 19))
    assert steps[2].epoch == pytest.approx(1.0)
    assert steps[-1].epoch == pytest.approx(6.0)
    epochs = [steps[at : at + 3] for at in range(0, 18, 3)]
    assert all(sum(step.texts for step in epoch) == 24 for epoch in epochs)
    assert len({sum(step.tokens for step in epoch) for epoch in epochs}) == 1


def test_rates_follow_the_schedule(trained: TrainedRun) -> None:
    peak = trained.config.optimization.learning_rate

    rates = [step.learning_rates for step in of(StepFinished, trained.events)]

    expected = [peak * RateSchedule("linear", warmup=0.1).factor(step, 18) for step in range(18)]
    assert [rate["backbone"] for rate in rates] == pytest.approx(expected)
    assert [rate["heads"] for rate in rates] == pytest.approx(expected)


def test_the_losses_fall_and_the_dev_metrics_rise(trained: TrainedRun) -> None:
    losses = [step.losses["entity"] for step in of(StepFinished, trained.events)]
    evaluations = of(EvaluationFinished, trained.events)

    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    assert (
        evaluations[-1].metrics["entity"]["span_f1"] > evaluations[0].metrics["entity"]["span_f1"]
    )
    assert evaluations[0].metrics["mood"].keys() == {"loss", "accuracy", "macro_f1"}


# --- Losses -------------------------------------------------------------------------------------


def test_the_total_is_the_weighted_sum_of_the_mean_losses(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    # A mean per task, whatever the number of labels.
    tasks = {
        "mood": a_task(corpus, weight=0.25),
        "entity": a_task(corpus, "tagging", weight=2.0),
    }
    config = an_experiment(backbone=bert, tasks=tasks, training=QUICK)

    steps = of(StepFinished, events_of(config, tmp_path))

    for step in steps:
        weighted = 0.25 * step.losses["mood"] + 2.0 * step.losses["entity"]
        assert step.total_loss == pytest.approx(weighted, rel=1e-5)
    # An untrained head knows nothing: log(classes) nats per label for either kind, roughly.
    assert 0.5 * math.log(3) < steps[0].losses["mood"] < 2 * math.log(3)
    assert 0.3 * math.log(5) < steps[0].losses["entity"] < 2 * math.log(5)


def test_equal_seeds_learn_the_same_and_other_seeds_do_not(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    def losses(name: str, seed: int) -> list[float]:
        config = an_experiment(backbone=bert, folder=corpus, seed=seed, training=QUICK)
        return [step.total_loss for step in of(StepFinished, events_of(config, tmp_path / name))]

    first, again, other = losses("a", 5), losses("b", 5), losses("c", 6)

    assert first == again
    assert first != other


def test_a_task_that_a_batch_lacks_has_no_loss_there(bert: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "mood.jsonl", sentences(8))
    write_jsonl(tmp_path / "entity.jsonl", sentences(8, first=100))
    tasks = {
        "mood": a_task(tmp_path, data={"train": str(tmp_path / "mood.jsonl"), "dev": None}),
        "entity": a_task(
            tmp_path, "tagging", data={"train": str(tmp_path / "entity.jsonl"), "dev": None}
        ),
    }
    config = an_experiment(backbone=bert, tasks=tasks, training={"epochs": 1, "batch_size": 1})

    steps = of(StepFinished, events_of(config, tmp_path / "run"))

    assert sorted(tuple(step.losses) for step in steps) == [("entity",)] * 8 + [("mood",)] * 8
    assert all(math.isfinite(step.total_loss) for step in steps)


def test_a_batch_whose_labels_were_all_cut_off_is_passed_over(bert: Path, tmp_path: Path) -> None:
    rows = [
        {"text": "x", "tokens": ["x"], "tags": ["B-X"]},
        # The tokenizer drops this character, so that its word has no piece.
        {"text": "\u200b", "tokens": ["\u200b"], "tags": ["O"]},
    ]
    write_jsonl(tmp_path / "train.jsonl", rows)
    tasks = {"t": a_task(tmp_path, "tagging", data={"dev": None})}
    config = an_experiment(backbone=bert, tasks=tasks, training={"epochs": 1, "batch_size": 1})

    steps = of(StepFinished, events_of(config, tmp_path / "run"))

    assert sorted(len(step.losses) for step in steps) == [0, 1]
    assert [step.step for step in steps] == [1, 2]


def test_long_gradients_are_shortened_but_told_as_they_were(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    def run(name: str, limit: float) -> list[StepFinished]:
        config = an_experiment(
            backbone=bert,
            folder=corpus,
            training=QUICK,
            # Without warm-up and decay AdamW's first update does not feel the gradient's length.
            optimization={"max_gradient_norm": limit, "warmup": 0.0},
        )
        return of(StepFinished, events_of(config, tmp_path / name))

    free, cut = run("free", 0.0), run("cut", 1e-4)

    assert free[0].gradient_norm == pytest.approx(cut[0].gradient_norm)
    assert free[0].gradient_norm > 1e-2
    assert free[1].total_loss != cut[1].total_loss


# --- A loss that is not finite ------------------------------------------------------------------


def failing_run(config: Any, folder: Path) -> tuple[list[Event], WorkerError]:
    events: list[Event] = []
    with pytest.raises(WorkerError) as caught:
        events.extend(train(config, folder=folder))  # keeps what came before the error
    return events, caught.value


def test_a_loss_that_is_not_finite_ends_the_run_with_step_task_and_examples(
    bert: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = an_experiment(backbone=bert, folder=corpus)
    plain, calls = ClassificationHead.loss_sum, itertools.count(1)

    def poisoned(self: Any, logits: torch.Tensor, targets: Any) -> torch.Tensor:
        # Updates 1 to 3, one batch of dev, and the first update of the second epoch.
        is_last = next(calls) == 5
        return plain(self, logits, targets) * (math.nan if is_last else 1.0)

    monkeypatch.setattr(ClassificationHead, "loss_sum", poisoned)

    events, error = failing_run(config, tmp_path)

    assert error.what == 'The loss of task "mood" is nan at step 4.'
    assert f"{corpus / 'train.jsonl'}:" in error.where
    assert "and 4 more" in error.where
    assert "learning_rate" in error.next_step
    last = of(StepFinished, events)[-1]
    assert (last.step, math.isnan(last.losses["mood"])) == (4, True)
    assert math.isfinite(last.losses["entity"])
    assert checkpoints_in(tmp_path) == ["step-00000003"]


def test_a_gradient_that_is_not_finite_ends_the_run_before_a_checkpoint(
    bert: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The loss is finite, but the update makes every weight NaN, at the last step of the run.
    config = an_experiment(backbone=bert, folder=corpus, training={"epochs": 1, "batch_size": 24})
    plain = ClassificationHead.loss_sum

    def poisoned(self: Any, logits: torch.Tensor, targets: Any) -> torch.Tensor:
        if logits.requires_grad:
            logits.register_hook(lambda gradient: gradient * math.inf)
        return plain(self, logits, targets)

    monkeypatch.setattr(ClassificationHead, "loss_sum", poisoned)

    events, error = failing_run(config, tmp_path)

    assert "The norm of the gradient is" in error.what
    assert "at step 1" in error.what
    assert math.isfinite(of(StepFinished, events)[0].total_loss)
    assert not (tmp_path / "checkpoints").exists()


def test_weights_that_overflow_in_the_last_update_are_not_kept(
    bert: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, training={"epochs": 1, "batch_size": 24})
    plain = ClassificationHead.loss_sum

    def poisoned(self: Any, logits: torch.Tensor, targets: Any) -> torch.Tensor:
        return plain(self, logits, targets) * (1.0 if logits.requires_grad else math.nan)

    monkeypatch.setattr(ClassificationHead, "loss_sum", poisoned)

    _, error = failing_run(config, tmp_path)

    assert error.what == 'The dev loss of task "mood" is nan after step 1.'
    assert not (tmp_path / "checkpoints").exists()


# --- Checkpoints and selection ------------------------------------------------------------------


def test_the_best_of_the_run_and_of_each_task_and_the_last_are_kept(trained: TrainedRun) -> None:
    saved, removed = (of(kind, trained.events) for kind in (CheckpointSaved, CheckpointRemoved))
    best = [one for one in saved if one.is_best][-1]
    best_for = {task: one.step for one in saved for task in one.best_for}
    evaluations = {one.step: one.metrics for one in of(EvaluationFinished, trained.events)}

    kept = {best.step, *best_for.values(), 18}
    assert checkpoints_in(trained.folder) == [f"step-{step:08d}" for step in sorted(kept)]
    assert {one.step for one in saved} - {one.step for one in removed} == kept
    for task, metric in (("mood", "accuracy"), ("entity", "span_f1")):
        highest = max(metrics[task][metric] for metrics in evaluations.values())
        first = min(s for s, metrics in evaluations.items() if metrics[task][metric] == highest)
        assert best_for[task] == first
    for step in kept:
        check_checkpoint(trained.folder / checkpoint_name(step))


def test_only_the_last_checkpoint_has_what_a_run_needs_to_go_on(trained: TrainedRun) -> None:
    assert resumable_steps(trained.folder) == [18]
    assert len(checkpoints_in(trained.folder)) > 1
    last = of(CheckpointSaved, trained.events)[-1]
    training = trained.folder / last.folder / "training"
    written = [training / name for name in ("manifest.json", "state.json", "tensors.safetensors")]
    assert last.training_bytes == sum(file.stat().st_size for file in written)


def test_of_two_equal_checkpoints_the_earlier_is_the_best(trained: TrainedRun) -> None:
    saved = of(CheckpointSaved, trained.events)

    highest = -math.inf
    for one in saved:
        assert one.selection is not None
        assert one.is_best is (one.selection > highest)
        highest = max(highest, one.selection)


def test_the_selection_is_the_declared_mean_of_the_dev_metrics(trained: TrainedRun) -> None:
    for evaluation in of(EvaluationFinished, trained.events):
        metrics = evaluation.metrics
        mean = (metrics["mood"]["accuracy"] + metrics["entity"]["span_f1"]) / 2
        assert evaluation.selection == pytest.approx(mean)


def test_a_checkpoint_is_the_model_that_was_evaluated(trained: TrainedRun) -> None:
    from workbench.data.examples import read_corpus
    from workbench.data.tokenizing import encode_split
    from workbench.model.arithmetic import choose_arithmetic
    from workbench.training.evaluation import evaluate

    loaded = load_model_folder(trained.folder / checkpoint_name(18) / "model")
    data = read_corpus(trained.config)
    split = encode_split(data.dev, loaded.tokenizer, data.labels)

    metrics = evaluate(loaded, split, data.labels, choose_arithmetic("cpu", "fp32"))

    assert metrics == of(EvaluationFinished, trained.events)[-1].metrics


def test_without_dev_nothing_is_evaluated_and_the_last_is_kept(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    tasks = {"mood": a_task(corpus, data={"dev": None})}
    config = an_experiment(backbone=bert, tasks=tasks, showcase={"texts": ["Ada."]})

    events = events_of(config, tmp_path)

    assert of(EvaluationFinished, events) == []
    assert [one.is_best for one in of(CheckpointSaved, events)] == [False, False]
    assert checkpoints_in(tmp_path) == ["step-00000006"]
    assert any("mood has no dev data" in one.message for one in of(Warned, events))
    assert len(of(ShowcaseComputed, events)) == 1


def test_dev_can_be_evaluated_several_times_in_an_epoch(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    training = {"epochs": 2, "batch_size": 4, "evaluations_per_epoch": 4}
    config = an_experiment(backbone=bert, folder=corpus, training=training)

    events = events_of(config, tmp_path)

    steps = [one.step for one in of(EvaluationFinished, events)]
    assert steps == [2, 3, 4, 6, 8, 9, 10, 12]


# --- Freezing -----------------------------------------------------------------------------------


def test_a_run_with_a_frozen_backbone_proves_that_it_did_not_move(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=bert, folder=corpus, freezing={"mode": "backbone"}, training=QUICK
    )

    events = events_of(config, tmp_path)

    started, finished = of(RunStarted, events)[0], of(RunFinished, events)[0]
    assert len(started.frozen_checksum) == 64
    assert finished.frozen_checksum == started.frozen_checksum
    assert started.trainable_parameters == 33 * 3 + 33 * 5
    assert of(StepFinished, events)[0].learning_rates.keys() == {"heads"}


@pytest.mark.parametrize(
    "freezing",
    [{"mode": "everything"}, {"mode": "backbone", "heads": ["mood", "entity"]}],
    ids=["everything", "all of it by parts"],
)
def test_a_run_of_which_everything_is_frozen_evaluates_and_saves_and_says_so(
    freezing: dict[str, Any], bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, freezing=freezing)

    events = events_of(config, tmp_path)

    started, finished = of(RunStarted, events)[0], of(RunFinished, events)[0]
    assert (started.total_steps, started.trainable_parameters) == (0, 0)
    assert of(StepFinished, events) == []
    assert [one.step for one in of(EvaluationFinished, events)] == [0]
    assert [one.is_best for one in of(CheckpointSaved, events)] == [True]
    assert finished.frozen_checksum == started.frozen_checksum != ""
    assert any("learns nothing" in one.message for one in of(Warned, events))


def test_a_frozen_head_on_a_moving_backbone_draws_a_warning(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=bert, folder=corpus, freezing={"heads": ["mood"]}, training=QUICK
    )

    events = events_of(config, tmp_path)

    assert any("The head of mood is frozen while" in one.message for one in of(Warned, events))
    started, finished = of(RunStarted, events)[0], of(RunFinished, events)[0]
    assert finished.frozen_checksum == started.frozen_checksum != ""
    assert {group.name for group in started.groups if group.frozen} == {"head mood"}


def test_a_batch_of_which_nothing_moves_is_passed_over(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    # Backbone and one head frozen: a batch that only this head labels has no gradient.
    rows = [
        {"text": f"Ada saw the rain {number}.", "mood": "bad" if number % 2 else "good"}
        for number in range(40)
    ]
    other = [{"tokens": ["Ada", "left"], "tags": ["B-PER", "O"]} for _ in range(4)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "tags.jsonl", other)
    tasks = {
        "mood": {
            "kind": "classification",
            "data": {"train": str(tmp_path / "train.jsonl"), "label": "mood"},
        },
        "entity": {"kind": "tagging", "data": {"train": str(tmp_path / "tags.jsonl")}},
    }
    config = an_experiment(
        backbone=bert,
        tasks=tasks,
        freezing={"mode": "backbone", "heads": ["mood"]},
        training={"epochs": 1, "batch_size": 2},
    )

    events = events_of(config, tmp_path / "run")

    norms = [one.gradient_norm for one in of(StepFinished, events)]
    assert norms.count(0.0) > 0
    assert of(RunFinished, events)[0].step == 22


def test_gradual_unfreezing_shows_in_the_rates_and_in_the_table(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=bert,
        folder=corpus,
        freezing={"mode": "embeddings", "gradual": 0.5},
        optimization={"layer_rates": "decay", "layer_decay": 0.5, "schedule": "constant"},
        training={"epochs": 4},
    )

    events = events_of(config, tmp_path)

    started, finished = of(RunStarted, events)[0], of(RunFinished, events)[0]
    begins = {group.name: group.first_step for group in started.groups}
    assert begins == {
        "embeddings": 1, "layer 0": 7, "layer 1": 4, "head mood": 1, "head entity": 1,
    }  # fmt: skip
    moving = [list(one.learning_rates) for one in of(StepFinished, events)]
    assert moving[2] == ["heads"]
    assert sorted(moving[3]) == ["heads", "layer 1"]
    assert sorted(moving[6]) == ["heads", "layer 0", "layer 1"]
    last = of(StepFinished, events)[-1].learning_rates
    assert last == {"heads": 5e-3, "layer 1": 2.5e-3, "layer 0": 1.25e-3}
    assert finished.frozen_checksum == started.frozen_checksum != ""


@pytest.mark.parametrize("freezing", [{}, {"gradual": 0.6}], ids=["at once", "gradually"])
def test_only_the_rows_that_occur_are_trained_whatever_thaws(
    freezing: dict[str, Any], bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, freezing=freezing, training={"epochs": 3})

    events = events_of(config, tmp_path)

    assert of(StepFinished, events)[-1].losses["mood"] < of(StepFinished, events)[0].losses["mood"]
    started = of(RunStarted, events)[0]
    assert sum(group.parameters for group in started.groups) == started.total_parameters


def test_a_rate_that_waits_for_a_plateau_falls_when_dev_stands_still(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=bert,
        folder=corpus,
        optimization={
            "learning_rate": 1e-9,
            "schedule": "plateau",
            "warmup": 0.0,
            "plateau_patience": 0,
            "minimum_rate": 0.3,
        },
        training={"epochs": 4},
    )

    events = events_of(config, tmp_path)

    rates = [one.learning_rates["heads"] for one in of(StepFinished, events)]
    assert rates == pytest.approx([1e-9] * 6 + [0.5e-9] * 3 + [0.3e-9] * 3)


@pytest.mark.parametrize("name", ["adafactor", "schedule_free"])
def test_other_optimizers_train_and_save_what_was_evaluated(
    name: str, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    if name == "schedule_free":
        pytest.importorskip("schedulefree", reason="the extra schedulefree is not installed")
    config = an_experiment(
        backbone=bert,
        folder=corpus,
        optimization={"learning_rate": 1e-3, "optimizer": name, "schedule": "constant"},
        training={"epochs": 3},
    )

    events = events_of(config, tmp_path)

    losses = [one.metrics["mood"]["loss"] for one in of(EvaluationFinished, events)]
    assert losses[-1] < losses[0]
    best = [one for one in of(CheckpointSaved, events) if one.is_best][-1]
    loaded = load_model_folder(tmp_path / best.folder / "model")
    arithmetic = choose_arithmetic("cpu", "fp32")
    again = read_corpus(config)
    split = encode_split(again.dev, loaded.tokenizer, again.labels)
    found = evaluate(loaded, split, again.labels, arithmetic)
    then = {one.step: one.metrics for one in of(EvaluationFinished, events)}[best.step]
    assert found["mood"]["loss"] == pytest.approx(then["mood"]["loss"], abs=1e-4)


# --- Stopping -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("wish", "evaluations"), [(Stop(), 1), (StopNow(), 0)])
def test_a_run_that_is_asked_to_stop_leaves_at_the_next_update(
    wish: Request, evaluations: int, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, showcase={"texts": ["Ada."]})

    events = events_of(config, tmp_path, Script((2, wish)))

    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert (finished.step, finished.stopped) == (2, True)
    assert len(of(StepFinished, events)) == 2
    assert len(of(EvaluationFinished, events)) == len(of(CheckpointSaved, events)) == evaluations
    assert len(of(ShowcaseComputed, events)) == evaluations


def test_who_asks_to_stop_at_the_last_update_gets_a_whole_run(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, training=QUICK)

    events = events_of(config, tmp_path, Script((3, Stop())))

    assert of(RunFinished, events)[0].stopped is False
    assert len(of(CheckpointSaved, events)) == 1


def test_updates_that_are_read_together_share_the_time_until_they_were_read(
    trained: TrainedRun,
) -> None:
    # A GPU is told of an update in no time; what it takes shows when its numbers are fetched.
    numbers = torch.zeros(())
    reader = BlockReader(block=20)
    begin = time.perf_counter()
    for step in (1, 2):
        reader.add(Update(step, {}, numbers, numbers, {}, (0, 1), 2, 9), 0.0, begin - 0.3)
    is_full_at_once = reader.is_full
    run: Any = SimpleNamespace(total_steps=9, requests=Requests(), scaler=None)

    told = list(reader.read(run))

    assert sum(event.seconds for event in of(StepFinished, told)) == pytest.approx(0.3, abs=0.2)
    assert told[0].seconds == told[1].seconds  # type: ignore[union-attr]
    assert not is_full_at_once
    reader.add(Update(3, {}, numbers, numbers, {}, (0, 1), 2, 9), 0.0, begin - 5.0)
    assert reader.is_full


def test_a_run_that_is_not_asked_to_stop_says_so(trained: TrainedRun) -> None:
    assert of(RunFinished, trained.events)[0].stopped is False


# --- Truncation, unlabelled rows, showcase ------------------------------------------------------


def test_cut_words_are_told_and_count_as_missed(bert: Path, tmp_path: Path) -> None:
    # Else F1 rises with truncation.
    rows = [
        {"tokens": ["Ada", *["."] * 12, "Oslo"], "tags": ["B-PER", *["O"] * 12, "B-LOC"]}
        for _ in range(8)
    ]
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "dev.jsonl", rows[:2])
    config = an_experiment(
        backbone=bert,
        tasks={"entity": a_task(tmp_path, "tagging", dropout=0.0)},
        training={"epochs": 25},
        optimization={"learning_rate": 1e-2},
    )
    config = config.model_copy(
        update={"backbone": config.backbone.model_copy(update={"max_length": 8})}
    )

    events = events_of(config, tmp_path / "run")

    metrics = of(EvaluationFinished, events)[-1].metrics["entity"]
    assert metrics["span_precision"] == 1.0
    assert metrics["span_recall"] == 0.5
    assert of(RunStarted, events)[0].tasks[0].truncated == {"train": 8, "dev": 2}
    warnings = [one.message for one in of(Warned, events) if "were cut" in one.message]
    assert any("entity/train: 8 text(s) are longer than 8 pieces" in text for text in warnings)
    assert all("Raise backbone.max_length" in text for text in warnings)


def test_nobody_is_told_to_raise_a_length_that_the_backbone_does_not_take(
    bert: Path, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "train.jsonl", [*sentences(8), {"text": "rain " * 200, "mood": "good"}])
    write_jsonl(tmp_path / "dev.jsonl", sentences(4))
    config = an_experiment(backbone=bert, tasks={"mood": a_task(tmp_path)}, training=QUICK)
    longer = config.backbone.model_copy(update={"max_length": 4 * POSITIONS})

    events = events_of(config.model_copy(update={"backbone": longer}), tmp_path / "run")

    warnings = [one.message for one in of(Warned, events) if "were cut" in one.message]
    assert len(warnings) == 1
    assert warnings[0].endswith("The backbone takes no longer ones.")


def test_unlabelled_rows_are_told(bert: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    write_jsonl(tmp_path / "train.jsonl", [*sentences(8), {"text": "x", "mood": None}])
    config = an_experiment(backbone=bert, tasks={"mood": a_task(tmp_path)}, training=QUICK)

    warnings = [one.message for one in of(Warned, events_of(config, tmp_path / "run"))]

    assert any("mood/train: 1 row(s) have no label" in text for text in warnings)


def test_the_showcase_is_what_the_best_checkpoint_says(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    texts = ["Ada loves the rain in Paris.", "🙂", "Kurt"]
    config = an_experiment(
        backbone=bert, folder=corpus, showcase={"texts": texts}, training={"epochs": 3}
    )

    events = events_of(config, tmp_path)

    shown = of(ShowcaseComputed, events)[0]
    best = [one for one in of(CheckpointSaved, events) if one.is_best][-1]
    predictor = Predictor.open(tmp_path / best.folder / "model")
    assert np.allclose(shown.vectors, predictor.encode(texts), atol=1e-6)
    assert shown.labels == {"mood": ("bad", "good", "plain")}
    assert [len(row) for row in shown.logits["mood"]] == [3, 3, 3]
    assert len(shown.entities["entity"]) == 3
    assert isinstance(events[-1], RunFinished)


def test_bad_data_ends_the_run_before_the_first_step(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    tasks = {"mood": a_task(corpus, data={"train": str(tmp_path / "gone.jsonl")})}
    events = train(an_experiment(backbone=bert, tasks=tasks), folder=tmp_path)

    assert isinstance(next(events), PhaseStarted)
    with pytest.raises(DataError, match=r"gone\.jsonl is not there"):
        list(events)


def test_training_prints_nothing(
    bert: Path, corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    events_of(an_experiment(backbone=bert, folder=corpus, training=QUICK), tmp_path)

    assert capfd.readouterr() == ("", "")


def test_bf16_learns_as_well(bert: Path, corpus: Path, tmp_path: Path) -> None:
    config = an_experiment(
        backbone=bert, folder=corpus, training={"precision": "bf16", "epochs": 6}
    )

    steps = of(StepFinished, events_of(config, tmp_path))

    assert steps[-1].losses["entity"] < 0.8 * steps[0].losses["entity"]


# --- Sampling -----------------------------------------------------------------------------------


def test_shares_are_told_where_texts_are_drawn_for_tasks(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    few = write_jsonl(tmp_path / "few.jsonl", sentences(6, first=200))
    tasks = {
        "mood": a_task(corpus),
        "entity": a_task(corpus, "tagging", data={"train": str(few)}),
    }
    config = an_experiment(
        backbone=bert,
        tasks=tasks,
        training=QUICK | {"epochs": 2},
        sampling={"strategy": "uniform", "epoch": "largest"},
    )

    steps = of(StepFinished, events_of(config, tmp_path))

    assert [step.texts for step in steps] == [8] * 12
    assert all(step.shares == {"mood": 0.5, "entity": 0.5} for step in steps)
    assert all(step.planned_shares == {"mood": 0.5, "entity": 0.5} for step in steps)


def test_texts_that_are_not_drawn_for_tasks_tell_no_shares(trained: TrainedRun) -> None:
    assert not any(step.shares for step in of(StepFinished, trained.events))


def test_batches_by_a_budget_train_as_many_updates_as_were_told(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=bert, folder=corpus, training=QUICK | {"epochs": 3}, sampling={"token_budget": 90}
    )

    events = events_of(config, tmp_path)

    steps, started = of(StepFinished, events), of(RunStarted, events)[0]
    assert [step.step for step in steps] == list(range(1, started.total_steps + 1))
    assert sum(step.texts for step in steps) == 3 * 24
    assert steps[-1].epoch == pytest.approx(3.0)


def test_settings_that_cannot_be_had_are_told(bert: Path, corpus: Path, tmp_path: Path) -> None:
    config = an_experiment(
        backbone=bert,
        folder=corpus,
        backbone_settings={"max_length": 5000},
        optimization={"learning_rate": 0.5, "warmup": 500},
        training={"epochs": 1, "micro_batch_size": 64, "evaluations_per_epoch": 9},
    )

    events = events_of(config, tmp_path, Script((1, StopNow())))

    told = "\n".join(one.message for one in of(Warned, events))
    for words in (
        f"You asked for backbone.max_length = 5000; {bert} has positions for 128 pieces",
        "micro_batch_size = 64 divides nothing: an update has 8 texts",
        "optimization.warmup = 500; the run has 3 updates",
        "evaluations_per_epoch = 9; an epoch has 3 updates",
        "learning_rate = 0.5 is far above the usual",
    ):
        assert words in told
