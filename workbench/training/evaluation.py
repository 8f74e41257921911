"""Metrics of every task on a split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.data.labels import LabelSpace
from workbench.data.tokenizing import EncodedSplit
from workbench.inference.evaluation import Giving, nothing_given, predict_split
from workbench.model.arithmetic import Arithmetic
from workbench.model.folder import LoadedModel
from workbench.training.metrics import classification_metrics, tagging_metrics


def evaluate(
    loaded: LoadedModel,
    split: EncodedSplit,
    labels: Mapping[str, LabelSpace],
    arithmetic: Arithmetic,
    given: Giving = nothing_given,
) -> dict[str, dict[str, float]]:
    """Metrics by task, `loss` (mean nats per label) among them.

    Args:
        loaded: The model, on the arithmetic's device; its mode is left as it was.
        split: What to evaluate on; tasks that label nothing in it are left out.
        labels: Label space of every task.
        arithmetic: Device and precision.
        given: What each forward pass runs in.
    """
    predictions = predict_split(
        loaded.model,
        split,
        labels,
        pad_id=loaded.tokenizer.pad_id,
        arithmetic=arithmetic,
        given=given,
    )
    results = {}
    for task, found in predictions.items():
        if loaded.description.heads[task].kind == "classification":
            index = {name: number for number, name in enumerate(labels[task].names)}
            expected, predicted = (
                np.array([index[names[0]] for names in lists])
                for lists in (found.expected, found.predicted)
            )
            metrics = classification_metrics(expected, predicted)
        else:
            metrics = tagging_metrics(found.expected, found.predicted, scheme=labels[task].scheme)
        results[task] = {"loss": found.loss} | metrics
    return results
