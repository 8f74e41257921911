"""Learning rates as pure functions of the step: the engine runs them, the form draws them.

Nothing here imports torch. A schedule gives a factor between 0 and 1 that multiplies each
parameter group's own highest rate, so that groups of different rates keep their proportions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Decay = Callable[[float], float]
"""From the share of the steps after the warm-up that are done, 0 to 1, to a factor."""


def constant(share: float) -> float:
    """The highest rate throughout."""
    return 1.0


def linear(share: float) -> float:
    """Down a straight line, to 0 after the last step."""
    return 1.0 - share


def cosine(share: float) -> float:
    """Down half a cosine, to 0 after the last step (Loshchilov and Hutter 2017, no restarts)."""
    return 0.5 * (1.0 + math.cos(math.pi * share))


DECAYS: dict[str, Decay] = {"constant": constant, "linear": linear, "cosine": cosine}


def warmup_steps(warmup: float, total_steps: int) -> int:
    """Steps of the warm-up: `warmup` itself, or that share of `total_steps` if it is below 1."""
    steps = math.floor(warmup * total_steps) if warmup < 1 else int(warmup)
    return min(steps, total_steps)


def rate_factor(schedule: str, step: int, *, total_steps: int, warmup: float) -> float:
    """The factor of the rate in update number `step`.

    Args:
        schedule: A name in `DECAYS`.
        step: The update, counted from 0.
        total_steps: Updates of the whole run, at least 1.
        warmup: Steps, or a share below 1 of `total_steps`.

    Returns:
        0 to 1. The warm-up rises from 1/n in its first update to 1 in its last, so that
        no update is wasted at rate 0.
    """
    warm = warmup_steps(warmup, total_steps)
    if step < warm:
        return (step + 1) / warm
    share = (step - warm) / max(1, total_steps - warm)
    return max(0.0, DECAYS[schedule](min(1.0, share)))
