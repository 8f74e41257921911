"""Where a model is wrong on a labelled split: confusions, scores by class, the worst mistakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.schemes import UNANNOTATED, judged_tags, scheme_of_names, spans


@dataclass(frozen=True)
class ClassScores:
    """How well one class, or one type of entity, is found."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    """How often it is right."""


@dataclass(frozen=True)
class Mistake:
    """One example that was predicted otherwise than it is labelled."""

    text: str
    expected: Any
    predicted: Any
    badness: float
    """The larger, the worse: certainty of the wrong class, words with a wrong tag, distance of
    numbers."""
    words: tuple[str, ...] = ()
    """Of a task that labels words."""


@dataclass(frozen=True)
class TaskReview:
    """What one task's head does on a split."""

    kind: str
    examples: int
    wrong: int
    labels: tuple[str, ...]
    """Rows and columns of `confusion`."""
    confusion: tuple[tuple[int, ...], ...]
    """How often each class (row) was taken for each (column); empty for other than classes."""
    classes: tuple[ClassScores, ...]
    mistakes: tuple[Mistake, ...]
    """The worst first."""


def review_classes(
    labels: Sequence[str],
    texts: Sequence[str],
    expected: Sequence[str],
    predicted: Sequence[str],
    certainties: Sequence[float],
    most: int,
) -> TaskReview:
    """Review one class a text.

    Args:
        labels: Of the task.
        texts: The examples.
        expected: Their right classes.
        predicted: What was predicted.
        certainties: Probability of what was predicted.
        most: So many mistakes are kept.
    """
    counts = Counter(zip(expected, predicted, strict=True))
    confusion = tuple(tuple(counts[row, column] for column in labels) for row in labels)
    classes = tuple(
        _scores(
            label,
            counts[label, label],
            sum(counts[label, other] for other in labels),
            sum(counts[other, label] for other in labels),
        )
        for label in labels
    )
    mistakes = [
        Mistake(text, right, guess, certainty)
        for text, right, guess, certainty in zip(
            texts, expected, predicted, certainties, strict=True
        )
        if right != guess
    ]
    return _review("classification", len(texts), mistakes, most, labels, confusion, classes)


def review_tags(
    labels: Sequence[str],
    texts: Sequence[str],
    words: Sequence[Sequence[str]],
    expected: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    most: int,
) -> TaskReview:
    """Review tags of words: by type of entity where they are spans, else by tag."""
    scheme = scheme_of_names(labels)
    right, wanted, found = Counter[str](), Counter[str](), Counter[str]()
    mistakes = []
    for text, own, truth, guess in zip(texts, words, expected, predicted, strict=True):
        known = [at for at, tag in enumerate(truth) if tag != UNANNOTATED]
        if scheme == "plain":
            judged = [truth[at] for at in known], [guess[at] for at in known]
        else:
            judged = judged_tags(truth, guess, scheme)
        truth_spans, guess_spans = (_spans(tags, scheme) for tags in judged)
        wanted.update(label for _, _, label in truth_spans)
        found.update(label for _, _, label in guess_spans)
        right.update(label for _, _, label in truth_spans & guess_spans)
        wrong = sum(truth[at] != guess[at] for at in known)
        if wrong:
            mistakes.append(Mistake(text, list(truth), list(guess), float(wrong), tuple(own)))
    types = sorted(wanted.keys() | found.keys())
    classes = tuple(_scores(one, right[one], wanted[one], found[one]) for one in types)
    return _review("tagging", len(texts), mistakes, most, types, (), classes)


def review_labels(
    labels: Sequence[str],
    texts: Sequence[str],
    expected: Sequence[NDArray[Any]],
    predicted: Sequence[NDArray[Any]],
    most: int,
) -> TaskReview:
    """Review several labels a text.

    Args:
        labels: Of the task.
        texts: The examples.
        expected: Flags of each, `(labels,)`; what is no flag was not asked for and is left out.
        predicted: Whether each label is given, `(labels,)`.
        most: So many mistakes are kept.
    """
    wanted = np.array(expected, dtype=np.float64).reshape(-1, len(labels))
    found = np.array(predicted, dtype=np.float64).reshape(-1, len(labels)) > 0.5
    is_known, is_wanted = np.isfinite(wanted) & (wanted >= 0), wanted > 0.5
    found &= is_known
    classes = tuple(
        _scores(
            label,
            int((found & is_wanted)[:, at].sum()),
            int((is_wanted & is_known)[:, at].sum()),
            int(found[:, at].sum()),
        )
        for at, label in enumerate(labels)
    )
    mistakes = [
        Mistake(
            text,
            ", ".join(label for label, is_it in zip(labels, right, strict=True) if is_it) or "none",
            ", ".join(label for label, is_it in zip(labels, guess, strict=True) if is_it) or "none",
            float((right != guess).sum()),
        )
        for text, right, guess in zip(texts, is_wanted & is_known, found, strict=True)
        if (right != guess).any()
    ]
    return _review("multilabel", len(texts), mistakes, most, labels, (), classes)


def review_others(
    kind: str, texts: Sequence[str], expected: Sequence[Any], predicted: Sequence[Any], most: int
) -> TaskReview:
    """Review anything else: numbers by their distance, the rest by being equal or not."""
    mistakes = [
        Mistake(text, right, guess, _distance(right, guess))
        for text, right, guess in zip(texts, expected, predicted, strict=True)
        if right != guess
    ]
    return _review(kind, len(texts), mistakes, most, (), (), ())


def _review(
    kind: str,
    examples: int,
    mistakes: Sequence[Mistake],
    most: int,
    labels: Sequence[str],
    confusion: tuple[tuple[int, ...], ...],
    classes: tuple[ClassScores, ...],
) -> TaskReview:
    worst = sorted(mistakes, key=lambda one: -one.badness)[:most]
    return TaskReview(
        kind, examples, len(mistakes), tuple(labels), confusion, classes, tuple(worst)
    )


def _spans(tags: Sequence[str], scheme: Any) -> set[tuple[int, int, str]]:
    if scheme == "plain":
        return {(at, at + 1, tag) for at, tag in enumerate(tags)}
    return set(spans(list(tags), scheme))


def _scores(label: str, right: int, wanted: int, found: int) -> ClassScores:
    precision = right / found if found else 0.0
    recall = right / wanted if wanted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return ClassScores(label, precision, recall, f1, wanted)


def _distance(right: Any, guess: Any) -> float:
    if isinstance(right, int | float) and isinstance(guess, int | float):
        return abs(float(right) - float(guess))
    return 1.0
