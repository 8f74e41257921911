"""Metrics of every task on a split."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.data.labels import LabelSpace
from workbench.data.tokenizing import EncodedSplit
from workbench.inference.evaluation import (
    Giving,
    TaskPredictions,
    nothing_given,
    predict_split,
)
from workbench.model.arithmetic import Arithmetic
from workbench.model.folder import LoadedModel
from workbench.model.heads import Head
from workbench.training.metrics import METRICS
from workbench.training.thresholds import TUNING


def evaluate(
    loaded: LoadedModel,
    split: EncodedSplit,
    labels: Mapping[str, LabelSpace],
    arithmetic: Arithmetic,
    *,
    tuned_for: Mapping[str, str] | None = None,
) -> dict[str, dict[str, float]]:
    """Metrics by task, `loss` (mean per label, in the task's unit) among them.

    Args:
        loaded: The model, on the arithmetic's device; its mode is left as it was.
        split: What to evaluate on; tasks that label nothing in it are left out.
        labels: Label space of every task.
        arithmetic: Device and precision.
        tuned_for: The metric that counts, by task: thresholds are tuned for it on this split
            before the metrics are taken. None leaves them as they are.
    """
    return predict_and_judge(loaded, split, labels, arithmetic, tuned_for=tuned_for)[1]


def predict_and_judge(
    loaded: LoadedModel,
    split: EncodedSplit,
    labels: Mapping[str, LabelSpace],
    arithmetic: Arithmetic,
    *,
    tuned_for: Mapping[str, str] | None = None,
    given: Giving = nothing_given,
) -> tuple[dict[str, TaskPredictions], dict[str, dict[str, float]]]:
    """What a model says of a split, and its metrics, both by task.

    Arguments as of `evaluate`, and `given`: what each forward pass runs in.
    """
    predictions = predict_split(
        loaded.model,
        split,
        labels,
        pad_id=loaded.tokenizer.pad_id,
        arithmetic=arithmetic,
        given=given,
    )
    for task, found in predictions.items():
        kind = labels[task].kind
        if tuned_for is not None and kind in TUNING:
            head: Head = loaded.model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
            TUNING[kind](head, found, tuned_for[task])
    return predictions, {
        task: {"loss": found.loss}
        | METRICS[labels[task].kind](found.expected, found.predicted, labels[task])
        for task, found in predictions.items()
    }
