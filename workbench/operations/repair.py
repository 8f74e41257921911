"""Mend what an accident left: a lost database, runs that it does not know, rows that wait in files.

A run's folder has what its rows were made of (see `run_folder`), so the database can be made anew
from the folders: the runs with their settings, all that they said, their checkpoints, and what
people and other processes added to them. Only the queue and requests that nobody heard yet are in
the database alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from workbench.errors import CheckpointError, NotFoundError, StoreError, WorkbenchError
from workbench.events import (
    CheckpointRemoved,
    CheckpointSaved,
    EvaluationFinished,
    PhaseStarted,
    RunResumed,
    StepFinished,
)
from workbench.operations.reading import facts_and_state, find_run, send_left_rows
from workbench.operations.run_folder import read_run_file
from workbench.operations.workspace import Workspace
from workbench.paths import Location, is_run_id
from workbench.store.health import look_at_file
from workbench.store.records import (
    ExitRecord,
    ExportRecord,
    Heartbeat,
    Keeping,
    ProcessIdentity,
    RunRecord,
)
from workbench.store.run_store import RunStore
from workbench.training.manifest import check_checkpoint
from workbench.worker.additions import note, read_additions, record_exit
from workbench.worker.journal import JOURNAL_NAME, Batch
from workbench.worker.liveness import LOCK_NAME, here
from workbench.worker.resumption import checkpoints_on_disk
from workbench.worker.supervisor import ensure_supervisor

_BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Mended:
    """One thing that was done, or could not be."""

    what: str
    is_trouble: bool = False


def repair(location: Location) -> list[Mended]:
    """Mend all that can be mended.

    Returns:
        What was done, in order; empty if nothing was wrong.

    Raises:
        StoreError: The database cannot be written.
    """
    done: list[Mended] = []
    file = location.database_file
    damaged = _put_damaged_file_away(file, done) if file is not None else None
    with Workspace(location, RunStore.open(location.url)) as ws:
        if damaged is not None:
            _salvage(ws, damaged, done)
        # In this order: a run that is begun meanwhile has its folder first.
        folders = _run_folders(location)
        known = {one.id for one in ws.store.runs(deleted=True)}
        for folder in folders:
            _mend_run(ws, folder, folder.name in known, done)
        with suppress(WorkbenchError):
            ensure_supervisor(ws.store, location)
    return done


def close(ws: Workspace, ref: str) -> RunRecord:
    """Note that a run is over whose process nobody here can see, as its machine is gone.

    Raises:
        NotFoundError: Nothing goes by `ref`.
        WorkbenchError: The run is over, or on this machine, where its end can be seen.
    """
    record = find_run(ws, ref)
    facts, state, why = facts_and_state(ws, record)
    process = facts.process or facts.launched
    if state.is_over or process is None or process.host == here().host:
        raise WorkbenchError(
            f"Run {record.id} ({record.name}) is {state.value}. {why}",
            next_step="only a run of another machine has to be closed by hand; stop others: "
            f"mtl-workbench stop {record.id}",
        )
    what = f"It was closed by hand on {here().host}: {why}"
    exit = ExitRecord("failed", datetime.now(UTC), what)
    record_exit(ws.store, ws.location, record.id, exit)
    return record


def _run_folders(location: Location) -> list[Path]:
    try:
        return sorted(f for f in location.runs.iterdir() if is_run_id(f.name) and f.is_dir())
    except OSError:
        return []


# The database


def _put_damaged_file_away(file: Path, done: list[Mended]) -> Path | None:
    health = look_at_file(file)
    if not health.is_damaged:
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    away = file.with_name(f"{file.name}.damaged-{stamp}")
    try:
        file.rename(away)
        for ending in _BESIDE:
            with suppress(FileNotFoundError):
                file.with_name(file.name + ending).rename(away.with_name(away.name + ending))
    except OSError as error:
        raise StoreError(
            f"The damaged database cannot be moved away: {error.strerror}.",
            where=str(file),
            next_step="make its folder writable",
        ) from error
    done.append(Mended(f"The database was damaged; it is now {away.name}, and a new one is made."))
    return away


def _salvage(ws: Workspace, damaged: Path, done: list[Mended]) -> None:
    saved = ws.store.salvage(damaged)
    told = ", ".join(f"{count} {table}" for table, count in saved.items() if count)
    done.append(Mended(f"Read from the damaged one: {told or 'nothing'}."))
    # What a run said is whole in its journal; of what was salvaged nobody knows.
    for folder in _run_folders(ws.location):
        if (folder / JOURNAL_NAME).is_file():
            with suppress(NotFoundError):
                _note_additions(ws, folder)
                ws.store.delete_run(folder.name)


def _note_additions(ws: Workspace, folder: Path) -> None:
    """Let the folder know what people added to a run, where an earlier version told the database
    alone.

    What the folder has goes before: a later version wrote it there. That tells nothing of what is
    of another kind, nor of other exports.
    """
    added = [one for _, one in read_additions(folder)]
    record, keeping = ws.store.run(folder.name), ws.store.keeping(folder.name)
    asked_for = read_run_file(folder)
    is_renamed = asked_for is not None and asked_for.name != record.name
    if is_renamed and not any(isinstance(one, str) for one in added):
        note(folder, record.name)
    if keeping != Keeping() and not any(isinstance(one, Keeping) for one in added):
        note(folder, keeping)
    noted = {(one.at, one.folder) for one in added if isinstance(one, ExportRecord)}
    for exported in ws.store.exports(folder.name):
        if (exported.at, exported.folder) not in noted:
            note(folder, exported)


# Runs


def _mend_run(ws: Workspace, folder: Path, is_known: bool, done: list[Mended]) -> None:
    record = read_run_file(folder)
    if record is None:
        return
    name = f"run {record.id} ({record.name})"
    try:
        if not is_known:
            _add(ws, record, folder)
        if not is_known or _is_half_in(ws, record, folder):
            _take_in(ws, record, folder)
            done.append(Mended(f"Took in {name} from its folder."))
        else:
            before = ws.store.journal_bytes(record.id)
            send_left_rows(ws, record.id)
            if ws.store.journal_bytes(record.id) > before:
                done.append(Mended(f"Sent rows of {name} that the database lacked."))
        _compare_checkpoints(ws, record, folder, done)
    except (WorkbenchError, OSError) as error:
        done.append(Mended(f"{name[0].upper()}{name[1:]} could not be mended: {error}", True))


def _add(ws: Workspace, record: RunRecord, folder: Path) -> None:
    """Write a run down with what people added to it, or not at all."""
    kept, exported = None, []
    for _, addition in read_additions(folder):
        match addition:
            case Keeping():
                kept = addition
            case str():
                record = replace(record, name=addition)
            case ExportRecord():
                exported.append(addition)
    ws.store.add_run(record, kept=kept, exported=exported)


def _is_half_in(ws: Workspace, record: RunRecord, folder: Path) -> bool:
    """Whether a repair was broken off that took the run in: who was launched is told last."""
    return ws.store.facts(record.id).launched is None and _process_of(folder) is not None


def _take_in(ws: Workspace, record: RunRecord, folder: Path) -> None:
    """Make the rows of a run anew; those that are there already stay."""
    batches = _batches(folder)
    process = _process_of(folder)
    at = batches[0].at if batches else record.created_at
    if process is not None:
        ws.store.note_claim(record.id, process, at=at)
    send_left_rows(ws, record.id)
    batches = _batches(folder)  # a worker may have written, or the first version have left some
    _take_in_later(ws, record, folder, batches)
    _note_last_sign(ws, record, batches)
    if process is not None:
        ws.store.record_launch(record.id, process, at=at)


def _process_of(folder: Path) -> ProcessIdentity | None:
    """The worker that took the lock last."""
    try:
        return ProcessIdentity(**json.loads((folder / LOCK_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _take_in_later(
    ws: Workspace, record: RunRecord, folder: Path, batches: Sequence[Batch]
) -> None:
    """What others found of a run whose journal is in, after it was over."""
    resumed = [
        (batch.at, event.step)
        for batch in batches
        for event in batch.events
        if isinstance(event, RunResumed)
    ]
    for at, addition in read_additions(folder):
        match addition:
            case EvaluationFinished():
                if not any(later > at and step < addition.step for later, step in resumed):
                    ws.store.append(record.id, [addition], at=at)
            case ExitRecord():
                # Of a run that said something afterwards it was not the end.
                if not batches or addition.at > batches[-1].at:
                    ws.store.record_exit(record.id, addition)


def _note_last_sign(ws: Workspace, record: RunRecord, batches: Sequence[Batch]) -> None:
    """A run that has not told its end was alive when it last said something."""
    step, phase, last = 0, "training", None
    for last in batches:
        for event in last.events:
            if isinstance(event, StepFinished):
                step = event.step
            elif isinstance(event, PhaseStarted):
                phase = event.phase
    facts = ws.store.facts(record.id)
    if facts.exit is not None:
        return
    if last is not None:
        ws.store.beat(record.id, Heartbeat(last.at, phase, step, 60.0))
    elif facts.process is None:
        what = "Its folder tells nothing of how it ended."
        ws.store.record_exit(record.id, ExitRecord("stopped", record.created_at, what))


def _batches(folder: Path) -> list[Batch]:
    found = []
    with suppress(OSError), (folder / JOURNAL_NAME).open("rb") as file:
        for line in file:
            with suppress(ValueError, KeyError, TypeError):
                found.append(Batch.from_line(line))
    return found


def _compare_checkpoints(
    ws: Workspace, record: RunRecord, folder: Path, done: list[Mended]
) -> None:
    """List the checkpoints that are there and whole, and no others."""
    if not facts_and_state(ws, record)[1].is_over:
        return  # its worker is about to tell of them, or has just removed one
    on_disk = checkpoints_on_disk(folder)
    listed = {one.step: folder / one.folder for one in ws.store.checkpoints(record.id)}
    for step in [step for step, path in listed.items() if not path.is_dir()]:
        ws.store.append(record.id, [CheckpointRemoved(step)])
        done.append(Mended(f"The checkpoint of step {step} of run {record.id} is not there."))
    for step in sorted(on_disk.keys() - listed.keys()):
        with suppress(CheckpointError):
            check_checkpoint(on_disk[step])
            size = sum(file.stat().st_size for file in on_disk[step].rglob("*"))
            name = str(on_disk[step].relative_to(folder))
            ws.store.append(record.id, [CheckpointSaved(step, name, False, None, size)])
            done.append(Mended(f"Listed the checkpoint of step {step} of run {record.id}."))
