"""How sure a gain is: intervals by drawing texts and seeds anew (the paired bootstrap).

A gain is the difference of one metric of one task between two kinds of runs, with the other tasks
and alone, each made with several seeds. Texts are drawn with replacement, the same ones for all
runs, and so are the seeds; between the 2.5th and the 97.5th percentile of the gains that come out
lies the interval. With one seed it holds for these two models, not for the method.

Source: Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 13; Berg-Kirkpatrick
et al. 2012, An empirical investigation of statistical significance in NLP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.data.labels import LabelSpace
from workbench.data.schemes import UNANNOTATED, judged_tags, spans
from workbench.errors import WorkbenchError
from workbench.training.dev_predictions import KeptPredictions
from workbench.training.metrics import METRICS

RESAMPLES = 1000
SLOW_RESAMPLES = 200
"""Where the metric has to be worked out from the texts each time."""
Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Gain:
    """By how much a metric is better with other tasks than alone."""

    together: float
    """The metric, mean over the seeds."""
    alone: float
    low: float
    """Of the interval of `together - alone`."""
    high: float
    seeds: int
    texts: int
    drawn: tuple[float, ...] = ()
    """The relative gain in each draw."""

    @property
    def difference(self) -> float:
        """Better if above 0."""
        return self.together - self.alone

    @property
    def relative(self) -> float:
        """The difference as a share of what is reached alone."""
        return self.difference / self.alone if self.alone else float("nan")


def gain(
    together: Sequence[KeptPredictions],
    alone: Sequence[KeptPredictions],
    metric: str,
    *,
    seed: int = 0,
) -> Gain:
    """Compare two kinds of runs on one task.

    Args:
        together: Of the runs with other tasks, one for each seed.
        alone: Of the runs of the task alone, in the order of the same seeds.
        metric: Which.
        seed: Of the draws.

    Raises:
        WorkbenchError: The two were evaluated on different texts.
    """
    first = together[0]
    texts = list(first.texts)
    runs = [[_in_order(kept, texts) for kept in kind] for kind in (together, alone)]
    measures = [[_measure(kept, metric) for kept in kind] for kind in runs]
    everything = np.ones(len(texts))
    values = [[measure(everything) for measure in kind] for kind in measures]
    # Seeds have a stream of their own: a draw means the same runs whatever the task.
    random, of_seeds = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    is_quick = _counts_of(first, metric) is not None
    differences, relative = [], []
    for _ in range(RESAMPLES if is_quick else SLOW_RESAMPLES):
        drawn = random.integers(0, len(texts), len(texts))
        times = np.bincount(drawn, minlength=len(texts)).astype(np.float64)
        seeds = of_seeds.integers(0, len(together), len(together))
        one, other = (
            float(np.mean([kind[number](times) for number in seeds])) for kind in measures
        )
        differences.append(one - other)
        relative.append((one - other) / other if other else 0.0)
    low, high = np.percentile(differences, [2.5, 97.5])
    return Gain(
        together=float(np.mean(values[0])),
        alone=float(np.mean(values[1])),
        low=float(low),
        high=float(high),
        seeds=len(together),
        texts=len(texts),
        drawn=tuple(relative),
    )


def mean_gain_interval(gains: Sequence[Gain]) -> tuple[float, float]:
    """The interval (95 %) of the mean of several tasks' relative gains.

    In a draw all tasks are those of the same seeds' runs; their texts are drawn each for itself.

    Args:
        gains: One for each task, of the same runs; not empty.
    """
    draws = min(len(one.drawn) for one in gains)
    means = np.mean([one.drawn[:draws] for one in gains], axis=0)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _in_order(kept: KeptPredictions, texts: Sequence[str]) -> KeptPredictions:
    """The same predictions in the order of these texts."""
    places = {text: number for number, text in enumerate(kept.texts)}
    if places.keys() != set(texts):
        raise WorkbenchError(
            f'The runs to be compared were evaluated on different texts of the task "{kept.task}".',
            next_step="compare runs with the same dev data, max_examples and dev_share",
        )
    order = [places[text] for text in texts]
    return KeptPredictions(
        kept.task,
        kept.kind,
        kept.step,
        kept.labels,
        tuple(texts),
        tuple(kept.expected[at] for at in order),
        tuple(kept.predicted[at] for at in order),
    )


def _measure(kept: KeptPredictions, metric: str) -> Callable[[NDArray[np.float64]], float]:
    """The metric as a function of how often each text counts."""
    found = _counts_of(kept, metric)
    if found is not None:
        counts, value = found
        return lambda times: value(times @ counts)
    space = LabelSpace(kept.task, kept.labels, kept.kind)

    def from_scratch(times: NDArray[np.float64]) -> float:
        drawn = np.repeat(np.arange(len(times)), times.astype(np.int64)).tolist()
        expected = [kept.expected[at] for at in drawn]
        predicted = [kept.predicted[at] for at in drawn]
        return float(METRICS[kept.kind](expected, predicted, space)[metric])

    return from_scratch


def _counts_of(
    kept: KeptPredictions, metric: str
) -> tuple[Counts, Callable[[Counts], float]] | None:
    """Per text what a metric adds up, `(texts, counts)`, and the metric of the sums.

    Returns:
        None for a metric that is no function of sums, or whose sums are not known here.
    """
    make = _SUMS.get((kept.kind, metric))
    return None if make is None else make(kept)


def _right_texts(kept: KeptPredictions) -> tuple[Counts, Callable[[Counts], float]]:
    right = [one == other for one, other in zip(kept.expected, kept.predicted, strict=True)]
    counts = np.stack([np.array(right, dtype=np.float64), np.ones(len(right))], axis=1)
    return counts, lambda sums: float(sums[0] / max(1.0, sums[1]))


def _right_words(kept: KeptPredictions) -> tuple[Counts, Callable[[Counts], float]]:
    rows = []
    for tags, guesses in zip(kept.expected, kept.predicted, strict=True):
        known = [(tag, guess) for tag, guess in zip(tags, guesses, strict=True)]
        known = [(tag, guess) for tag, guess in known if tag != UNANNOTATED]
        rows.append((sum(tag == guess for tag, guess in known), len(known)))
    return np.array(rows, dtype=np.float64), lambda sums: float(sums[0] / max(1.0, sums[1]))


def _class_f1(kept: KeptPredictions) -> tuple[Counts, Callable[[Counts], float]]:
    number = {name: at for at, name in enumerate(kept.labels)}
    counts = np.zeros((len(kept.expected), 3, len(number)))  # right, expected, predicted
    for row, (expected, predicted) in enumerate(zip(kept.expected, kept.predicted, strict=True)):
        counts[row, 0, number[expected]] += expected == predicted
        counts[row, 1, number[expected]] += 1
        counts[row, 2, number[predicted]] += 1

    def value(sums: Counts) -> float:
        right, expected, predicted = sums.reshape(3, -1)
        occurs = expected + predicted > 0  # as scikit-learn: what is in neither does not count
        return float(np.mean(2 * right[occurs] / (expected + predicted)[occurs]))

    return counts.reshape(len(counts), -1), value


def _span_f1(kept: KeptPredictions) -> tuple[Counts, Callable[[Counts], float]]:
    scheme = LabelSpace(kept.task, kept.labels, kept.kind).scheme
    rows = []
    for tags, guesses in zip(kept.expected, kept.predicted, strict=True):
        right, guess = judged_tags(tags, guesses, scheme)
        there, said = set(spans(right, scheme)), set(spans(guess, scheme))
        rows.append((len(there & said), len(there) + len(said)))
    return (
        np.array(rows, dtype=np.float64),
        lambda sums: float(2 * sums[0] / sums[1]) if sums[1] else 0.0,
    )


_SUMS: dict[
    tuple[str, str], Callable[[KeptPredictions], tuple[Counts, Callable[[Counts], float]]]
] = {
    ("classification", "accuracy"): _right_texts,
    ("classification", "macro_f1"): _class_f1,
    ("tagging", "accuracy"): _right_words,
    ("tagging", "span_f1"): _span_f1,
}
"""By kind of task and metric, for those that are functions of sums over texts."""
