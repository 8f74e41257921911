"""What cosines between the tasks' gradients say, as pure functions: the engine warns by them, the
screens show them.

Nothing here imports torch. A cosine of 1 means that a step for one task is a step for the other,
-1 that it undoes it, 0 that it does not touch it. A single cosine says little: it is of one batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

RECENT_LOOKS = 8
"""How many of the last cosines are averaged before a pair is warned of."""
FEWEST_LOOKS = 3
"""Fewer cosines than these say nothing."""
SMALLEST_FALL = 0.005
"""How far below its best a dev metric has to be to have fallen: half a point."""


def pair_name(one: str, other: str) -> str:
    """How the curves of two tasks are named; a task's name has no bar in it."""
    return f"{one}|{other}"


def pairs_of(tasks: Sequence[str]) -> list[tuple[str, str]]:
    """Every two of the tasks, once, in order."""
    return list(combinations(tasks, 2))


def conflict_rate(cosines: Sequence[float]) -> float | None:
    """The share of looks with a negative cosine; None if there was none."""
    known = [cosine for cosine in cosines if math.isfinite(cosine)]
    return sum(cosine < 0 for cosine in known) / len(known) if known else None


def standing_cosine(cosines: Sequence[float]) -> float | None:
    """The mean of the recent cosines; None while there are too few."""
    recent = [cosine for cosine in cosines if math.isfinite(cosine)][-RECENT_LOOKS:]
    return sum(recent) / len(recent) if len(recent) >= FEWEST_LOOKS else None


def has_fallen(values: Sequence[float]) -> bool:
    """Whether a dev metric is lower than before, and clearly below its best.

    Args:
        values: Of all evaluations so far, the latest last; higher is better.
    """
    if len(values) < 2:
        return False
    return values[-1] < values[-2] and values[-1] <= max(values) - SMALLEST_FALL
