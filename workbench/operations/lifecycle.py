"""Start a run, stop it, delete it."""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

from workbench.config.experiment import ExperimentConfig
from workbench.config.loading import to_toml
from workbench.errors import WorkbenchError, WorkerError
from workbench.operations.reading import facts_and_state, find_run, log_tail, run_log_file
from workbench.operations.workspace import Workspace
from workbench.store.records import ExitRecord, RunRecord
from workbench.worker.launcher import Launch, launch
from workbench.worker.liveness import RunState, is_alive, process_to_see, send_signal

_LETTERS = "abcdefghjkmnpqrstvwxyz"
_DIGITS = "23456789"
_RUN_ID = re.compile(r"[a-z0-9]{1,32}")
_POLL_SECONDS = 0.05
_LEAVE_SECONDS = 20.0
"""How long a worker that was told to leave at once may take before it is killed."""


def new_run_id() -> str:
    """Eight letters and digits, a letter first, none that looks like another (i l o u 0 1)."""
    rest = (secrets.choice(_LETTERS + _DIGITS) for _ in range(7))
    return secrets.choice(_LETTERS) + "".join(rest)


def start(
    ws: Workspace, config: ExperimentConfig, *, source: str = "", wait_seconds: float = 30.0
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
    record = RunRecord(new_run_id(), config.name, datetime.now(UTC), config, source)
    folder = _make_folder(ws, record)
    ws.store.add_run(record)
    try:
        launched = launch(record.id, ws.location)
    except OSError as error:
        raise _did_not_start(ws, record, f"The worker cannot be started: {error}.") from error
    ws.store.record_launch(record.id, launched.process)
    _wait_for_claim(ws, record, launched, folder, wait_seconds)
    return record


def _make_folder(ws: Workspace, record: RunRecord) -> Path:
    folder = ws.location.run_folder(record.id)
    try:
        ws.location.runs.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        file = folder / "experiment.toml"
        file.touch(mode=0o600)
        file.write_text(to_toml(record.config), encoding="utf-8")
    except OSError as error:
        raise WorkerError(
            f"The run's folder cannot be made: {error.strerror}.",
            where=str(folder),
            next_step="check permissions and free space, or use another place with --db",
        ) from error
    return folder


def _wait_for_claim(
    ws: Workspace, record: RunRecord, launched: Launch, folder: Path, wait_seconds: float
) -> None:
    until = time.monotonic() + wait_seconds
    while time.monotonic() < until:
        exit_code = launched.exit_code()  # before the facts: what it wrote in between is then seen
        facts = ws.store.facts(record.id)
        if facts.process is not None or facts.exit is not None:
            return
        if exit_code is not None:
            raise _did_not_start(
                ws, record, f"The worker ended before it began, with exit code {exit_code}."
            )
        time.sleep(_POLL_SECONDS)


def _did_not_start(ws: Workspace, record: RunRecord, what: str) -> WorkerError:
    tail = "\n".join(log_tail(ws, record.id, lines=20))
    log = str(run_log_file(ws, record.id))
    next_step = "read the log; then start the run again"
    ws.store.record_exit(
        record.id, ExitRecord("failed", datetime.now(UTC), what, log, next_step, tail)
    )
    return WorkerError(f"{what}\n{tail}" if tail else what, where=log, next_step=next_step)


def stop(ws: Workspace, ref: str, *, now: bool = False) -> RunState:
    """Ask a run to stop after its current update, with a checkpoint.

    Args:
        ws: Where.
        ref: The run.
        now: Do not wait for a checkpoint: the worker leaves at once, and is killed if it does
            not. On another machine it is only asked to.

    Returns:
        The state after that: still `running` for a while if not `now`.

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
    ws.store.send(record.id, "stop now" if now else "stop")
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
    if ws.store.facts(record.id).exit is None:
        what = "It was told to stop now, and its process was ended."
        ws.store.record_exit(record.id, ExitRecord("stopped", datetime.now(UTC), what))


def delete(ws: Workspace, ref: str) -> None:
    """Delete a run that is over, with its history, checkpoints and exports.

    Raises:
        NotFoundError: Nothing goes by `ref`.
        WorkbenchError: The run is not over.
    """
    record = find_run(ws, ref)
    _facts, state, why = facts_and_state(ws, record)
    if not state.is_over:
        raise WorkbenchError(
            f"Run {record.id} ({record.name}) is {state.value}. {why}",
            next_step=f"stop it first: mtl-workbench stop {record.id}",
        )
    ws.store.delete_run(record.id)
    # The id comes from a database that others may write: it must not lead out of the folder.
    if _RUN_ID.fullmatch(record.id):
        shutil.rmtree(ws.location.run_folder(record.id), ignore_errors=True)
