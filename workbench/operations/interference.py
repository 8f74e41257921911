"""How the gradients of a run's tasks stand to one another, from the cosines that it logged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from workbench.store.event_rows import COSINE
from workbench.store.records import Curve, SeriesKey

RECENT_LOOKS = 20
"""What a pair is like now is the mean of so many looks."""


@dataclass(frozen=True)
class Pair:
    """Two tasks."""

    first: str
    second: str
    recent: float
    """Mean cosine of the last looks; NaN without any."""
    mean: float
    """Of all looks."""
    conflict: float
    """Share of the looks in which the cosine was below 0, 0 to 1."""
    looks: int

    @property
    def name(self) -> str:
        """`a|b`, as the curves are called."""
        return f"{self.first}|{self.second}"


def cosine_keys(keys: Iterable[SeriesKey]) -> list[SeriesKey]:
    """The curves of cosines among these."""
    return [key for key in keys if key.metric.split("/")[0] == COSINE and "|" in key.task]


def cosine_key(pair: str, part: str) -> SeriesKey:
    """The curve of a pair's cosines in a part of `parts_of`."""
    return SeriesKey("run", pair, f"{COSINE}/{part}" if part else COSINE)


def parts_of(keys: Iterable[SeriesKey]) -> list[str]:
    """Where cosines were taken: empty for all shared parameters, else a layer or the like."""
    return list(dict.fromkeys(key.metric.partition("/")[2] for key in cosine_keys(keys)))


def pairs(curves: Mapping[SeriesKey, Curve], part: str = "") -> list[Pair]:
    """All pairs of tasks, those that are most at odds first.

    Args:
        curves: Of a run.
        part: Of `parts_of`.
    """
    found = [
        _pair(key, curves[key])
        for key in cosine_keys(curves)
        if key.metric.partition("/")[2] == part
    ]
    return sorted(found, key=lambda one: (np.isnan(one.recent), one.recent))


def _pair(key: SeriesKey, curve: Curve) -> Pair:
    first, _, second = key.task.partition("|")
    known = curve.values[np.isfinite(curve.values)]
    if not known.size:
        return Pair(first, second, float("nan"), float("nan"), 0.0, 0)
    return Pair(
        first,
        second,
        float(known[-RECENT_LOOKS:].mean()),
        float(known.mean()),
        float((known < 0).mean()),
        int(known.size),
    )
