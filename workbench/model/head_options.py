"""A task's settings as the plain arguments of its head, one function a kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.config.task import ClassificationTask, TaggingTask
from workbench.data.labels import LabelSpace


def _classification(task: ClassificationTask, labels: LabelSpace) -> dict[str, Any]:
    return {
        "hidden_size": task.hidden_size,
        "label_smoothing": task.label_smoothing,
        "class_weights": _class_weights(task, labels),
        "focal_gamma": task.focal_gamma,
    }


def _class_weights(task: ClassificationTask, labels: LabelSpace) -> list[float] | None:
    """A weight for each class; balanced ones have the mean 1 over the examples of train."""
    if task.class_weights == "none" and not task.label_weights:
        return None
    weights = [1.0] * len(labels.names)
    if task.class_weights == "balanced":
        total = sum(labels.counts)
        weights = [total / (len(labels.names) * max(1, count)) for count in labels.counts]
    return [
        weight * task.label_weights.get(name, 1.0)
        for name, weight in zip(labels.names, weights, strict=True)
    ]


def _tagging(task: TaggingTask, labels: LabelSpace) -> dict[str, Any]:
    return {
        "word_pieces": task.word_pieces,
        "rnn": task.rnn,
        "hidden_size": task.hidden_size,
        "layers": task.layers,
        "crf": task.crf,
        "constrained": task.constrained,
    }


HEAD_OPTIONS: dict[str, Callable[[Any, LabelSpace], dict[str, Any]]] = {
    "classification": _classification,
    "tagging": _tagging,
}
"""By task kind: from settings and label space to what the head of `HEADS` takes, as JSON can
hold it."""
