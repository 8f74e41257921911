"""What is reported of a task. Higher is better, except the loss and errors (rmse, mae)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import eq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.labels import LabelSpace
from workbench.data.schemes import UNANNOTATED, Scheme, judged_tags
from workbench.inference.evaluation import GROUP


def classification_metrics(expected: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """Accuracy, and F1 averaged over the classes that occur in either, each counting alike.

    Args:
        expected: Class of each text, at least one.
        predicted: The same as predicted.
    """
    # Here, not above: scikit-learn takes 1 s to import, and training starts without it.
    from sklearn.metrics import f1_score

    return {
        "accuracy": float(sum(map(eq, expected, predicted)) / len(expected)),
        "macro_f1": float(f1_score(expected, predicted, average="macro", zero_division=0.0)),
    }


def share_of_right(expected: Sequence[Sequence[int]], predicted: Sequence[Sequence[int]]) -> float:
    """Share of the hidden pieces that were guessed.

    Args:
        expected: Pieces that were hidden of each text.
        predicted: The same as guessed.
    """
    right = sum(sum(map(eq, *pair)) for pair in zip(expected, predicted, strict=True))
    return right / max(1, sum(len(pieces) for pieces in expected))


def tagging_metrics(
    expected: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], *, scheme: Scheme
) -> dict[str, float]:
    """Share of right words and, for tags of spans, strict precision, recall and F1 of spans.

    Strict as in seqeval's strict mode: a span counts if both ends and the type are right, and
    one that does not begin (in BIOES: or end) as it should is none. Averaged over spans, not
    types. Words that are not annotated count nowhere, and spans that reach into them neither.

    Args:
        expected: Tags of each text's words; a word that was cut off is among them.
        predicted: The same as predicted; `O` for a word that was cut off.
        scheme: Of the label space, not of these tags: a split without a span, where none was
            predicted, still has a span F1, of 0.
    """
    pairs = [
        (right, guess)
        for tags, guesses in zip(expected, predicted, strict=True)
        for right, guess in zip(tags, guesses, strict=True)
        if right != UNANNOTATED
    ]
    metrics = {"accuracy": sum(right == guess for right, guess in pairs) / max(1, len(pairs))}
    if scheme == "plain":
        return metrics
    from seqeval.metrics.v1 import precision_recall_fscore_support
    from seqeval.scheme import IOB2, IOBES

    judged = [
        judged_tags(tags, guesses, scheme)
        for tags, guesses in zip(expected, predicted, strict=True)
    ]
    precision, recall, f1, _ = precision_recall_fscore_support(
        [tags for tags, _ in judged],
        [guesses for _, guesses in judged],
        average="micro",
        scheme=IOBES if scheme == "bioes" else IOB2,
        zero_division=0,
    )
    return metrics | {
        "span_precision": float(precision),
        "span_recall": float(recall),
        "span_f1": float(f1),
    }


def multilabel_metrics(
    expected: Sequence[NDArray[np.float32]], predicted: Sequence[NDArray[np.float32]]
) -> dict[str, float]:
    """F1 of the labels, averaged over labels and over decisions, and the share of right texts.

    Decisions that nobody has made count nowhere.

    Args:
        expected: Of each text a flag for each label, NaN where it is not known.
        predicted: Of each text probabilities, and 1 for each label that is given, `(2, labels)`.
    """
    flags, given = np.stack(expected), np.stack(predicted)[:, 1] > 0.5  # (texts, labels)
    known = ~np.isnan(flags)
    right = flags > 0.5
    hits = (known & right & given).sum(axis=0)
    all_of = (known & right).sum(axis=0) + (known & given).sum(axis=0)  # right ones and given ones
    occurs = all_of > 0
    return {
        "macro_f1": float((2 * hits[occurs] / all_of[occurs]).mean()) if occurs.any() else 0.0,
        "micro_f1": float(2 * hits.sum() / max(1, all_of.sum())),
        "sample_accuracy": float(((right == given) | ~known).all(axis=1).mean()),
    }


def regression_metrics(expected: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """Correlation of values and of ranks, and errors in the labels' unit.

    A correlation is 0 where all numbers are the same: nothing can be told apart then.
    """
    errors = np.subtract(predicted, expected)
    return correlations(expected, predicted) | {
        "rmse": float(np.sqrt((errors**2).mean())),
        "mae": float(np.abs(errors).mean()),
    }


def correlations(expected: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """Pearson's of the values, Spearman's of the ranks."""
    return {
        "pearson": _pearson(np.asarray(expected), np.asarray(predicted)),
        "spearman": _pearson(_ranks(expected), _ranks(predicted)),
    }


def ranking_metrics(
    keys: Sequence[tuple[int, ...]], vectors: Sequence[NDArray[np.float32]], size: int
) -> dict[str, float]:
    """How near to each first text its second one is, among the second texts of `size` examples.

    The examples are taken in their order; the last ones are looked for among the last `size`, so
    that the number of candidates is the same for all (or that of all examples, if they are
    fewer). Another text that is known to belong to the first, or is the same, is no candidate.
    One that is as near is ranked before.

    Args:
        keys: Of both texts of each example; equal for equal texts.
        vectors: Of both texts, of length 1, `(2, width)`.
        size: How many examples are compared.

    Returns:
        The share that is nearest of all, and the mean of 1 / rank.
    """
    mates: dict[int, set[int]] = {}
    for first, second in keys:
        mates.setdefault(first, {first}).add(second)
    ranks = []
    for begin in range(0, len(keys), size):
        low = max(0, min(begin, len(keys) - size))
        candidates = np.stack([vectors[at][1] for at in range(low, min(low + size, len(keys)))])
        names = [second for _, second in keys[low : low + size]]
        for at in range(begin, min(begin + size, len(keys))):
            first, second = keys[at]
            cosines = candidates @ vectors[at][0]
            others = [number for number, key in enumerate(names) if key not in mates[first]]
            own = cosines[names.index(second)]
            ranks.append(1 + int((cosines[others] >= own).sum()))
    return {
        "accuracy_at_1": float(np.mean([rank == 1 for rank in ranks])),
        "mrr": float(np.mean([1 / rank for rank in ranks])),
    }


def _pearson(one: NDArray[Any], other: NDArray[Any]) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale > 0 else 0.0


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Places in ascending order, from 0; equal values share the mean of theirs."""
    _, number, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: NDArray[np.float64] = (ends - (counts + 1) / 2)[number]
    return means


METRICS: dict[str, Callable[[Sequence[Any], Sequence[Any], LabelSpace], dict[str, float]]] = {
    "classification": lambda expected, predicted, space: classification_metrics(
        expected, predicted
    ),
    "few_shot": lambda expected, predicted, space: classification_metrics(expected, predicted),
    "tagging": lambda expected, predicted, space: tagging_metrics(
        expected, predicted, scheme=space.scheme
    ),
    "multilabel": lambda expected, predicted, space: multilabel_metrics(expected, predicted),
    "regression": lambda expected, predicted, space: regression_metrics(expected, predicted),
    "similarity": lambda expected, predicted, space: correlations(expected, predicted),
    "masked_lm": lambda expected, predicted, space: {
        "accuracy": share_of_right(expected, predicted)
    },
    "contrastive": lambda expected, predicted, space: ranking_metrics(expected, predicted, GROUP),
}
"""By task kind: from what was expected and predicted, as `AnswerKind.compared` gives them."""
