"""When a run waited to be told to go on, out of what it did on request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from workbench.control import KINDS, Pause, Resume, Stop, StopNow
from workbench.events import RunResumed

PauseSpan = tuple[datetime, datetime | None]
"""From when, and until when; None for one that nothing ended that the run was asked."""

_PAUSES = {name for name, kind in KINDS.items() if kind is Pause}
_ENDS_PAUSE = {name for name, kind in KINDS.items() if kind in (Resume, Stop, StopNow)}
_ENDS_PAUSE.add(RunResumed.__name__)  # its process died in it


def pauses_of(obeyed: Iterable[tuple[datetime, str]]) -> tuple[PauseSpan, ...]:
    """The pauses of a run.

    Args:
        obeyed: When it did something that it was asked, and the kind of that, in order; among them
            when a process took over from another, as `RunResumed`.
    """
    found: list[PauseSpan] = []
    begun: datetime | None = None
    for at, kind in obeyed:
        if kind in _PAUSES and begun is None:
            begun = at
        elif kind in _ENDS_PAUSE and begun is not None:
            found.append((begun, at))
            begun = None
    return (*found, (begun, None)) if begun is not None else tuple(found)


def paused_seconds(pauses: Sequence[PauseSpan], start: datetime, end: datetime) -> float:
    """How much of the time from `start` to `end` a process was paused that began at `start`.

    A pause of a process before it, which may have died in it, is none of its own.
    """
    return sum(
        max(0.0, (min(until or end, end) - begun).total_seconds())
        for begun, until in pauses
        if begun >= start
    )
