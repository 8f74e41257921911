"""Where a run goes on after its process ended: at the last good checkpoint that the store knows.

The worker makes sure that all that was said up to a checkpoint is on the disk before the engine
goes on (and removes older ones). So the history before the checkpoint that is found here is whole.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.control import Request, Setting, from_json, kind_of, to_json
from workbench.errors import CheckpointError, WorkbenchError, WorkerError
from workbench.events import RequestObeyed
from workbench.store.records import MessageRecord, RunFacts, RunRecord
from workbench.store.run_store import RunStore
from workbench.training.manifest import TRAINING, is_whole
from workbench.worker.log import say

ORIGIN_NAME = "origin"
"""In the folder of a forked run, the checkpoint that it began with."""
KEEP_OPTIMIZER_NAME = "origin-with-optimizer"
"""Beside it, an empty file if the moments of its optimizer are taken over, too."""
REQUESTS_NAME = "requests.json"
"""In the folder of a run that repeats another: what that one was asked at which steps."""
SET_ASIDE = "set-aside-"
"""Before the name of a checkpoint whose model is whole and whose step is made anew."""
_CHECKPOINT_NAME = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True)
class ResumePoint:
    """What the engine begins with."""

    step: int
    """The last one that is made; 0 at the beginning."""
    checkpoint: Path | None
    """What the run goes on from; None at its beginning."""
    origin: Path | None = None
    """Of a fork, the checkpoint of its parent whose model it begins with."""
    keeps_optimizer: bool = False
    """Whether it takes over the moments of its parent's optimizer, too."""
    set_aside: tuple[Path, ...] = ()
    """Models of later steps, which are made anew."""


def starting_point(record: RunRecord, folder: Path) -> ResumePoint:
    """Where a run begins that has not begun: with its parent's model if it is a fork."""
    origin = folder / ORIGIN_NAME
    if record.parent_id is None or not origin.is_dir():
        return ResumePoint(0, None)
    return ResumePoint(0, None, origin, (folder / KEEP_OPTIMIZER_NAME).exists())


def resume_point(
    store: RunStore, record: RunRecord, folder: Path, check: Callable[[Path], None]
) -> ResumePoint:
    """Where a run goes on that has begun before.

    Args:
        store: Has the run's whole history, what was left in its journal included.
        record: The run.
        folder: Its folder.
        check: Raises a `WorkbenchError` if the files of a checkpoint are not as they were written.

    Returns:
        The newest good checkpoint that the store knows. If it knows none: the newest good one on
        the disk (the last rows went with the machine's power). The beginning of a run that never
        had one.

    Raises:
        CheckpointError: There are checkpoints, and none to go on from. Beginning again would take
            what the run said, and its best model with the first checkpoint.
    """
    begin = starting_point(record, folder)
    known = {one.step: folder / one.folder for one in store.checkpoints(record.id)}
    on_disk = checkpoints_on_disk(folder)
    for candidates in (known, on_disk):
        for step in sorted(candidates, reverse=True):
            if _is_good(candidates[step], check):
                later = [path for one, path in sorted(on_disk.items()) if one > step]
                untold = {on_disk[one] for one in on_disk.keys() - known.keys()}
                set_aside = _make_way(later, untold, check)
                # What is frozen in a fork comes from its origin, now as at its beginning.
                return replace(begin, step=step, checkpoint=candidates[step], set_aside=set_aside)
    if known or on_disk:
        raise _no_way_on(record, folder, on_disk)
    return begin


def settings_made_by_hand(store: RunStore, run_id: str) -> list[tuple[int, Request]]:
    """What people set of a run while it was at work, with the step after which it took effect."""
    return [one for one in requests_obeyed(store, run_id) if isinstance(one[1], Setting)]


def requests_obeyed(store: RunStore, run_id: str) -> list[tuple[int, Request]]:
    """What a run was asked while it was at work and did, each with the last step before."""
    return obeyed(store.messages(run_id))


def obeyed(messages: Iterable[MessageRecord]) -> list[tuple[int, Request]]:
    """The same, from all that a run said.

    A process that repeated what the one before had been asked told of it again: that counts once.
    So does a setting that was made twice after the same step; the last time decides its place, as
    of settings of the same thing the last one holds.
    """
    found: dict[tuple[int, str, str], Request] = {}
    for message in messages:
        if message.kind != RequestObeyed.__name__:
            continue
        step, kind, body = (message.body[key] for key in ("step", "kind", "body"))
        with suppress(KeyError, TypeError, ValueError):
            request = from_json(str(kind), str(body))
            found.pop((int(str(step)), str(kind), str(body)), None)
            found[int(str(step)), str(kind), str(body)] = request
    return [(step, request) for (step, _, _), request in found.items()]


def write_requests(folder: Path, requests: Sequence[tuple[int, Request]]) -> None:
    """Leave in a run's folder what it is to be asked at which steps.

    Raises:
        OSError: It cannot be written.
    """
    lines = [[step, kind_of(request), to_json(request)] for step, request in requests]
    file = folder / REQUESTS_NAME
    file.touch(mode=0o600)
    file.write_text(json.dumps(lines), encoding="utf-8")


def requests_to_repeat(folder: Path) -> list[tuple[int, Request]]:
    """What a run's folder says that it is to be asked; nothing, for most runs.

    Raises:
        WorkerError: The file is damaged: without it the run would not be the repetition it is
            called.
    """
    file = folder / REQUESTS_NAME
    try:
        lines = json.loads(file.read_text(encoding="utf-8"))
        return [(int(step), from_json(kind, body)) for step, kind, body in lines]
    except FileNotFoundError:
        return []
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise WorkerError(
            f"What the run is to be asked cannot be read: {error}",
            where=str(file),
            next_step="repeat the other run anew: mtl-workbench repeat RUN",
        ) from error


def end_in_words(facts: RunFacts) -> str:
    """How the process before ended."""
    if facts.exit is None:
        return "its process ended without a word" if facts.process else "it had not begun"
    return f"{facts.exit.outcome}: {facts.exit.what}" if facts.exit.what else facts.exit.outcome


def checkpoints_on_disk(folder: Path) -> dict[int, Path]:
    """The checkpoints in a run's folder by step, whole ones by their names."""
    try:
        found = list((folder / "checkpoints").iterdir())
    except OSError:
        return {}
    matches = ((_CHECKPOINT_NAME.fullmatch(path.name), path) for path in found)
    return {int(match[1]): path for match, path in matches if match}


def _is_good(folder: Path, check: Callable[[Path], None]) -> bool:
    try:
        check(folder)
    except WorkbenchError as error:
        say(f"{folder} is passed over: {error.what}")
        return False
    return True


def _no_way_on(record: RunRecord, folder: Path, on_disk: dict[int, Path]) -> CheckpointError:
    next_step = (
        "put its files back from where it was trained, or begin anew with its settings: "
        f"mtl-workbench train {folder / 'experiment.toml'}"
    )
    if any(is_whole(path) for path in on_disk.values()):
        next_step = (
            f"begin a new run with its best model: mtl-workbench fork {record.id} (the log says "
            "what is wrong with each checkpoint)"
        )
    return CheckpointError(
        f"No checkpoint of run {record.id} has what it needs to go on.",
        where=str(folder / "checkpoints"),
        next_step=next_step,
    )


def _make_way(
    later: Sequence[Path], untold: Collection[Path], check: Callable[[Path], None]
) -> tuple[Path, ...]:
    """Take away checkpoints of steps that are made anew, as nothing would ever list them.

    Args:
        later: The checkpoints.
        untold: Those that the store does not know. One of them that is whole is of a process that
            was killed before it could tell: its step is made anew, and it with it.
        check: As for `resume_point`.

    Returns:
        Where the others are whose model is whole: it may be the best, and the engine, which knows
        nothing of it, would remove it.
    """
    kept = []
    for path in later:
        aside = path.with_name(SET_ASIDE + path.name)
        is_made_anew = path in untold and _is_good(path, check)
        if is_whole(path) and not is_made_anew and not aside.exists():
            path.rename(aside)
            shutil.rmtree(aside / TRAINING, ignore_errors=True)  # no run can go on from it
            kept.append(aside)
        else:
            shutil.rmtree(path, ignore_errors=True)
    return tuple(kept)
