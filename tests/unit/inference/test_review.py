"""Where a model is wrong: counts that agree with each other, the worst mistakes first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.inference.review import review_classes, review_labels, review_others, review_tags
from workbench.training.metrics import tagging_metrics

LABELS = ("a", "b", "c")
PAIRS = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), max_size=40)


@given(PAIRS)
def test_confusions_scores_and_mistakes_count_the_same_examples(
    pairs: list[tuple[str, str]],
) -> None:
    expected, predicted = [one for one, _ in pairs], [other for _, other in pairs]
    texts = [f"text {at}" for at in range(len(pairs))]

    review = review_classes(LABELS, texts, expected, predicted, [0.5] * len(pairs), 1000)

    assert sum(map(sum, review.confusion)) == len(pairs) == review.examples
    on_diagonal = sum(review.confusion[at][at] for at in range(len(LABELS)))
    assert review.wrong == len(pairs) - on_diagonal == len(review.mistakes)
    assert [one.support for one in review.classes] == [expected.count(label) for label in LABELS]


def test_the_surest_mistake_is_the_worst() -> None:
    review = review_classes(
        LABELS, ["x", "y", "z"], ["a", "b", "c"], ["b", "b", "a"], [0.6, 0.9, 0.8], 10
    )

    assert [(one.text, one.predicted) for one in review.mistakes] == [("z", "a"), ("x", "b")]


def test_entities_count_only_if_both_ends_and_the_type_are_right() -> None:
    labels = ("O", "B-PER", "I-PER", "B-LOC")
    expected = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC"]]
    predicted = [["B-PER", "O", "O", "B-LOC"], ["O", "B-LOC"]]

    review = review_tags(labels, ["one", "two"], [list("wxyz"), list("uv")], expected, predicted, 9)

    scores = {one.label: (one.precision, one.recall, one.support) for one in review.classes}
    assert scores == {"LOC": (1.0, 1.0, 2), "PER": (0.0, 0.0, 1)}
    assert [(one.text, one.badness) for one in review.mistakes] == [("one", 1.0)]


def test_of_several_labels_each_is_counted_for_itself() -> None:
    flags = [np.array([1.0, 0.0, 1.0]), np.array([0.0, 1.0, -1.0])]
    given = [np.array([1.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0])]

    review = review_labels(LABELS, ["one", "two"], flags, given, 9)

    assert [(one.precision, one.recall) for one in review.classes] == [(1, 1), (0.5, 1), (0, 0)]
    (mistake,) = review.mistakes  # the label that nobody asked for is no mistake
    assert (mistake.expected, mistake.predicted, mistake.badness) == ("a, c", "a, b", 2.0)


def test_of_numbers_the_farthest_is_the_worst() -> None:
    review = review_others("regression", ["x", "y", "z"], [1.0, 2.0, 3.0], [1.0, 5.0, 2.5], 9)

    assert [one.text for one in review.mistakes] == ["y", "z"]
    assert review.mistakes[0].badness == pytest.approx(3.0)


def test_spans_beside_words_that_nobody_annotated_count_as_in_the_metrics() -> None:
    labels = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    expected = [["B-PER", "?", "O", "B-LOC"], ["B-LOC", "O", "?"]]
    predicted = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "O", "B-PER"]]

    review = review_tags(
        labels, ["one", "two"], [list("wxyz"), list("uvw")], expected, predicted, 9
    )

    metrics = tagging_metrics(expected, predicted, scheme="bio")
    right = sum(round(one.recall * one.support) for one in review.classes)
    assert right / sum(one.support for one in review.classes) == metrics["span_recall"]
