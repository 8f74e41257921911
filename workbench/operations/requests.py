"""What can be asked of a run that is at work: pause, save, evaluate, change a setting of it.

Each is left in the store; the worker hears of it within half a second, and the run obeys after its
current update and tells so in its history.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from workbench.control import (
    Evaluate,
    Pause,
    Request,
    SaveCheckpoint,
    SetLogInterval,
    SetRateScale,
    SetWeight,
)
from workbench.errors import ConfigError, Problem, WorkbenchError, nearest
from workbench.operations.reading import facts_and_state, find_run
from workbench.operations.workspace import Workspace
from workbench.store.records import RunRecord
from workbench.worker.liveness import RunState


def pause(ws: Workspace, ref: str) -> RunRecord:
    """Let a run save a checkpoint and wait, its process alive, until `lifecycle.resume`.

    Raises:
        NotFoundError: Nothing goes by `ref`.
        WorkbenchError: The run is not at work.
    """
    return _ask(ws, ref, [Pause()], although_paused=False)


def save_checkpoint(ws: Workspace, ref: str) -> RunRecord:
    """Let a run save a checkpoint after its current update, and go on; errors as for `pause`."""
    return _ask(ws, ref, [SaveCheckpoint()], although_paused=False)


def evaluate_now(ws: Workspace, ref: str) -> RunRecord:
    """Let a run evaluate dev after its current update, and go on; errors as for `pause`."""
    return _ask(ws, ref, [Evaluate()], although_paused=False)


def adjust(
    ws: Workspace,
    ref: str,
    *,
    weights: Mapping[str, float] | None = None,
    rate_scale: float | None = None,
    log_every: int | None = None,
) -> RunRecord:
    """Change settings of a run that is at work, from its next update on.

    Args:
        ws: Where.
        ref: The run.
        weights: What some tasks' losses are to count, 0 or more.
        rate_scale: A factor for all learning rates, above 0, in place of the one set before.
        log_every: Let it tell of every n-th update only.

    Raises:
        NotFoundError: Nothing goes by `ref`.
        ConfigError: A value is out of its range, a task is not there, or nothing is given.
        WorkbenchError: The run is not at work.
    """
    record = find_run(ws, ref)
    problems = [*_wrong_weights(record, weights or {})]
    if rate_scale is not None and not (math.isfinite(rate_scale) and rate_scale > 0):
        problems.append(
            Problem(f"The rate cannot be scaled by {rate_scale:g}.", "--rate-scale", "above 0")
        )
    if log_every is not None and log_every < 1:
        problems.append(
            Problem(f"Every {log_every} updates means nothing.", "--log-every", "1 or more")
        )
    if not weights and rate_scale is None and log_every is None:
        problems.append(
            Problem(
                "Nothing is to be changed.",
                next_step="give --weight TASK=WEIGHT, --rate-scale FACTOR or --log-every UPDATES",
            )
        )
    if problems:
        raise ConfigError.of(problems)
    asked: list[Request] = [SetWeight(task, weight) for task, weight in (weights or {}).items()]
    if rate_scale is not None:
        asked.append(SetRateScale(rate_scale))
    if log_every is not None:
        asked.append(SetLogInterval(log_every))
    return _ask(ws, record.id, asked, although_paused=True)


def _wrong_weights(record: RunRecord, weights: Mapping[str, float]) -> list[Problem]:
    problems = []
    for task, weight in weights.items():
        where = f"--weight {task}={weight:g}"
        if task not in record.config.tasks:
            problems.append(
                Problem(f'The run has no task "{task}".', where, nearest(task, record.config.tasks))
            )
        elif not (math.isfinite(weight) and weight >= 0):
            problems.append(
                Problem(f"A task cannot count {weight:g}.", where, "0 or more, and finite")
            )
    return problems


def _ask(ws: Workspace, ref: str, asked: list[Request], *, although_paused: bool) -> RunRecord:
    record = find_run(ws, ref)
    _facts, state, why = facts_and_state(ws, record)
    may_ask = not state.is_over and state is not RunState.QUEUED
    if state is RunState.PAUSED:
        may_ask = although_paused
    if not may_ask:
        goes_on = "let it go on" if state is RunState.PAUSED else "see it"
        command = "resume" if state is RunState.PAUSED else "show"
        raise WorkbenchError(
            f"Run {record.id} ({record.name}) is {state.value}. {why}",
            next_step=f"{goes_on}: mtl-workbench {command} {record.id}",
        )
    ws.store.send(record.id, *asked)
    return record
