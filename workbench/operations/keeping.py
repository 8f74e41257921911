"""What people do to keep order among runs: names, stars, tags, notes, the archive, the trash.

Each function takes many runs, and returns what it changed, so that `undo` can put it back.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from workbench.errors import ConfigError, WorkbenchError
from workbench.operations.reading import facts_and_state, find_run, find_runs
from workbench.operations.workspace import Workspace
from workbench.store.records import Keeping, RunRecord
from workbench.worker.additions import keep

_TAG = re.compile(r"[^\s,()=<>!~\"]{1,64}")


@dataclass(frozen=True)
class Change:
    """What was done, and how it was before."""

    words: str
    """What was done, as a sentence."""
    before: Mapping[str, Keeping]
    """By run that changed."""
    names: Mapping[str, str]
    """By run that was renamed, its name before."""

    @property
    def count(self) -> int:
        """How many runs changed."""
        return len(self.before.keys() | self.names.keys())


def undo(ws: Workspace, change: Change) -> str:
    """Put everything back as it was before a change; returns what was done, as a sentence."""
    keep(ws.store, ws.location, change.before, change.names)
    return f"Taken back: {change.words[0].lower()}{change.words[1:]}"


def rename(ws: Workspace, ref: str, name: str) -> Change:
    """Call a run otherwise. Its settings stay: they say what it was configured as.

    Raises:
        NotFoundError: Nothing goes by `ref`.
        ConfigError: The name is empty, or has characters in it that cannot be printed.
    """
    record = find_run(ws, ref)
    name = " ".join(name.split())
    if not name:
        raise ConfigError("A run needs a name.", next_step="type at least one letter")
    if not name.isprintable():
        raise ConfigError(
            "The name has characters in it that cannot be printed.",
            next_step="leave them out; what is typed has to be UTF-8",
        )
    keep(ws.store, ws.location, {}, {record.id: name})
    return Change(f'"{record.name}" is called "{name}".', {}, {record.id: record.name})


def star(ws: Workspace, refs: Sequence[str], *, on: bool = True) -> Change:
    """Set runs off with a star, or take it away."""
    return _change(
        ws,
        refs,
        "{} starred." if on else "Star taken from {}.",
        lambda one: replace(one, starred=on),
    )


def note(ws: Workspace, ref: str, text: str) -> Change:
    """Write down what is to be remembered of a run, in place of what was there; none if empty."""
    text = text.strip()
    return _change(
        ws,
        [ref],
        "Note of {} kept." if text else "Note of {} taken away.",
        lambda one: replace(one, note=text),
    )


def tag(
    ws: Workspace, refs: Sequence[str], add: Sequence[str] = (), remove: Sequence[str] = ()
) -> Change:
    """Add tags to runs, and take others away.

    Raises:
        NotFoundError: Nothing goes by one of `refs`.
        ConfigError: A tag has a space or a sign of the filter language in it.
    """
    for one in add:
        if not _TAG.fullmatch(one) or not one.isprintable():
            raise ConfigError(
                f'"{one}" cannot be a tag.',
                next_step="a tag is one word of up to 64 signs, none of , = < > ! ~ ( ) and quotes",
            )
    words = [*(f"+{one}" for one in add), *(f"-{one}" for one in remove)]
    return _change(
        ws,
        refs,
        f"{{}} tagged {' '.join(words)}.",
        lambda one: replace(one, tags=tuple(sorted(({*one.tags} - {*remove}) | {*add}))),
    )


def archive(ws: Workspace, refs: Sequence[str], *, on: bool = True) -> Change:
    """Keep runs out of the list, with all that they have; or bring them back."""
    now = datetime.now(UTC)
    return _change(
        ws,
        refs,
        "{} archived." if on else "{} taken out of the archive.",
        lambda one: replace(one, archived_at=(one.archived_at or now) if on else None),
    )


def delete(ws: Workspace, refs: Sequence[str]) -> Change:
    """Put runs that are over into the trash. Nothing is lost before `empty_trash`.

    Raises:
        NotFoundError: Nothing goes by one of `refs`.
        WorkbenchError: One is not over.
    """
    now = datetime.now(UTC)
    for record in find_runs(ws, refs).values():
        _facts, state, why = facts_and_state(ws, record)
        if not state.is_over:
            raise WorkbenchError(
                f"Run {record.id} ({record.name}) is {state.value}. {why}",
                next_step=f"stop it first: mtl-workbench stop {record.id}",
            )
    return _change(ws, refs, "{} put into the trash.", lambda one: replace(one, deleted_at=now))


def restore(ws: Workspace, refs: Sequence[str]) -> Change:
    """Take runs out of the trash."""
    return _change(
        ws,
        refs,
        "{} taken out of the trash.",
        lambda one: replace(one, deleted_at=None),
        deleted=True,
    )


def trash(ws: Workspace) -> list[RunRecord]:
    """The runs in the trash, newest first."""
    known = ws.store.keepings()
    return [
        record
        for record in ws.store.runs(deleted=True)
        if known.get(record.id, Keeping()).deleted_at is not None
    ]


def empty_trash(ws: Workspace) -> int:
    """Delete the runs in the trash for good, with history, checkpoints and exports.

    Returns:
        How many there were.
    """
    records = trash(ws)
    for record in records:
        ws.store.delete_run(record.id)
        shutil.rmtree(ws.location.run_folder(record.id), ignore_errors=True)
    return len(records)


def _change(
    ws: Workspace,
    refs: Sequence[str],
    words: str,
    change: Callable[[Keeping], Keeping],
    *,
    deleted: bool = False,
) -> Change:
    """Change what was added to runs; those that are so already stay out of it."""
    records = find_runs(ws, refs, deleted=deleted)
    known = ws.store.keepings()
    before = {run_id: known.get(run_id, Keeping()) for run_id in records}
    after = {run_id: change(one) for run_id, one in before.items()}
    before = {run_id: one for run_id, one in before.items() if after[run_id] != one}
    if before:
        keep(ws.store, ws.location, {run_id: after[run_id] for run_id in before})
    names = [f'"{record.name}"' for record in records.values()]
    told = words.format(names[0] if len(names) == 1 else f"{len(names)} runs")
    return Change(told, before, {})
