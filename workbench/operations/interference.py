"""What a run's tasks did to one another: its looks at their gradients, ready to be shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.conflicts import conflict_rate, pair_name, pairs_of, standing_cosine
from workbench.operations.reading import find_run
from workbench.operations.workspace import Workspace
from workbench.store.records import Curve, SeriesKey

NOTHING = Curve(np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True)
class Pair:
    """Two tasks of a run."""

    one: str
    other: str
    history: Curve
    """The cosine of their gradients on all shared parameters, look by look."""
    layers: dict[str, Curve]
    """The same by part of the shared model, from its bottom up."""

    @property
    def latest(self) -> float | None:
        """Of the last look."""
        return float(self.history.values[-1]) if len(self.history.values) else None

    @property
    def standing(self) -> float | None:
        """Mean of the recent looks; None while there are too few."""
        return standing_cosine(self.history.values.tolist())

    @property
    def conflict_rate(self) -> float | None:
        """Share of looks in which the two pulled apart."""
        return conflict_rate(self.history.values.tolist())


@dataclass(frozen=True)
class Interference:
    """All looks of a run."""

    tasks: tuple[str, ...]
    pairs: tuple[Pair, ...]
    norms: dict[str, Curve]
    """By task, of its gradient on all shared parameters."""
    weights: dict[str, Curve]
    """By task, what its gradient was multiplied with; empty for one that was not looked at."""

    def pair(self, one: str, other: str) -> Pair:
        """Two tasks, in either order."""
        return next(pair for pair in self.pairs if {pair.one, pair.other} == {one, other})


def interference(ws: Workspace, ref: str) -> Interference:
    """The looks of a run, finished or at work; all curves are empty before the first.

    Raises:
        NotFoundError: Nothing goes by `ref`.
    """
    record = find_run(ws, ref)
    tasks = tuple(record.config.trained_tasks)
    curves = ws.store.curves(record.id)
    return Interference(
        tasks=tasks,
        pairs=tuple(
            Pair(
                one,
                other,
                curves.get(SeriesKey("run", pair_name(one, other), "cosine"), NOTHING),
                {
                    key.metric.removeprefix("cosine/"): curve
                    for key, curve in curves.items()
                    if key.task == pair_name(one, other) and key.metric.startswith("cosine/")
                },
            )
            for one, other in pairs_of(tasks)
        ),
        norms={task: curves.get(SeriesKey("run", task, "shared_norm"), NOTHING) for task in tasks},
        weights={task: curves.get(SeriesKey("train", task, "weight"), NOTHING) for task in tasks},
    )
