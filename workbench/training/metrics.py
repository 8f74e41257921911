"""What is reported of a task. Higher is better, except the loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def classification_metrics(
    expected: NDArray[np.int64], predicted: NDArray[np.int64]
) -> dict[str, float]:
    """Accuracy, and F1 averaged over the classes that occur in either, each counting alike.

    Args:
        expected: Class of each text, `(texts,)`.
        predicted: The same as predicted.
    """
    # Here, not above: scikit-learn takes 1 s to import, and training starts without it.
    from sklearn.metrics import f1_score

    return {
        "accuracy": float((expected == predicted).mean()),
        "macro_f1": float(f1_score(expected, predicted, average="macro", zero_division=0.0)),
    }


def tagging_metrics(
    expected: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], *, with_spans: bool
) -> dict[str, float]:
    """Share of right words and, for BIO tags, strict precision, recall and F1 of whole spans.

    Strict as in seqeval's strict mode with IOB2: a span counts if both ends and the type are
    right, and an `I-` without its `B-` begins none. Averaged over spans, not types.

    Args:
        expected: Tags of each text's words; a word that was cut off is among them.
        predicted: The same as predicted; `O` for a word that was cut off.
        with_spans: Whether the tags are BIO. It is a matter of the label space, not of these
            tags: a split without a span, where none was predicted, still has a span F1, of 0.
    """
    pairs = [
        (right, guess)
        for tags, guesses in zip(expected, predicted, strict=True)
        for right, guess in zip(tags, guesses, strict=True)
    ]
    metrics = {"accuracy": sum(right == guess for right, guess in pairs) / max(1, len(pairs))}
    if not with_spans:
        return metrics
    from seqeval.metrics.v1 import precision_recall_fscore_support
    from seqeval.scheme import IOB2

    precision, recall, f1, _ = precision_recall_fscore_support(
        [list(tags) for tags in expected],
        [list(tags) for tags in predicted],
        average="micro",
        scheme=IOB2,
        zero_division=0,
    )
    return metrics | {
        "span_precision": float(precision),
        "span_recall": float(recall),
        "span_f1": float(f1),
    }
