"""Let runs wait for their turn on this machine, in an order that can be changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.config.experiment import ExperimentConfig
from workbench.errors import ConfigError, NotFoundError, Problem
from workbench.operations import lifecycle
from workbench.operations.reading import RunSummary, find_run, list_runs
from workbench.operations.workspace import Workspace
from workbench.store.records import QueueEntry, RunRecord
from workbench.worker.devices import find_gpus
from workbench.worker.liveness import here
from workbench.worker.queueing import QueueSettings, decide
from workbench.worker.supervisor import ensure_supervisor, is_at_work, split_queue


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
    runs: tuple[RunSummary, ...]
    """All runs, those that are not in the queue among them: what the next look may know."""
    why_waiting: str = ""
    """Why none is begun on this machine although some wait; empty if the next is about to be."""


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


def look(ws: Workspace, *, known: Sequence[RunSummary] = ()) -> Queue:
    """The queue of all machines, and how it is worked off on this one.

    Args:
        ws: Where.
        known: Runs as they were read before, as for `reading.list_runs`.
    """
    entries = ws.store.queue()
    runs = tuple(list_runs(ws, known=known, tends_queue=False))
    by_id = {run.record.id: run for run in runs}
    ensure_supervisor(ws.store, ws.location)  # who came for the queue is told if it cannot be
    rows = tuple(
        QueueRow(by_id[entry.run_id], entry, by_id[entry.run_id].queue_place)
        for entry in entries
        if entry.run_id in by_id
    )
    settings = QueueSettings.of(ws.store.queue_settings(here().host))
    why = _why_waiting(ws, entries, runs, settings)
    return Queue(rows, settings, is_at_work(ws.location), runs, why)


def _why_waiting(
    ws: Workspace,
    entries: Sequence[QueueEntry],
    runs: Sequence[RunSummary],
    settings: QueueSettings,
) -> str:
    """What the supervisor that sees to this folder's runs would say if it were asked."""
    host = here().host
    own, others = split_queue(entries, ws.location)
    if all(entry.taken_at is not None for entry in own):
        return ""
    facts = ws.store.all_facts([run.record.id for run in runs if not run.state.is_over])
    processes = {run_id: one.process or one.launched for run_id, one in facts.items()}
    states = {
        run.record.id: run.state
        for run in runs
        if (process := processes.get(run.record.id)) is None or process.host == host
    }
    begun = {entry.run_id: processes.get(entry.run_id) is not None for entry in own}
    decision = decide(own, states, begun, settings, [], others)
    if decision.begin is not None and settings.choose_devices:
        gpus = find_gpus()  # asking the driver takes time
        decision = decide(own, states, begun, settings, gpus, others)
    return decision.why_not


def move(ws: Workspace, ref: str, place: int) -> RunRecord:
    """Let a waiting run be the `place`-th, counted from 1.

    Raises:
        NotFoundError: Nothing goes by `ref`, or it does not wait.
    """
    record = _waiting(ws, ref)
    if not ws.store.move_in_queue(record.id, place):
        raise _does_not_wait(record)  # it was taken just now
    return record


def shift(ws: Workspace, ref: str, places: int) -> RunRecord:
    """Let a waiting run go before (below 0) or after that many others of its machine.

    Raises:
        NotFoundError: Nothing goes by `ref`, or it does not wait.
    """
    record, entry = _waiting_entry(ws, ref)
    waiting = [one.run_id for one in ws.store.queue(entry.host) if one.taken_at is None]
    if record.id in waiting:  # nobody took it meanwhile
        place = waiting.index(record.id) + 1 + places
        ws.store.move_in_queue(record.id, max(1, min(place, len(waiting))))
    return record


def prioritise(ws: Workspace, ref: str, priority: int = 0, *, by: int = 0) -> int:
    """Give a waiting run another priority: higher ones go first.

    Args:
        ws: Where.
        ref: The run.
        priority: The new one.
        by: If not 0, by how much it is raised instead.

    Returns:
        The new priority.

    Raises:
        NotFoundError: Nothing goes by `ref`, or it does not wait.
    """
    record, entry = _waiting_entry(ws, ref)
    if by:
        priority = entry.priority + by
    ws.store.prioritise_in_queue(record.id, priority)
    return priority


def remove(ws: Workspace, ref: str) -> RunRecord:
    """Take a waiting run out; it stays listed as withdrawn, and can be resumed.

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


def allow(ws: Workspace, more: int) -> QueueSettings:
    """Let so many more runs (fewer, below 0) be at work at once; one at least may always be."""
    now = QueueSettings.of(ws.store.queue_settings(here().host)).at_once
    return change(ws, at_once=max(1, now + more))


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
    return _waiting_entry(ws, ref)[0]


def _waiting_entry(ws: Workspace, ref: str) -> tuple[RunRecord, QueueEntry]:
    record = find_run(ws, ref)
    for entry in ws.store.queue():
        if entry.run_id == record.id and entry.taken_at is None:
            return record, entry
    raise _does_not_wait(record)


def _does_not_wait(record: RunRecord) -> NotFoundError:
    return NotFoundError(
        f"Run {record.id} ({record.name}) does not wait in the queue.",
        next_step="see who does: mtl-workbench queue list",
    )
