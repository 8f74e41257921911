"""Seeds of one configuration as one row: what the mean of them reached, and how far they spread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from workbench.operations.reading import RunSummary
from workbench.worker.liveness import RunState


@dataclass(frozen=True)
class Fold:
    """Runs that differ in their seed and name only; one run alone is a fold, too."""

    runs: tuple[RunSummary, ...]
    """In the order in which they were given."""
    mean: RunSummary
    """The first run with the means of the finished ones (of all, if none is) as its metrics and its
    selection value: what sorting, filtering and a row of the list take for the whole."""
    spread: Mapping[str, Mapping[str, float]]
    """Sample standard deviation by task and metric; nothing where fewer than two have a value."""
    selection_spread: float | None

    @property
    def key(self) -> str:
        """Names the fold: the id of its oldest run, which stays when another seed is added."""
        return self.runs[-1].record.id


class SeedFolder:
    """Folds runs whose settings differ in seed and name only; forks, and runs that were adjusted
    by hand, stay alone.

    Remembers what it compared by, since the settings of a run never change: writing out those of
    5,000 runs takes 0.4 s, and someone may be typing a filter.
    """

    def __init__(self) -> None:
        self._settings: dict[str, str] = {}

    def fold(self, runs: Sequence[RunSummary]) -> list[Fold]:
        """Each fold where its first run stands."""
        groups: dict[str, list[RunSummary]] = {}
        for run in runs:
            key = self._settings_but_seed(run) if run.is_of_its_settings else run.record.id
            groups.setdefault(key, []).append(run)
        return [_fold(tuple(group)) for group in groups.values()]

    def _settings_but_seed(self, run: RunSummary) -> str:
        known = self._settings.get(run.record.id)
        if known is None:
            plain = run.record.config.model_copy(update={"seed": 0, "name": ""})
            known = self._settings[run.record.id] = plain.model_dump_json()
        return known


def _fold(runs: tuple[RunSummary, ...]) -> Fold:
    if len(runs) == 1:
        return Fold(runs, runs[0], {}, None)
    # What one that failed or is at work has reached is not what the configuration reaches.
    finished = tuple(run for run in runs if run.state is RunState.FINISHED)
    told = finished or runs
    metrics: dict[str, dict[str, float]] = {}
    spread: dict[str, dict[str, float]] = {}
    for task in dict.fromkeys(task for run in told for task in run.metrics):
        for metric in dict.fromkeys(name for run in told for name in run.metrics.get(task, {})):
            values = _known(run.metrics.get(task, {}).get(metric) for run in told)
            if values:
                metrics.setdefault(task, {})[metric] = fmean(values)
            if len(values) > 1:
                spread.setdefault(task, {})[metric] = stdev(values)
    selections = _known(run.selection for run in told)
    mean = replace(
        runs[0],
        metrics=metrics,
        selection=fmean(selections) if selections else None,
        seconds=fmean(run.seconds for run in told),
    )
    return Fold(runs, mean, spread, stdev(selections) if len(selections) > 1 else None)


def _known(values: Iterable[float | None]) -> list[float]:
    return [one for one in values if one is not None and math.isfinite(one)]
