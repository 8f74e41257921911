"""Learning rates and unfreezing as pure functions of the step: the engine runs them, the form
draws them.

Nothing here imports torch. A schedule gives a factor between 0 and 1 that multiplies each
parameter group's own highest rate, so that groups of different rates keep their proportions. The
one rate that looks at how the run goes, reduce on plateau, keeps its state in a frozen `Plateau`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SLANTED_RATIO = 32
"""By how much the slanted triangle's ends are lower than its peak, if nothing else is said."""
ONE_CYCLE_START = 1 / 25
"""Where one-cycle begins, as in its paper."""
TIMESCALE_WITHOUT_WARMUP = 10_000
"""Steps that the inverse square root counts in where there is no warm-up to count in."""
SEED_TABLE = (0.1,) * 4 + (0.2,) * 4 + (0.5,) * 4
"""Factors of a 12-layer encoder's layers, lowest first."""


@dataclass(frozen=True)
class RateSchedule:
    """A rate over the steps: a warm-up, then a curve by name."""

    name: str = "linear"
    """A name in `CURVES`."""
    warmup: float = 0.1
    """Steps, or below 1 a share of all steps."""
    minimum: float = 0.0
    """What the curve falls to, as a share of the highest rate."""
    cycles: int = 1
    """Of `cosine_restarts`."""
    power: float = 2.0
    """Of `polynomial`."""
    decay_share: float = 0.2
    """Share of all steps in which `warmup_stable_decay` falls."""

    def factor(self, step: int, total_steps: int) -> float:
        """The factor of the rate in update number `step`.

        Args:
            step: The update, counted from 0.
            total_steps: Updates of the whole run, at least 1.

        Returns:
            0 to 1. The warm-up rises from 1/n in its first update to 1 in its last, so that
            no update is wasted at rate 0.
        """
        warm = warmup_steps(self.warmup, total_steps)
        if step < warm:
            return WARMUPS.get(self.name, _rise)(self, step, warm)
        place = Place(step, warm, max(total_steps, warm + 1))
        return self.minimum + (1 - self.minimum) * max(0.0, CURVES[self.name](self, place))


@dataclass(frozen=True)
class Place:
    """Where an update after the warm-up is."""

    step: int
    warm: int
    """Steps of the warm-up."""
    total: int

    @property
    def share(self) -> float:
        """Share of the steps after the warm-up that are done, 0 to 1."""
        return min(1.0, (self.step - self.warm) / (self.total - self.warm))


Curve = Callable[[RateSchedule, Place], float]


def constant(schedule: RateSchedule, place: Place) -> float:
    """The highest rate throughout."""
    return 1.0


def linear(schedule: RateSchedule, place: Place) -> float:
    """Down a straight line, to the minimum after the last step."""
    return 1.0 - place.share


def cosine(schedule: RateSchedule, place: Place) -> float:
    """Down half a cosine (Loshchilov and Hutter 2017, no restarts)."""
    return _half_cosine(place.share)


def cosine_restarts(schedule: RateSchedule, place: Place) -> float:
    """Down half a cosine, `cycles` times from the top (Loshchilov and Hutter 2017)."""
    if place.share >= 1:
        return 0.0
    return _half_cosine(place.share * schedule.cycles % 1.0)


def polynomial(schedule: RateSchedule, place: Place) -> float:
    """What is left of the steps, to the `power`."""
    return float((1.0 - place.share) ** schedule.power)


def inverse_sqrt(schedule: RateSchedule, place: Place) -> float:
    """One over the root of the steps, counted in warm-ups (Vaswani et al. 2017)."""
    timescale = place.warm or TIMESCALE_WITHOUT_WARMUP
    return math.sqrt(timescale / (place.step - place.warm + timescale))


def slanted_triangular(schedule: RateSchedule, place: Place) -> float:
    """Down a line to a 32nd, or to the minimum (Howard and Ruder 2018, section 3.2)."""
    low = 0.0 if schedule.minimum else 1 / SLANTED_RATIO
    return 1.0 - place.share * (1.0 - low)


def warmup_stable_decay(schedule: RateSchedule, place: Place) -> float:
    """Constant, then down a line in the last `decay_share` of all steps (Hu et al. 2024)."""
    falling = math.floor(schedule.decay_share * place.total)
    falling = min(max(falling, 1), place.total - place.warm)
    return min(1.0, max(0, place.total - place.step) / falling)


CURVES: dict[str, Curve] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
    "cosine_restarts": cosine_restarts,
    "polynomial": polynomial,
    "inverse_sqrt": inverse_sqrt,
    "slanted_triangular": slanted_triangular,
    "one_cycle": cosine,  # Smith and Topin 2018: its own is the way up
    "warmup_stable_decay": warmup_stable_decay,
    "plateau": constant,  # times the factor of a `Plateau`
}


def _rise(schedule: RateSchedule, step: int, warm: int) -> float:
    return (step + 1) / warm


def _rise_from_the_minimum(schedule: RateSchedule, step: int, warm: int) -> float:
    low = schedule.minimum or 1 / SLANTED_RATIO
    return low + (1 - low) * (step + 1) / warm


def _rise_up_a_cosine(schedule: RateSchedule, step: int, warm: int) -> float:
    done = step / (warm - 1) if warm > 1 else 1.0
    return 1.0 - (1.0 - ONE_CYCLE_START) * _half_cosine(done)


WARMUPS: dict[str, Callable[[RateSchedule, int, int], float]] = {
    "slanted_triangular": _rise_from_the_minimum,
    "one_cycle": _rise_up_a_cosine,
}
"""The curves that have a way up of their own; the rest rise up a line."""


def _half_cosine(share: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * share))


def warmup_steps(warmup: float, total_steps: int) -> int:
    """Steps of the warm-up: `warmup` itself, or that share of `total_steps` if it is below 1."""
    steps = math.floor(warmup * total_steps) if warmup < 1 else int(warmup)
    return min(steps, total_steps)


@dataclass(frozen=True)
class Plateau:
    """How a rate that waits for a plateau stands: all of its state, to be kept and looked at."""

    factor: float = 1.0
    """What the schedule's own factor is multiplied with."""
    best: float | None = None
    """Highest value so far."""
    waited: int = 0
    """Evaluations since then, or since the last reduction."""

    def after(
        self, value: float | None, *, reduce_by: float, patience: int, minimum: float = 0.0
    ) -> Plateau:
        """How it stands after an evaluation of dev.

        Args:
            value: Of the selection rule, higher is better; None says nothing.
            reduce_by: Factor of the rate when it has waited too long.
            patience: Evaluations without a new best that are waited for.
            minimum: What the factor never falls below.
        """
        if value is None:
            return self
        if self.best is None or value > self.best:
            return Plateau(self.factor, value, 0)
        if self.waited < patience:
            return Plateau(self.factor, self.best, self.waited + 1)
        return Plateau(max(minimum, self.factor * reduce_by), self.best, 0)


def layer_factors(
    mode: str, layers: int, *, decay: float = 1.0, table: Sequence[float] = ()
) -> tuple[float, ...]:
    """By what the rate of each part of an encoder is multiplied.

    Args:
        mode: "uniform"; "decay": `decay` to the power of the distance from the heads (Howard and
            Ruder 2018); "table": each layer's factor from `table`.
        layers: How many the encoder has.
        decay: Factor from each layer to the one beneath it.
        table: Factors, lowest first. For another depth than its own each layer takes the factor
            at its relative place.

    Returns:
        One for the embeddings, which lie below the lowest layer, then one a layer, lowest first.
    """
    if mode == "uniform":
        return (1.0,) * (layers + 1)
    if mode == "decay":
        return tuple(decay ** (layers - layer) for layer in range(-1, layers))
    chosen = [table[(2 * layer + 1) * len(table) // (2 * layers)] for layer in range(layers)]
    return (table[0], *chosen)


def thaw_step(number: int, *, parts: int, share: float, total_steps: int) -> int:
    """The first update in which a part of the backbone is trained.

    Args:
        number: Of the part, 0 for the topmost.
        parts: How many thaw one after the other.
        share: Of the run, in which all of them thaw, evenly spaced.
        total_steps: Updates of the whole run.
    """
    return math.ceil((number + 1) * share * total_steps / parts - 1e-9)


def thawed_parts(step: int, *, parts: int, share: float, total_steps: int) -> int:
    """How many parts, from the top, are trained in update `step`, counted from 0."""
    return sum(
        thaw_step(number, parts=parts, share=share, total_steps=total_steps) <= step
        for number in range(parts)
    )
