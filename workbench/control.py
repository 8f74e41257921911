"""What a person may ask of a run while it is at work: plain values, from the store to the loop.

Each request that the loop obeys it also tells as an event, with the step, so that a run in which
somebody had a hand can be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol


@dataclass(frozen=True)
class Stop:
    """Evaluate, save a checkpoint, and leave after this update."""


@dataclass(frozen=True)
class StopNow:
    """Leave at once, without a checkpoint."""


@dataclass(frozen=True)
class SaveCheckpoint:
    """Save a checkpoint after this update, and go on."""


@dataclass(frozen=True)
class Evaluate:
    """Evaluate dev after this update, without a checkpoint, and go on."""


@dataclass(frozen=True)
class Pause:
    """Save a checkpoint and wait, the process alive, until `Resume` or a stop."""


@dataclass(frozen=True)
class Resume:
    """Go on after a pause."""


@dataclass(frozen=True)
class SetWeight:
    """Let a task count so much from the next update on."""

    task: str
    weight: float
    """Factor of the task's mean loss; 0 or more."""


@dataclass(frozen=True)
class SetRateScale:
    """Multiply every learning rate of the schedule with a factor from the next update on."""

    factor: float
    """Above 0; replaces the factor that was set before."""


@dataclass(frozen=True)
class SetLogInterval:
    """Tell the losses of every n-th update only, but of one a minute at least."""

    updates: int
    """1 or more."""


Request = (
    Stop
    | StopNow
    | SaveCheckpoint
    | Evaluate
    | Pause
    | Resume
    | SetWeight
    | SetRateScale
    | SetLogInterval
)

Setting = SetWeight | SetRateScale | SetLogInterval
"""Requests that change what comes after; a checkpoint keeps them."""

Repeatable = Setting | SaveCheckpoint | Evaluate
"""Requests that leave something in a run, so that a run that repeats it does them, too."""

KINDS: dict[str, type[Request]] = {
    "stop": Stop,
    "stop now": StopNow,
    "save checkpoint": SaveCheckpoint,
    "evaluate": Evaluate,
    "pause": Pause,
    "resume": Resume,
    "set weight": SetWeight,
    "set rate scale": SetRateScale,
    "set log interval": SetLogInterval,
}
"""By the name that a request is stored under."""


def kind_of(request: Request) -> str:
    """The name that a request is stored under."""
    return next(name for name, kind in KINDS.items() if kind is type(request))


def to_json(request: Request) -> str:
    """What a request says beside its kind."""
    return json.dumps(asdict(request))


def in_words(request: Request) -> str:
    """A request as people read it."""
    match request:
        case SetWeight():
            return f"weight of {request.task} {request.weight:g}"
        case SetRateScale():
            return f"learning rates times {request.factor:g}"
        case SetLogInterval():
            return f"losses of every {request.updates}. update told"
    return kind_of(request)


def from_json(kind: str, body: str) -> Request:
    """The request again.

    Raises:
        KeyError: There is no such kind.
        TypeError: The body is not that of the kind.
        ValueError: It is no JSON.
    """
    return KINDS[kind](**json.loads(body or "{}"))


class Control(Protocol):
    """Where the loop learns what is asked of it."""

    def take(self) -> Sequence[Request]:
        """What was asked since the last call, in order. Costs next to nothing when empty.

        Called once after each update, and as often as need be between a pause and its end.
        """

    def wait(self, seconds: float) -> None:
        """Wait until something is asked, at most so long."""


class NoControl:
    """Nobody asks anything: for notebooks and tests."""

    def take(self) -> Sequence[Request]:
        """Nothing."""
        return ()

    def wait(self, seconds: float) -> None:
        """Return at once."""
