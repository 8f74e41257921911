"""Start a run, stop it, let it go on, fork it, repeat it."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from workbench.config.experiment import ExperimentConfig
from workbench.config.loading import parse_experiment, to_toml, unset, validate
from workbench.control import Repeatable, Resume, Stop, StopNow
from workbench.errors import CheckpointError, WorkbenchError
from workbench.operations.artefacts import BEST, find_checkpoint
from workbench.operations.reading import facts_and_state, find_run, send_left_rows
from workbench.operations.run_folder import make_run_folder
from workbench.operations.workspace import Workspace
from workbench.store.records import ExitRecord, RunRecord
from workbench.worker.additions import record_exit
from workbench.worker.liveness import RunState, here, is_alive, process_to_see, send_signal
from workbench.worker.logind import look_at_logind, way_to_start
from workbench.worker.resumption import (
    KEEP_OPTIMIZER_NAME,
    ORIGIN_NAME,
    requests_obeyed,
    requests_to_repeat,
)
from workbench.worker.starting import WAIT_SECONDS, start_worker

_LETTERS = "abcdefghjkmnpqrstvwxyz"
_DIGITS = "23456789"
_POLL_SECONDS = 0.05
_LEAVE_SECONDS = 20.0
"""How long a worker that was told to leave at once may take before it is killed."""


def new_run_id() -> str:
    """Eight letters and digits, a letter first, none that looks like another (i l o u 0 1)."""
    rest = (secrets.choice(_LETTERS + _DIGITS) for _ in range(7))
    return secrets.choice(_LETTERS) + "".join(rest)


def start(
    ws: Workspace,
    config: ExperimentConfig,
    *,
    source: str = "",
    wait_seconds: float = WAIT_SECONDS,
) -> RunRecord:
    """Write a run down, start a worker for it, and wait until the worker has claimed it.

    Args:
        ws: Where.
        config: What to train.
        source: The preset or file that it came from.
        wait_seconds: A machine under load may need longer to start a process; then the run is
            returned as it is, and its state says that it is starting.

    Raises:
        WorkerError: The worker could not be started, or ended before it claimed the run; with
            the end of its log.
    """
    record = add(ws, config, source=source)
    start_worker(ws.store, ws.location, record, wait_seconds=wait_seconds)
    return record


def add(ws: Workspace, config: ExperimentConfig, *, source: str = "") -> RunRecord:
    """Write a run down, with its folder, and start nothing yet.

    Raises:
        WorkerError: Its folder cannot be made.
    """
    record = _new_record(config, source)
    make_run_folder(ws, record)
    ws.store.add_run(record)
    return record


def _new_record(
    config: ExperimentConfig,
    source: str,
    *,
    parent_id: str | None = None,
    parent_step: int | None = None,
) -> RunRecord:
    return RunRecord(
        id=new_run_id(),
        name=config.name,
        created_at=datetime.now(UTC),
        config=config,
        source=source,
        parent_id=parent_id,
        parent_step=parent_step,
    )


def resume(ws: Workspace, ref: str, *, wait_seconds: float = WAIT_SECONDS) -> RunState:
    """Let a run go on: one that is paused, or one whose process ended before its last step.

    The latter gets a new worker, which goes on at its last good checkpoint; a run without one
    begins again. What was told of later steps is told anew.

    Args:
        ws: Where.
        ref: The run.
        wait_seconds: As for `start`.

    Returns:
        The state after that.

    Raises:
        NotFoundError: Nothing goes by `ref`.
        WorkbenchError: The run is at work, or finished.
        WorkerError: The worker could not be started.
    """
    record = find_run(ws, ref)
    facts, state, why = facts_and_state(ws, record)
    name = f"Run {record.id} ({record.name})"
    if state is RunState.PAUSED:
        ws.store.send(record.id, Resume())
        return state
    if state is RunState.FINISHED:
        raise WorkbenchError(
            f"{name} is finished: there is nothing left to do.",
            next_step=f"go on from one of its checkpoints with other settings: mtl-workbench fork "
            f"{record.id} --set training.epochs=…",
        )
    if not state.is_over:
        raise WorkbenchError(
            f"{name} is {state.value}. {why}",
            next_step=f"watch it: mtl-workbench watch {record.id}",
        )
    if record.unreadable:
        raise WorkbenchError(
            f"{name} cannot go on: {record.unreadable}.",
            next_step="use the version of the program that it was made with",
        )
    if not ws.location.run_folder(record.id).is_dir():
        host = facts.process.host if facts.process else here().host
        raise CheckpointError(
            f"The folder of run {record.id} is not on this machine.",
            where=str(ws.location.run_folder(record.id)),
            next_step=f"resume it on {host}, or copy its folder here",
        )
    start_worker(ws.store, ws.location, record, resume=True, wait_seconds=wait_seconds)
    return facts_and_state(ws, record)[1]


def fork(
    ws: Workspace,
    ref: str,
    *,
    checkpoint: str = BEST,
    overrides: Sequence[str] = (),
    keep_optimizer: bool = False,
    wait_seconds: float = WAIT_SECONDS,
) -> RunRecord:
    """Begin a new run with the model of another one's checkpoint, with changed settings.

    Args:
        ws: Where.
        ref: The run.
        checkpoint: best, last, or a step.
        overrides: `KEY=VALUE` texts, as after `--set`.
        keep_optimizer: Whether to take over the moments of the optimizer, too.
        wait_seconds: As for `start`.

    Raises:
        NotFoundError: There is no such run or checkpoint.
        ConfigError: The changed settings are not valid.
        CheckpointError: The checkpoint is not on this machine.
        WorkerError: The worker could not be started.
    """
    parent = find_run(ws, ref)
    if parent.unreadable:
        raise WorkbenchError(
            f"Run {parent.id} ({parent.name}) cannot be forked: {parent.unreadable}.",
            next_step="use the version of the program that it was made with",
        )
    chosen = find_checkpoint(ws, parent, checkpoint)
    origin = ws.location.run_folder(parent.id) / chosen.folder
    if not origin.is_dir():
        raise CheckpointError(
            f"The files of step {chosen.step} are not on this machine.",
            where=str(origin),
            next_step="copy the run's folder here from where it was trained",
        )
    config = parse_experiment(
        to_toml(parent.config),
        origin=f"run {parent.id}",
        folder=ws.location.runs,  # all its paths are absolute
        overrides=[*unset(parent.config), *overrides],
    )
    record = _new_record(config, parent.source, parent_id=parent.id, parent_step=chosen.step)
    make_run_folder(ws, record, origin=origin, keep_optimizer=keep_optimizer)
    ws.store.add_run(record)
    start_worker(ws.store, ws.location, record, wait_seconds=wait_seconds)
    return record


def repeat(
    ws: Workspace,
    ref: str,
    *,
    name: str | None = None,
    wait_seconds: float = WAIT_SECONDS,
) -> RunRecord:
    """Begin a new run of the settings of another, that is asked the same at the same steps.

    What was changed of that run while it was at work, evaluated and saved on request is done again;
    pauses and stops are not, as they change nothing of what it learns.

    Args:
        ws: Where.
        ref: The run.
        name: What to call the new one; as the other by default.
        wait_seconds: As for `start`.

    Raises:
        NotFoundError: Nothing goes by `ref`.
        ConfigError: The name is not valid.
        WorkbenchError: Its settings cannot be read here.
        CheckpointError: It is a fork, and what it began with is not on this machine.
        WorkerError: The worker could not be started.
    """
    other = find_run(ws, ref)
    if other.unreadable:
        raise WorkbenchError(
            f"Run {other.id} ({other.name}) cannot be repeated: {other.unreadable}.",
            next_step="use the version of the program that it was made with",
        )
    folder = ws.location.run_folder(other.id)
    origin = folder / ORIGIN_NAME if other.parent_id is not None else None
    if origin is not None and not origin.is_dir():
        raise CheckpointError(
            "The checkpoint that the run was forked at is not on this machine.",
            where=str(origin),
            next_step="copy the run's folder here from where it was trained",
        )
    config = other.config
    if name:
        config = validate(config.model_dump(mode="json") | {"name": name})
    record = _new_record(
        config, other.source, parent_id=other.parent_id, parent_step=other.parent_step
    )
    asked = dict.fromkeys([*requests_to_repeat(folder), *requests_obeyed(ws.store, other.id)])
    make_run_folder(
        ws,
        record,
        origin=origin,
        keep_optimizer=(folder / KEEP_OPTIMIZER_NAME).exists(),
        requests=[one for one in asked if isinstance(one[1], Repeatable)],
    )
    ws.store.add_run(record)
    start_worker(ws.store, ws.location, record, wait_seconds=wait_seconds)
    return record


def logout_warning() -> str:
    """What a person should know before they log out while runs are at work; mostly nothing."""
    return way_to_start(look_at_logind()).warning


def stop(ws: Workspace, ref: str, *, now: bool = False) -> RunState:
    """Ask a run to stop after its current update, with a checkpoint.

    Args:
        ws: Where.
        ref: The run.
        now: Do not wait for a checkpoint: the worker leaves at once, and is killed if it does
            not. On another machine it is only asked to.

    Returns:
        The state after that: still `running` for a while if not `now`. A run that waits in the
        queue is taken out of it.

    Raises:
        NotFoundError: Nothing goes by `ref`.
        WorkbenchError: The run is over.
    """
    record = find_run(ws, ref)
    _facts, state, why = facts_and_state(ws, record)
    if state.is_over:
        raise WorkbenchError(
            f"Run {record.id} ({record.name}) is over: {state.value}. {why}",
            next_step=f"see what it left: mtl-workbench show {record.id}",
        )
    if ws.store.leave_queue(record.id, waiting_only=True):
        what = "It was taken out of the queue before it began."
        begin = f"begin it: mtl-workbench resume {record.id}"
        _note_stop(ws, record, what, f"{begin}; or delete it: mtl-workbench delete {record.id}")
        return RunState.WITHDRAWN
    ws.store.send(record.id, StopNow() if now else Stop())
    if now:
        _make_leave(ws, record)
    return facts_and_state(ws, record)[1]


def _make_leave(ws: Workspace, record: RunRecord) -> None:
    facts = ws.store.facts(record.id)
    process = process_to_see(facts)
    if process is None or not is_alive(process):
        return
    send_signal(process, signal.SIGTERM)  # wakes it: it reads the command without delay
    until = time.monotonic() + _LEAVE_SECONDS
    while is_alive(process):
        if time.monotonic() > until:
            send_signal(process, signal.SIGKILL)
            until += _LEAVE_SECONDS
        time.sleep(_POLL_SECONDS)
    with suppress(OSError, WorkbenchError):
        send_left_rows(ws, record.id)  # how it ended may be among them
    if ws.store.facts(record.id).exit is None:
        what = "It was told to stop now, and its process was ended."
        _note_stop(ws, record, what)


def _note_stop(ws: Workspace, record: RunRecord, what: str, next_step: str = "") -> None:
    exit = ExitRecord("stopped", datetime.now(UTC), what, next_step=next_step)
    record_exit(ws.store, ws.location, record.id, exit)
