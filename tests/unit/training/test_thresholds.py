"""Thresholds of labels, tuned on dev."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workbench.inference.evaluation import TaskPredictions
from workbench.model.heads import MultilabelHead
from workbench.training.metrics import multilabel_metrics
from workbench.training.thresholds import GRID, best_threshold, tune_thresholds

LABELS = ("a", "b", "c")


def a_head(tuning: str) -> MultilabelHead:
    return MultilabelHead(4, labels=LABELS, dropout=0.0, tuning=tuning)


def some_predictions(seed: int = 0, texts: int = 60) -> TaskPredictions:
    """Labels of which the second and third are given too seldom by a half."""
    random = np.random.default_rng(seed)
    flags = (random.random((texts, 3)) < (0.5, 0.3, 0.1)).astype(np.float32)
    chance = np.array([0.55, 0.35, 0.15]) * flags + 0.3 * random.random((texts, 3))
    probabilities = chance.astype(np.float32)
    predicted = [np.stack([one, (one >= 0.5).astype(np.float32)]) for one in probabilities]
    return TaskPredictions(0.0, list(flags), predicted)


def metrics_of(found: TaskPredictions) -> dict[str, float]:
    return multilabel_metrics(found.expected, found.predicted)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 8).map(lambda n: n / 8)), min_size=1, max_size=20
    )
)
def test_the_best_threshold_has_the_best_f1_of_all_there_are(
    pairs: list[tuple[bool, float]],
) -> None:
    flags = np.array([flag for flag, _ in pairs], np.float32)
    probabilities = np.array([value for _, value in pairs], np.float32)

    found = best_threshold(flags, probabilities, before=0.5)

    def f1(threshold: float) -> float:
        given_label = probabilities >= np.float32(threshold)
        return float(2 * (flags * given_label).sum() / max(1, flags.sum() + given_label.sum()))

    if flags.any():
        assert f1(found) == pytest.approx(max(f1(number / 16) for number in range(18)))
    else:
        assert found == 0.5


def test_the_threshold_lies_half_way_between_two_texts() -> None:
    flags: NDArray[np.float32] = np.array([1, 1, 0, 0], np.float32)

    found = best_threshold(flags, np.array([0.9, 0.8, 0.2, 0.1], np.float32), before=0.5)

    assert found == pytest.approx(0.5)


def test_texts_of_which_nobody_knows_move_no_threshold() -> None:
    flags = np.array([1, np.nan, np.nan, 0], np.float32)

    found = best_threshold(flags, np.array([0.6, 0.99, 0.01, 0.2], np.float32), before=0.5)

    assert found == pytest.approx(0.4)


@pytest.mark.parametrize("metric", ["macro_f1", "micro_f1", "sample_accuracy"])
def test_one_threshold_is_the_best_of_the_grid_for_the_metric(metric: str) -> None:
    head, found = a_head("one"), some_predictions()
    probabilities = np.stack(found.predicted)[:, 0]

    tune_thresholds(head, found, metric)

    def value(threshold: float) -> float:
        cut = list(np.stack([probabilities, probabilities >= np.float32(threshold)], axis=1))
        return multilabel_metrics(found.expected, cut)[metric]

    assert len(set(head.thresholds.tolist())) == 1
    assert metrics_of(found)[metric] == pytest.approx(max(map(value, GRID)))


def test_thresholds_by_label_are_never_worse_for_macro_f1_than_one() -> None:
    values = {}
    for tuning in ("fixed", "one", "per_label"):
        head, found = a_head(tuning), some_predictions()
        tune_thresholds(head, found, "macro_f1")
        values[tuning] = metrics_of(found)["macro_f1"]

    assert values["fixed"] < values["one"] <= values["per_label"] + 1e-9


def test_fixed_thresholds_stay_as_they_are() -> None:
    head, found = a_head("fixed"), some_predictions()
    before = metrics_of(found)

    tune_thresholds(head, found, "macro_f1")

    assert head.thresholds.tolist() == [0.5] * 3
    assert metrics_of(found) == before
