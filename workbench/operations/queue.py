"""Let runs wait for their turn on this machine, in an order that can be changed."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.config.experiment import ExperimentConfig
from workbench.errors import ConfigError, NotFoundError, Problem
from workbench.operations import lifecycle
from workbench.operations.reading import RunSummary, find_run, list_runs
from workbench.operations.workspace import Workspace
from workbench.store.records import QueueEntry, RunRecord
from workbench.worker.liveness import here
from workbench.worker.queueing import QueueSettings
from workbench.worker.supervisor import ensure_supervisor, is_at_work


@dataclass(frozen=True)
class QueueRow:
    """A run of the queue as its list shows it."""

    run: RunSummary
    entry: QueueEntry
    place: int | None
    """Which it is of those that wait on its machine, from 1; None if it was begun."""


@dataclass(frozen=True)
class Queue:
    """The whole queue."""

    rows: tuple[QueueRow, ...]
    settings: QueueSettings
    """Of this machine."""
    is_worked_off: bool
    """Whether a supervisor is at work on this machine."""


def add(
    ws: Workspace, config: ExperimentConfig, *, source: str = "", priority: int = 0
) -> RunRecord:
    """Write a run down and let it wait for its turn on this machine.

    Args:
        ws: Where.
        config: What to train.
        source: The preset or file that it came from.
        priority: Higher ones go first; of equal ones who came first.

    Raises:
        WorkerError: Its folder, or the supervisor, cannot be made.
    """
    record = lifecycle.add(ws, config, source=source)
    return _enqueue(ws, record, priority)


def _enqueue(ws: Workspace, record: RunRecord, priority: int) -> RunRecord:
    ws.store.enqueue(record.id, here().host, priority=priority)
    ensure_supervisor(ws.store, ws.location)
    return record


def look(ws: Workspace) -> Queue:
    """The queue of all machines, and how it is worked off on this one."""
    entries = {entry.run_id: entry for entry in ws.store.queue()}
    runs = {run.record.id: run for run in list_runs(ws)}
    ensure_supervisor(ws.store, ws.location)
    rows = tuple(
        QueueRow(runs[run_id], entry, runs[run_id].queue_place)
        for run_id, entry in entries.items()
        if run_id in runs
    )
    settings = QueueSettings.of(ws.store.queue_settings(here().host))
    return Queue(rows, settings, is_at_work(ws.location))


def move(ws: Workspace, ref: str, place: int) -> RunRecord:
    """Let a waiting run be the `place`-th, counted from 1.

    Raises:
        NotFoundError: Nothing goes by `ref`, or it does not wait.
    """
    record = _waiting(ws, ref)
    if not ws.store.move_in_queue(record.id, place):
        raise _does_not_wait(record)  # it was taken just now
    return record


def remove(ws: Workspace, ref: str) -> RunRecord:
    """Take a waiting run out; it stays listed as stopped, and can be resumed.

    Raises:
        NotFoundError: Nothing goes by `ref`, or it does not wait.
    """
    record = _waiting(ws, ref)
    lifecycle.stop(ws, record.id)
    return record


def pause(ws: Workspace) -> None:
    """Begin no further run on this machine; those at work go on."""
    ws.store.change_queue_settings(here().host, {"paused": True, "paused_because": ""})


def go_on(ws: Workspace) -> None:
    """Begin runs again."""
    ws.store.change_queue_settings(here().host, {"paused": False, "paused_because": ""})
    ensure_supervisor(ws.store, ws.location)


def change(
    ws: Workspace,
    *,
    at_once: int | None = None,
    continue_on_error: bool | None = None,
    choose_devices: bool | None = None,
    free_mebibytes: int | None = None,
) -> QueueSettings:
    """Change how the queue of this machine is worked off; what is None stays.

    Raises:
        ConfigError: A number is out of its range.
    """
    problems = []
    if at_once is not None and at_once < 1:
        problems.append(Problem(f"{at_once} runs at once is none.", "--at-once", "1 or more"))
    if free_mebibytes is not None and free_mebibytes < 0:
        problems.append(
            Problem(f"No GPU has {free_mebibytes} MiB free.", "--free-memory", "0 or more")
        )
    if problems:
        raise ConfigError.of(problems)
    values = {
        "at_once": at_once,
        "continue_on_error": continue_on_error,
        "choose_devices": choose_devices,
        "free_mebibytes": free_mebibytes,
    }
    given = {key: value for key, value in values.items() if value is not None}
    ws.store.change_queue_settings(here().host, given)
    return QueueSettings.of(ws.store.queue_settings(here().host))


def _waiting(ws: Workspace, ref: str) -> RunRecord:
    record = find_run(ws, ref)
    waiting = [entry for entry in ws.store.queue() if entry.taken_at is None]
    if record.id not in {entry.run_id for entry in waiting}:
        raise _does_not_wait(record)
    return record


def _does_not_wait(record: RunRecord) -> NotFoundError:
    return NotFoundError(
        f"Run {record.id} ({record.name}) does not wait in the queue.",
        next_step="see who does: mtl-workbench queue list",
    )
