"""A task's settings as the plain arguments of its head, one function a kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from workbench.config.tasks import (
    ClassificationTask,
    ContrastiveTask,
    FewShotTask,
    MaskedLmTask,
    MultilabelTask,
    RegressionTask,
    SimilarityTask,
    TaggingTask,
    TextTask,
)
from workbench.data.labels import LabelSpace


def _of_texts(task: TextTask) -> dict[str, Any]:
    pair = None if task.data.text_b is None else task.pair
    return {"hidden_size": task.hidden_size, "pair": pair}


def _classification(task: ClassificationTask, labels: LabelSpace) -> dict[str, Any]:
    return _of_texts(task) | {
        "label_smoothing": task.label_smoothing,
        "class_weights": _class_weights(task, labels),
        "focal_gamma": task.focal_gamma,
    }


def _class_weights(task: ClassificationTask, labels: LabelSpace) -> list[float] | None:
    """A weight for each class; balanced ones have the mean 1 over the examples of train
    that are learned from.
    """
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


def _few_shot(task: FewShotTask, labels: LabelSpace) -> dict[str, Any]:
    if task.method == "contrastive":
        return {"method": task.method, "temperature": task.temperature}
    return {
        "method": task.method,
        "descriptions": [task.descriptions.get(name) or in_words(name) for name in labels.names],
    }


def in_words(label: str) -> str:
    """A label as a person would say it: `AddToPlaylist` and `add_to_playlist` alike."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\-./:]+", " ", label)
    return " ".join(word if word.isupper() else word.lower() for word in apart.split()) or label


def _tagging(task: TaggingTask, labels: LabelSpace) -> dict[str, Any]:
    return {
        "word_pieces": task.word_pieces,
        "rnn": task.rnn,
        "hidden_size": task.hidden_size,
        "layers": task.layers,
        "crf": task.crf,
        "constrained": task.constrained,
    }


def _multilabel(task: MultilabelTask, labels: LabelSpace) -> dict[str, Any]:
    return _of_texts(task) | {
        "positive_weights": _positive_weights(task, labels),
        "tuning": task.thresholds,
        "thresholds": [task.threshold] * len(labels.names),
    }


def _positive_weights(task: MultilabelTask, labels: LabelSpace) -> list[float] | None:
    """How often a decision counts where the label applies, by label."""
    if task.positive_weights == "none" and not task.label_weights:
        return None
    power = {"none": 0.0, "root": 0.5, "balanced": 1.0}[task.positive_weights]
    texts = labels.statistics["texts"]
    # At least one text is counted without the label: a factor of 0 would unlearn it.
    ratios = [max(1.0, texts - count) / max(1, count) for count in labels.counts]
    return [
        ratio**power * task.label_weights.get(name, 1.0)
        for name, ratio in zip(labels.names, ratios, strict=True)
    ]


def _regression(task: RegressionTask, labels: LabelSpace) -> dict[str, Any]:
    scale = {name: labels.statistics[name] for name in ("mean", "std")}
    return _of_texts(task) | scale | {"huber_delta": task.huber_delta}


def _similarity(task: SimilarityTask, labels: LabelSpace) -> dict[str, Any]:
    return {
        "hidden_size": task.hidden_size,
        "pair": "two",
        "loss": task.loss,
        "scale": task.scale,
        "lowest": labels.statistics["lowest"],
        "highest": labels.statistics["highest"],
    }


def _contrastive(task: ContrastiveTask, labels: LabelSpace) -> dict[str, Any]:
    return {
        "hidden_size": task.hidden_size,
        "pair": "two",
        "scale": task.scale,
        "symmetric": task.symmetric,
    }


def _masked_lm(task: MaskedLmTask, labels: LabelSpace) -> dict[str, Any]:
    return {}


HEAD_OPTIONS: dict[str, Callable[[Any, LabelSpace], dict[str, Any]]] = {
    "classification": _classification,
    "few_shot": _few_shot,
    "tagging": _tagging,
    "multilabel": _multilabel,
    "regression": _regression,
    "similarity": _similarity,
    "contrastive": _contrastive,
    "masked_lm": _masked_lm,
}
"""By task kind: from settings and label space to what the head of `HEADS` takes, as JSON can
hold it."""
