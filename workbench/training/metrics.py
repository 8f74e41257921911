"""What is reported of a task. Higher is better, except the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import eq
from typing import Any

from workbench.data.labels import LabelSpace
from workbench.data.schemes import UNANNOTATED, Scheme, chains, spans


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
        _judged(tags, guesses, scheme) for tags, guesses in zip(expected, predicted, strict=True)
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


def _judged(
    tags: Sequence[str], guesses: Sequence[str], scheme: Scheme
) -> tuple[list[str], list[str]]:
    """Both without what nobody can judge: spans that touch words that are not annotated."""
    if UNANNOTATED not in tags:
        return list(tags), list(guesses)
    unknown = {at for at, tag in enumerate(tags) if tag == UNANNOTATED}
    for chain in chains(tags, scheme):
        if not (chain.is_begun and chain.is_ended):
            unknown.update(range(chain.begin, chain.end))
    right = ["O" if at in unknown else tag for at, tag in enumerate(tags)]
    guess = list(guesses)
    for begin, end, _ in spans(guesses, scheme):
        if unknown & set(range(begin, end)):
            guess[begin:end] = ["O"] * (end - begin)
    return right, guess


METRICS: dict[str, Callable[[Sequence[Any], Sequence[Any], LabelSpace], dict[str, float]]] = {
    "classification": lambda expected, predicted, space: classification_metrics(
        expected, predicted
    ),
    "tagging": lambda expected, predicted, space: tagging_metrics(
        expected, predicted, scheme=space.scheme
    ),
}
"""By task kind: from what was expected and predicted, as `AnswerKind.compared` gives them."""
