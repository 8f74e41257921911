"""What the x axis of a run's charts counts: steps, passes over the data, time, or texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.store.records import StepTable

AXES = ("step", "epoch", "minutes", "texts")
"""In the order in which one key goes through them."""


@dataclass(frozen=True)
class XAxis:
    """Turns steps into what is counted."""

    name: str
    steps: NDArray[np.float64]
    places: NDArray[np.float64]
    """Where each of `steps` is; both empty on the axis of steps, which needs no table."""

    def of(self, steps: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Places of steps; those outside the table are at its ends."""
        if self.name == "step" or not self.steps.size:
            return steps.astype(np.float64)
        return np.interp(steps.astype(np.float64), self.steps, self.places)

    def place(self, step: float) -> float:
        """Place of one step."""
        return float(self.of(np.array([step], dtype=np.float64))[0])


STEPS = XAxis("step", np.empty(0), np.empty(0))


def x_axis(name: str, table: StepTable | None) -> XAxis:
    """The axis of that name; steps, as long as the table that the others need is not there."""
    if name not in AXES or name == "step" or table is None or not table.steps.size:
        return STEPS
    places = table.epochs
    if name == "minutes":
        places = np.cumsum(table.seconds * table.updates) / 60
    elif name == "texts":
        places = np.cumsum(table.texts * table.updates).astype(np.float64)
    return XAxis(name, table.steps.astype(np.float64), places)


def joined(known: StepTable | None, news: StepTable) -> StepTable:
    """The table with the rows that came later."""
    if known is None or not known.steps.size:
        return news
    is_new = news.steps > known.steps[-1]
    if not is_new.any():
        return known
    return StepTable(
        *(
            np.concatenate([before, after[is_new]])
            for before, after in (
                (known.steps, news.steps),
                (known.epochs, news.epochs),
                (known.seconds, news.seconds),
                (known.texts, news.texts),
                (known.tokens, news.tokens),
            )
        )
    )
