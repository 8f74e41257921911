from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from workbench.config.fields import field_specs
from workbench.config.tasks import TASK_MODELS
from workbench.data.labels import LabelSpace
from workbench.data.schemes import spans
from workbench.training.metrics import (
    METRICS,
    classification_metrics,
    multilabel_metrics,
    ranking_metrics,
    regression_metrics,
    tagging_metrics,
)

TAGS = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"])
PAIRS = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), min_size=1, max_size=5)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_accuracy_and_macro_f1_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    expected, predicted = np.array(pairs).T

    metrics = classification_metrics(expected, predicted)

    assert metrics["accuracy"] == pytest.approx(accuracy_score(expected, predicted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f1 = f1_score(expected, predicted, average="macro")
    assert metrics["macro_f1"] == pytest.approx(f1)


def test_a_span_that_is_predicted_without_its_beginning_is_no_hit() -> None:
    expected = [["B-PER", "I-PER", "O"]]

    strict = tagging_metrics(expected, [["I-PER", "I-PER", "O"]], scheme="bio")
    whole = tagging_metrics(expected, expected, scheme="bio")

    assert (strict["span_f1"], strict["accuracy"]) == (0.0, pytest.approx(2 / 3))
    assert (whole["span_f1"], whole["accuracy"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    "predicted",
    [
        ["B-PER", "O", "O"],
        ["B-PER", "I-PER", "I-PER"],
        ["B-ORG", "I-ORG", "O"],
        ["B-PER", "I-ORG", "O"],
    ],
)
def test_a_span_with_a_wrong_end_or_type_is_no_hit(predicted: list[str]) -> None:
    metrics = tagging_metrics([["B-PER", "I-PER", "O"]], [predicted], scheme="bio")

    assert metrics["span_f1"] == 0.0


@settings(max_examples=40)
@given(PAIRS)
def test_span_metrics_count_the_spans_that_both_have(pairs: list[list[tuple[str, str]]]) -> None:
    expected = [[right for right, _ in text] for text in pairs]
    predicted = [[guess for _, guess in text] for text in pairs]

    metrics = tagging_metrics(expected, predicted, scheme="bio")

    right, found = (
        {(number, *span) for number, tags in enumerate(texts) for span in spans(tags)}
        for texts in (expected, predicted)
    )
    precision = len(right & found) / len(found) if found else 0.0
    recall = len(right & found) / len(right) if right else 0.0
    both = precision + recall
    assert metrics["span_precision"] == pytest.approx(precision)
    assert metrics["span_recall"] == pytest.approx(recall)
    assert metrics["span_f1"] == pytest.approx(2 * precision * recall / both if both else 0.0)


def test_a_split_without_spans_still_has_span_metrics() -> None:
    # The selection rule asks for span_f1, whatever was found.
    metrics = tagging_metrics([["O", "O"]], [["O", "O"]], scheme="bio")

    assert metrics == {"accuracy": 1.0, "span_precision": 0.0, "span_recall": 0.0, "span_f1": 0.0}


def test_plain_tags_have_an_accuracy_only() -> None:
    assert tagging_metrics([["NOUN", "VERB"]], [["NOUN", "NOUN"]], scheme="plain") == {
        "accuracy": 0.5
    }


def test_spans_of_bioes_tags_are_whole_only_with_their_end() -> None:
    expected = [["B-X", "E-X", "O", "S-Y"]]

    whole = tagging_metrics(expected, expected, scheme="bioes")
    half = tagging_metrics(expected, [["B-X", "I-X", "O", "S-Y"]], scheme="bioes")

    assert whole["span_f1"] == 1.0
    assert (half["span_precision"], half["span_recall"]) == (1.0, 0.5)


def test_words_that_are_not_annotated_are_neither_right_nor_wrong() -> None:
    expected = [["B-X", "O", "?", "O", "B-Y", "?"]]
    predicted = [["B-X", "O", "B-Y", "I-Y", "B-X", "I-X"]]

    metrics = tagging_metrics(expected, predicted, scheme="bio")

    # Two predicted spans reach into words that nobody tagged, and so does the expected Y.
    assert metrics["accuracy"] == 0.5
    assert (metrics["span_precision"], metrics["span_recall"]) == (1.0, 1.0)


FLAGS = st.lists(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=3, max_size=3),
    min_size=1,
    max_size=20,
)


@settings(max_examples=40)
@given(FLAGS)
def test_the_f1_of_labels_is_that_of_scikit_learn(rows: list[list[tuple[bool, bool]]]) -> None:
    right, given_labels = np.array(rows, dtype=np.float32).transpose(2, 0, 1)
    predicted = [np.stack([np.zeros(3, np.float32), one]) for one in given_labels]

    metrics = multilabel_metrics(list(right), predicted)

    occurs = right.any(axis=0) | given_labels.any(axis=0)
    micro = f1_score(right, given_labels, average="micro", zero_division=0.0)
    assert metrics["micro_f1"] == pytest.approx(micro)
    macro = (
        f1_score(right[:, occurs], given_labels[:, occurs], average="macro", zero_division=0.0)
        if occurs.sum() > 1
        else micro
    )
    assert metrics["macro_f1"] == pytest.approx(macro)
    assert metrics["sample_accuracy"] == pytest.approx(accuracy_score(right, given_labels))


def test_decisions_that_nobody_made_count_nowhere() -> None:
    nothing = np.zeros(2, np.float32)
    known = [np.array([1.0, np.nan], np.float32), np.array([0.0, 1.0], np.float32)]
    wrong_where_unknown = [
        np.stack([nothing, np.array([1.0, 1.0], np.float32)]),
        np.stack([nothing, np.array([0.0, 1.0], np.float32)]),
    ]

    metrics = multilabel_metrics(known, wrong_where_unknown)

    assert metrics == {"macro_f1": 1.0, "micro_f1": 1.0, "sample_accuracy": 1.0}


NUMBERS = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=20)


@settings(max_examples=40)
@given(NUMBERS)
def test_correlations_are_those_of_scipy_with_ties(pairs: list[tuple[int, int]]) -> None:
    from scipy.stats import pearsonr, spearmanr

    expected, predicted = ([float(value) for value in one] for one in zip(*pairs, strict=True))

    metrics = regression_metrics(expected, predicted)

    if len(set(expected)) == 1 or len(set(predicted)) == 1:
        assert metrics["pearson"] == metrics["spearman"] == 0.0
    else:
        assert metrics["pearson"] == pytest.approx(pearsonr(expected, predicted).statistic)
        assert metrics["spearman"] == pytest.approx(spearmanr(expected, predicted).statistic)


def test_errors_are_in_the_unit_of_the_labels() -> None:
    metrics = regression_metrics([10.0, 20.0], [13.0, 16.0])

    assert metrics["mae"] == 3.5
    assert metrics["rmse"] == pytest.approx(np.sqrt((9 + 16) / 2))


def units(*angles: float) -> np.ndarray:
    """Vectors of length 1 at these angles, in degrees."""
    radians = np.deg2rad(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_the_rank_of_the_right_text_is_counted_among_the_others() -> None:
    vectors = [units(0, 10), units(90, 160), units(100, 95)]  # of 90 the 95 is nearer
    keys = [(1, 2), (3, 4), (5, 6)]

    metrics = ranking_metrics(keys, vectors, 64)

    assert metrics["accuracy_at_1"] == pytest.approx(2 / 3)
    assert metrics["mrr"] == pytest.approx((1 + 1 / 2 + 1) / 3)


def test_a_text_that_is_as_near_is_ranked_before_unless_it_is_known_to_belong() -> None:
    vectors = [units(0, 20), units(0, 20)]

    assert ranking_metrics([(1, 2), (3, 4)], vectors, 64)["accuracy_at_1"] == 0.0
    assert ranking_metrics([(1, 2), (3, 2)], vectors, 64)["accuracy_at_1"] == 1.0
    assert ranking_metrics([(1, 2), (1, 4)], vectors, 64)["accuracy_at_1"] == 1.0


@given(st.integers(1, 30), st.integers(1, 8))
def test_every_text_is_looked_for_among_equally_many(count: int, size: int) -> None:
    # All texts alike: the rank is the number of candidates.
    keys = [(2 * number + 1, 2 * number + 2) for number in range(count)]

    metrics = ranking_metrics(keys, [units(0, 0)] * count, size)

    assert metrics["mrr"] == pytest.approx(1 / min(size, count))


def test_every_kind_has_metrics_and_may_be_selected_by_each_of_its_choices() -> None:
    assert set(METRICS) == set(TASK_MODELS)
    assert {kind: metric for kind, metric, known in reported() if metric not in known} == {}


def reported() -> list[tuple[str, str, set[str]]]:
    """Kind, a metric that may be chosen, and the metrics that it reports."""
    flags = [np.array([1.0], np.float32)]
    given_labels = [np.array([[0.9], [1.0]], np.float32)]
    results: dict[str, tuple[list[Any], list[Any]]] = {
        "classification": (["a"], ["a"]),
        "tagging": ([["B-X"]], [["O"]]),
        "multilabel": (flags, given_labels),
        "regression": ([1.0, 2.0], [1.0, 2.0]),
        "similarity": ([1.0, 2.0], [1.0, 2.0]),
        "contrastive": ([(1, 2)], [units(0, 0)]),
    }
    found = []
    for kind, (expected, predicted) in results.items():
        space = LabelSpace("t", ("O", "B-X", "I-X"), kind)
        known = set(METRICS[kind](expected, predicted, space))
        choices = next(
            spec.choices for spec in field_specs("tasks.*.metric") if kind in spec.task_kinds
        )
        found += [(kind, choice, known) for choice in choices]
    return found
