"""Metrics of every task on a split."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.data.labels import LabelSpace
from workbench.data.tokenizing import EncodedSplit
from workbench.inference.evaluation import Giving, nothing_given, predict_split
from workbench.model.arithmetic import Arithmetic
from workbench.model.folder import LoadedModel
from workbench.training.metrics import METRICS


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
    return {
        task: {"loss": found.loss}
        | METRICS[labels[task].kind](found.expected, found.predicted, labels[task])
        for task, found in predictions.items()
    }
