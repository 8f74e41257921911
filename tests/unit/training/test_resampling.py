from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import TrainedRun, a_task, an_experiment, events_of, sentences, write_jsonl
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.labels import LabelSpace
from workbench.errors import CheckpointError, WorkbenchError
from workbench.events import CheckpointSaved, EvaluationFinished
from workbench.training.dev_predictions import KeptPredictions, read_predictions
from workbench.training.manifest import BEST_ON_DEV
from workbench.training.metrics import METRICS
from workbench.training.resampling import _counts_of, _measure, gain, mean_gain_interval

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
CLASSES = ("bad", "good", "plain")


def kept(kind: str, expected: list[object], predicted: list[object]) -> KeptPredictions:
    labels = CLASSES if kind == "classification" else TAGS
    texts = tuple(f"text {number}" for number in range(len(expected)))
    return KeptPredictions("t", kind, 5, labels, texts, tuple(expected), tuple(predicted))


def classes(count: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(CLASSES), min_size=count, max_size=count)


@st.composite
def predictions(draw: st.DrawFn) -> tuple[KeptPredictions, np.ndarray]:
    """Predictions of either kind, and how often each text is drawn."""
    count = draw(st.integers(1, 8))
    times = np.array(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    times[0] += 1
    if draw(st.booleans()):
        return kept("classification", draw(classes(count)), draw(classes(count))), times
    lengths = draw(st.lists(st.integers(1, 6), min_size=count, max_size=count))
    known, guesses = [], []
    for length in lengths:
        tags = st.lists(st.sampled_from((*TAGS, "?")), min_size=length, max_size=length)
        known.append(draw(tags))
        guesses.append([tag if tag != "?" else "O" for tag in draw(tags)])
    return kept("tagging", known, guesses), times


@given(predictions())
def test_metrics_of_drawn_texts_are_those_of_the_texts_written_out(
    drawn: tuple[KeptPredictions, np.ndarray],
) -> None:
    one, times = drawn
    space = LabelSpace("t", one.labels, one.kind)
    rows = np.repeat(np.arange(len(times)), times).tolist()
    whole = METRICS[one.kind](
        [one.expected[row] for row in rows], [one.predicted[row] for row in rows], space
    )

    metrics = ("accuracy", "macro_f1" if one.kind == "classification" else "span_f1")

    for metric in metrics:
        assert _counts_of(one, metric) is not None
        assert _measure(one, metric)(times.astype(float)) == pytest.approx(whole[metric])


def test_a_metric_that_is_no_function_of_sums_is_worked_out_from_the_texts() -> None:
    one = kept("tagging", [["B-PER", "O"], ["B-LOC"]], [["B-PER", "O"], ["O"]])

    assert _counts_of(one, "span_recall") is None
    assert _measure(one, "span_recall")(np.ones(2)) == pytest.approx(0.5)


def test_the_interval_covers_the_true_gain_as_often_as_it_says() -> None:
    # Two models that are right with probability 0.8 and 0.7, again and again on new texts.
    random, covered = np.random.default_rng(4), 0
    for _ in range(120):
        right = [random.random(150) < share for share in (0.8, 0.7)]
        one, other = (
            kept("classification", ["good"] * 150, ["good" if yes else "bad" for yes in found])
            for found in right
        )
        found = gain([one], [other], "accuracy")
        covered += found.low <= 0.1 <= found.high

    assert 0.88 <= covered / 120 <= 0.99


def test_the_mean_of_several_tasks_is_surer_than_each_of_them() -> None:
    random = np.random.default_rng(2)

    def runs(right: float) -> list[KeptPredictions]:
        told = [["good" if random.random() < right else "bad" for _ in range(200)] for _ in "abc"]
        return [kept("classification", ["good"] * 200, guesses) for guesses in told]

    gains = [gain(runs(0.8), runs(0.8), "accuracy", seed=task) for task in range(4)]

    low, high = mean_gain_interval(gains)

    mean = float(np.mean([one.relative for one in gains]))
    assert low < mean < high
    assert mean_gain_interval([gains[0]] * 4) == pytest.approx(mean_gain_interval(gains[:1]))
    widths = [np.ptp(np.percentile(one.drawn, [2.5, 97.5])) for one in gains]
    assert high - low < min(widths)


def test_texts_are_matched_whatever_their_order_and_seeds_are_paired() -> None:
    one = kept("classification", ["good", "bad", "plain"], ["good", "bad", "bad"])
    turned = KeptPredictions(
        "t",
        "classification",
        5,
        CLASSES,
        one.texts[::-1],
        one.expected[::-1],
        one.predicted[::-1],
    )

    found = gain([one, one], [turned, turned], "accuracy")

    assert (found.difference, found.low, found.high, found.seeds) == (0.0, 0.0, 0.0, 2)


def test_other_texts_cannot_be_compared() -> None:
    one = kept("classification", ["good", "bad"], ["good", "bad"])
    other = kept("classification", ["good"], ["good"])

    with pytest.raises(WorkbenchError, match="different texts"):
        gain([one], [other], "accuracy")


def test_a_run_keeps_what_its_best_checkpoint_says_of_dev(trained: TrainedRun) -> None:
    found = read_predictions(trained.folder / BEST_ON_DEV)

    best = [e.step for e in trained.events if isinstance(e, CheckpointSaved) and e.is_best][-1]
    metrics = next(
        event.metrics
        for event in trained.events
        if isinstance(event, EvaluationFinished) and event.step == best
    )
    assert found.keys() == {"mood", "entity"}
    for task, one in found.items():
        assert one.step == best
        assert len(set(one.texts)) == len(one.expected) == 12
        metric = trained.config.tasks[task].metric
        assert _measure(one, metric)(np.ones(12)) == pytest.approx(metrics[task][metric])


def test_texts_that_occur_twice_are_told_apart(bert: Path, tmp_path: Path) -> None:
    rows = sentences(12)
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "dev.jsonl", rows[:4] + rows[:2])
    config = an_experiment(
        backbone=bert,
        tasks={"mood": a_task(tmp_path)},
        training={"epochs": 1, "batch_size": 12},
    )
    events_of(config, tmp_path / "run")

    texts = read_predictions(tmp_path / "run" / BEST_ON_DEV)["mood"].texts

    assert len(set(texts)) == 6
    assert [text.removesuffix("-1") for text in texts[4:]] == list(texts[:2])


def test_a_damaged_file_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "dev-best.jsonl.gz"
    file.write_bytes(b"not a gzip file")

    with pytest.raises(CheckpointError, match="cannot be read"):
        read_predictions(file)
