"""What others than its worker do with a run: in the store, and in a file of the run's folder.

A journal is its worker's alone (see `journal`). Stars, tags, notes, names, exports, evaluations
made later, and ends that somebody else noted are in a second file, line by line, so that a database
that is lost is made anew with them. The store comes first: where the folder is on another machine,
or cannot be written, the database alone has them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from workbench.events import EvaluationFinished
from workbench.paths import Location
from workbench.secrecy import scrub
from workbench.store.records import ExitRecord, ExportRecord, Keeping
from workbench.store.run_store import RunStore

ADDED_NAME = "added.jsonl"

Addition = Keeping | str | ExportRecord | EvaluationFinished | ExitRecord
"""What people keep of it, a new name, what was taken away, a later evaluation, its end."""

_KINDS: dict[str, type[Addition]] = {
    "keeping": Keeping,
    "name": str,
    "export": ExportRecord,
    "evaluation": EvaluationFinished,
    "exit": ExitRecord,
}


def keep(
    store: RunStore,
    location: Location,
    wanted: Mapping[str, Keeping],
    names: Mapping[str, str] | None = None,
) -> None:
    """Put these in the place of what was added to each run, and call runs otherwise."""
    store.keep(wanted, names)
    for run_id, keeping in wanted.items():
        note(location.run_folder(run_id), keeping)
    for run_id, name in (names or {}).items():
        note(location.run_folder(run_id), name)


def add_export(store: RunStore, location: Location, run_id: str, record: ExportRecord) -> None:
    """Note that a checkpoint was taken away."""
    store.add_export(run_id, record)
    note(location.run_folder(run_id), record)


def add_evaluation(
    store: RunStore, location: Location, run_id: str, event: EvaluationFinished
) -> None:
    """Note what a checkpoint was found to be worth after its run was over, or beside it."""
    now = datetime.now(UTC)
    store.append(run_id, [event], at=now)
    note(location.run_folder(run_id), event, at=now)


def record_exit(store: RunStore, location: Location, run_id: str, exit: ExitRecord) -> None:
    """Note how a run ended whose worker cannot tell."""
    store.record_exit(run_id, exit)
    note(location.run_folder(run_id), exit)


def note(folder: Path, addition: Addition, *, at: datetime | None = None) -> None:
    """Write a line into the file alone; where that cannot be done it is not there."""
    kind = next(name for name, kind in _KINDS.items() if isinstance(addition, kind))
    values = {
        "at": (at or datetime.now(UTC)).timestamp(),
        "kind": kind,
        "body": _adapter(kind).dump_python(addition, mode="json"),
    }
    line = scrub(json.dumps(values, ensure_ascii=False)).encode() + b"\n"
    if not folder.is_dir():
        return
    with suppress(OSError):
        descriptor = os.open(folder / ADDED_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # a full disk took half of the line before
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def read_additions(folder: Path) -> list[tuple[datetime, Addition]]:
    """All that others did with a run, in order; lines that cannot be read are left out."""
    found: list[tuple[datetime, Addition]] = []
    with suppress(OSError), (folder / ADDED_NAME).open("rb") as file:
        for line in file:
            with suppress(ValueError, KeyError, TypeError, OverflowError):
                values = json.loads(line)
                at = datetime.fromtimestamp(values["at"], UTC)
                found.append((at, _adapter(values["kind"]).validate_python(values["body"])))
    return found


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(_KINDS[kind])
