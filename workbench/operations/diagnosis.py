"""What `doctor` finds: this machine, the database, and for each run its state with the reasoning.

Changes nothing, and works where the database does not.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from workbench.errors import WorkbenchError
from workbench.operations.run_folder import read_run_file
from workbench.paths import Location, is_run_id
from workbench.store.database import safe_url
from workbench.store.filesystem import file_system_of
from workbench.store.health import FileHealth, look_at_file
from workbench.store.records import ProcessIdentity, RunRecord
from workbench.store.run_store import RunStore
from workbench.store.schema import REVISIONS
from workbench.worker.devices import find_gpus
from workbench.worker.journal import JOURNAL_NAME
from workbench.worker.liveness import LOCK_NAME, here, is_held, process_to_see, see
from workbench.worker.logind import look_at_logind, way_to_start
from workbench.worker.queueing import QueueSettings
from workbench.worker.states import Known, states
from workbench.worker.supervisor import is_at_work

Verdict = Literal["ok", "note", "trouble"]
LITTLE_SPACE_BYTES = 5 * 1024**3
_PACKAGES = ("mtl-workbench", "torch", "transformers", "sqlalchemy", "textual", "psycopg")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    verdict: Verdict
    what: str
    next_step: str = ""


@dataclass(frozen=True)
class RunFinding:
    """A run, its state, and what that was concluded from."""

    id: str
    name: str
    state: str
    why: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Diagnosis:
    """All that was found."""

    findings: tuple[Finding, ...]
    runs: tuple[RunFinding, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing is in trouble."""
        return all(finding.verdict != "trouble" for finding in self.findings)


def diagnose(location: Location) -> Diagnosis:
    """Look at everything; takes about a second for each gigabyte of the database."""
    file = location.database_file
    health = look_at_file(file) if file is not None else None
    findings = [*_program(), *_terminal(), *_database(location, health), *_machine(location)]
    runs: tuple[RunFinding, ...] = ()
    if health is None or health.is_current:
        try:
            store = RunStore.open(location.url)
        except WorkbenchError as error:
            findings.append(_trouble_of("database", error))
        else:
            try:
                runs = tuple(_runs(store, location))
                findings += [*_orphans(store, location), *_queue(store, location)]
            except WorkbenchError as error:
                findings.append(_trouble_of("database", error))
            finally:
                store.close()
    return Diagnosis(tuple(findings), runs)


def _trouble_of(topic: str, error: WorkbenchError) -> Finding:
    return Finding(topic, "trouble", error.what, error.next_step)


def _program() -> Iterator[Finding]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    yield Finding("program", "ok", f"{', '.join(found)}, schema {REVISIONS[-1]}")
    yield Finding(
        "machine",
        "ok",
        f"{here().host}, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}, {os.cpu_count()} CPUs",
    )


def _terminal() -> Iterator[Finding]:
    size = shutil.get_terminal_size()
    parts = [f"TERM={os.environ.get('TERM', '')}", f"{size.columns}x{size.lines}"]
    parts += [name for name in ("TMUX", "SSH_CONNECTION", "NO_COLOR") if os.environ.get(name)]
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        yield Finding(
            "terminal",
            "note",
            f"{', '.join(parts)}, encoding {encoding or 'unknown'}",
            "the interface is drawn in ASCII; finer in UTF-8: export LC_ALL=C.UTF-8",
        )
        return
    yield Finding("terminal", "ok", ", ".join(parts))


def _database(location: Location, health: FileHealth | None) -> Iterator[Finding]:
    where = safe_url(location.url)
    if health is None or location.database_file is None:
        yield Finding("database", "ok", f"{where}, on a server")
        return
    file = location.database_file
    kind = file_system_of(file)
    if not health.exists:
        can_be_remade = any(_folders(location))
        yield Finding(
            "database",
            "trouble" if can_be_remade else "note",
            f"{where} is not there" + (", but runs' folders are" if can_be_remade else " yet"),
            "make it anew from them: mtl-workbench repair" if can_be_remade else "",
        )
        return
    if health.is_damaged:
        yield Finding(
            "database",
            "trouble",
            f"{where} is damaged: {'; '.join(health.problems)}",
            "make it anew from what can be read and from the runs' folders: mtl-workbench repair",
        )
        return
    text = f"{where}, {health.bytes / 1e6:.1f} MB, whole, journal mode {health.journal_mode}"
    if not health.is_current:
        is_older = health.revision in REVISIONS
        yield Finding(
            "database",
            "note" if is_older or health.revision is None else "trouble",
            f"{text}, schema {health.revision or 'none yet'}",
            "it is brought up to date, after a backup, when it is next opened"
            if is_older or health.revision is None
            else "upgrade the program: pip install --upgrade mtl-workbench",
        )
    else:
        yield Finding("database", "ok", text)
    yield _file_system(kind.kind, kind.is_over_a_network, health.journal_mode)


def _file_system(kind: str, is_over_a_network: bool, journal_mode: str) -> Finding:
    if not is_over_a_network:
        return Finding("file system", "ok", f"{kind or 'unknown'}, local")
    if journal_mode == "wal":
        return Finding(
            "file system",
            "trouble",
            f"{kind}, over a network, and the database has a write-ahead log, which is not safe "
            "there",
            "close all that uses it and open it once: another journal mode is then set",
        )
    return Finding(
        "file system",
        "note",
        f"{kind}, over a network: without a write-ahead log, which is not safe there",
        "for many writers take a local disk, or PostgreSQL (--db postgresql+psycopg://…)",
    )


def _machine(location: Location) -> Iterator[Finding]:
    # What is not there yet is made beneath the nearest folder that is.
    folder = next(one for one in (location.runs, *location.runs.parents) if one.is_dir())
    free = shutil.disk_usage(folder).free
    yield Finding(
        "disk",
        "ok" if free > LITTLE_SPACE_BYTES else "note",
        f"{free / 1024**3:.1f} GiB free at {folder}",
        "" if free > LITTLE_SPACE_BYTES else "make room: a checkpoint may need more",
    )
    gpus = find_gpus()
    told = ", ".join(
        f"{gpu.index} {gpu.name} ({gpu.free_mebibytes} of {gpu.total_mebibytes} MiB free)"
        for gpu in gpus
    )
    yield Finding("GPUs", "ok", told or "none that the NVIDIA driver tells of")
    warning = way_to_start(look_at_logind()).warning
    yield Finding("logout", "note" if warning else "ok", warning or "runs outlive your logout")


def _folders(location: Location) -> Iterator[Path]:
    try:
        found = sorted(location.runs.iterdir())
    except OSError:
        return
    for folder in found:
        if is_run_id(folder.name) and folder.is_dir():
            yield folder


def _orphans(store: RunStore, location: Location) -> Iterator[Finding]:
    known = {record.id for record in store.runs(deleted=True)}
    unknown = [folder for folder in _folders(location) if folder.name not in known]
    lost = [folder.name for folder in unknown if read_run_file(folder) is not None]
    if lost:
        yield Finding(
            "orphans",
            "trouble",
            f"{len(lost)} folder(s) of runs that the database does not know: {', '.join(lost[:8])}",
            "take them in: mtl-workbench repair",
        )
    else:
        yield Finding("orphans", "ok", "every folder of a run is in the database")


def _queue(store: RunStore, location: Location) -> Iterator[Finding]:
    entries = store.queue(here().host)
    settings = QueueSettings.of(store.queue_settings(here().host))
    waiting = sum(entry.taken_at is None for entry in entries)
    told = f"{waiting} waiting, {len(entries) - waiting} begun"
    if settings.paused:
        told += f", paused {settings.paused_because}".rstrip()
    told += ", worked off" if is_at_work(location) else ", nobody works it off"
    is_stuck = bool(waiting) and settings.paused
    yield Finding(
        "queue",
        "note" if is_stuck else "ok",
        told,
        "let it go on: mtl-workbench queue resume" if is_stuck else "",
    )


def _runs(store: RunStore, location: Location) -> Iterator[RunFinding]:
    records = store.runs()
    known = states(store, location, records, store.all_facts())
    for record in records:
        yield _run(location, record, known[record.id])


def _run(location: Location, record: RunRecord, known: Known) -> RunFinding:
    facts, state, why = known
    folder = location.run_folder(record.id)
    process = process_to_see(facts)
    lock = folder / LOCK_NAME
    told: dict[str, Any] = {
        "launched": _process(facts.launched),
        "claimed": _process(facts.process),
        "claimed_at": facts.claimed_at,
        "sighting": see(process, lock=lock) if process else None,
        "lock_held": is_held(lock),
        "exit": facts.exit,
        "folder_is_here": folder.is_dir(),
        "journal_bytes": _size(folder / JOURNAL_NAME),
        "journal_bytes_in_database": facts.journal_bytes,
        "queued": facts.queued,
    }
    if facts.heartbeat is not None:
        beat = facts.heartbeat
        told["heartbeat"] = beat
        if beat.monotonic is not None and process is not None and process.host == here().host:
            told["heartbeat_seconds_ago"] = round(time.monotonic() - beat.monotonic, 1)
    why = f"{why} {record.unreadable}." if record.unreadable else why
    return RunFinding(record.id, record.name, state.value, why, told)


def _process(process: ProcessIdentity | None) -> dict[str, Any] | None:
    return None if process is None else process._asdict()


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None
