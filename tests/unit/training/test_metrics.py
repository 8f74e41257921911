from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from workbench.data.schemes import spans
from workbench.training.metrics import classification_metrics, tagging_metrics

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
