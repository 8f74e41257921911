"""From which probability on a label is given: what is best on dev.

Source: Lipton et al. 2014, Optimal thresholding of classifiers to maximize F1 measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.inference.evaluation import TaskPredictions
from workbench.model.heads import Head, MultilabelHead
from workbench.training.metrics import multilabel_metrics

GRID = tuple(round(0.02 * number, 2) for number in range(1, 50))
"""Thresholds that are tried for all labels together."""


def tune_thresholds(head: Head, found: TaskPredictions, metric: str) -> None:
    """Set the thresholds of a head, and give the labels of these predictions anew.

    Args:
        head: Of a multilabel task; one whose thresholds are fixed is left alone.
        found: Of dev.
        metric: The task's, which a single threshold is tuned for. Thresholds of each label are
            tuned for its own F1.
    """
    assert isinstance(head, MultilabelHead)
    if head.tuning == "fixed":
        return
    flags, probabilities = np.stack(found.expected), np.stack(found.predicted)[:, 0]
    if head.tuning == "one":
        best = _best_of_all(flags, probabilities, metric)
        thresholds = [best] * flags.shape[1]
    else:
        thresholds = [
            best_threshold(flags[:, label], probabilities[:, label], before)
            for label, before in enumerate(head.thresholds.tolist())
        ]
    head.set_thresholds(thresholds)
    # As the head compares them, in float32.
    kept = np.asarray(thresholds, dtype=np.float32)
    found.predicted[:] = [
        np.stack([one[0], (one[0] >= kept).astype(np.float32)]) for one in found.predicted
    ]


def best_threshold(
    flags: NDArray[np.float32], probabilities: NDArray[np.float32], before: float
) -> float:
    """The threshold with the best F1 of one label.

    It lies half-way between two probabilities, so that a little change of either moves nothing;
    of equal ones the highest, which gives the fewest labels.

    Args:
        flags: Of each text whether the label applies, NaN where nobody knows.
        probabilities: Of each text.
        before: What to keep where no text has the label.
    """
    known = ~np.isnan(flags)
    order = np.argsort(-probabilities[known], kind="stable")
    sorted_ones = probabilities[known][order].astype(np.float64)
    hits = np.cumsum(flags[known][order] > 0.5)
    if not len(hits) or not hits[-1]:
        return before
    given = np.arange(1, len(hits) + 1)
    f1 = 2 * hits / (given + hits[-1])
    # Equal probabilities are given or not together.
    following = np.append(sorted_ones[1:], 0.0)
    f1[:-1][sorted_ones[:-1] == following[:-1]] = -1.0
    last = int(np.argmax(f1))
    return float((sorted_ones[last] + following[last]) / 2)


def _best_of_all(
    flags: NDArray[np.float32], probabilities: NDArray[np.float32], metric: str
) -> float:
    """The grid's best threshold; of equal ones that next to a half."""

    def value(threshold: float) -> tuple[float, float]:
        given: Sequence[NDArray[np.float32]] = list(
            np.stack([probabilities, probabilities >= np.float32(threshold)], axis=1)
        )
        return multilabel_metrics(list(flags), given)[metric], -abs(threshold - 0.5)

    return max(GRID, key=value)


TUNING: dict[str, Callable[[Head, TaskPredictions, str], None]] = {"multilabel": tune_thresholds}
"""By task kind, for those that have something to tune on dev."""
