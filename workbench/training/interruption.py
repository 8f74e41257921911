"""Between two updates: what was planned, what people ask for, what the clock says."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from typing import Literal

from workbench.control import (
    Control,
    Evaluate,
    Pause,
    Request,
    Resume,
    SaveCheckpoint,
    Setting,
    Stop,
    StopNow,
    kind_of,
    to_json,
)
from workbench.events import PAUSED, Event, PhaseStarted, RequestObeyed, Warned
from workbench.training.milestone import extra_milestone, planned_milestone, unseen_tasks
from workbench.training.requests import refusal
from workbench.training.run import Run

SIGN_OF_LIFE_SECONDS = 1800.0
"""How often a run that is paused says so again."""

Ending = Literal["stop", "stop now"]


def between_updates(
    run: Run, control: Control, asked: Sequence[Request], *, is_planned: bool
) -> Generator[Event, None, Ending | None]:
    """Do all that is to be done before the next update.

    Settings come first, so that a checkpoint of this step holds them.

    Args:
        run: After an update.
        control: Asked again while the run is paused.
        asked: What was asked since the update before.
        is_planned: Whether this is the place of a planned evaluation.

    Returns:
        Whether the run is to end, and how.
    """
    yield from _set(run, asked)
    if StopNow() in asked:
        yield _obeyed(run, StopNow())
        return "stop now"
    if is_planned:
        yield from planned_milestone(run, stays=SaveCheckpoint() in asked)
    if asked or is_time_to_save(run):
        yield from _look_and_save(run, asked)
    yield from (_obeyed(run, one) for one in asked if not isinstance(one, Setting))
    if Stop() in asked:
        return "stop"
    if _is_paused(asked):
        return (yield from _wait(run, control))
    return None


def is_time_to_save(run: Run) -> bool:
    """Whether the last checkpoint is older than the settings want."""
    minutes = run.config.training.checkpoint_minutes
    return bool(minutes) and time.monotonic() - run.saved_at >= 60 * minutes


def _set(run: Run, asked: Sequence[Request]) -> Iterator[Event]:
    for request in asked:
        if isinstance(request, Setting):
            if why := _refusal(run, request):
                yield Warned(why)
            else:
                run.requests.set(request)
                yield _obeyed(run, request)


def _refusal(run: Run, request: Setting) -> str:
    return refusal(
        request,
        run.config.tasks,
        graduated=run.graduation.steps,
        by_formula=run.config.weighting.method == "formula",
    )


def _look_and_save(run: Run, asked: Sequence[Request]) -> Iterator[Event]:
    """Evaluate and save as asked, but nothing that was done at this step already."""
    stays = SaveCheckpoint() in asked
    is_saved = run.saved_step == run.step and (not stays or run.step in run.kept)
    looks = (Stop() in asked or Evaluate() in asked) and bool(unseen_tasks(run))
    saves = stays or Stop() in asked or Pause() in asked or is_time_to_save(run)
    # A checkpoint that was written without metrics is written again when it gets some.
    saves = saves and (not is_saved or looks)
    if saves or looks:
        yield from extra_milestone(run, evaluates=looks, saves=saves, stays=stays)


def _wait(run: Run, control: Control) -> Generator[Event, None, Ending | None]:
    """Stay where the run is until it is told to go on or to end."""
    while True:
        yield PhaseStarted(PAUSED, 2 * SIGN_OF_LIFE_SECONDS)
        control.wait(SIGN_OF_LIFE_SECONDS)
        if not (asked := control.take()):
            continue
        yield from _set(run, asked)
        if StopNow() in asked:
            yield _obeyed(run, StopNow())
            return "stop now"
        if any(isinstance(request, Setting) for request in asked):
            run.saved_step = None  # the checkpoint of the pause does not know of it
            yield from extra_milestone(run, saves=True)
        yield from _look_and_save(run, asked)
        yield from (_obeyed(run, one) for one in asked if not isinstance(one, Setting))
        if Stop() in asked:
            return "stop"
        if Resume() in asked and not _is_paused(asked):
            return None


def _is_paused(asked: Sequence[Request]) -> bool:
    """Whether the last word is to pause."""
    words = [request for request in asked if isinstance(request, Pause | Resume)]
    return bool(words) and isinstance(words[-1], Pause)


def _obeyed(run: Run, request: Request) -> RequestObeyed:
    return RequestObeyed(run.step, kind_of(request), to_json(request))
