"""What the schema cannot see: names that point at other parts, and files that must be there.

These look at the values as they are written, so that they are told together with all that the
schema finds, not one round later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeGuard

from workbench.config.tasks import SPLITS
from workbench.errors import Problem, nearest
from workbench.secrecy import holds_token, scrub

Key = tuple[str, ...]
Where = Callable[[Key], str]


def selection_problems(values: Mapping[str, Any], where: Where) -> Iterator[Problem]:
    """Tasks that `[selection]` names and that are not there."""
    tasks, selection = values.get("tasks"), values.get("selection")
    if not isinstance(tasks, Mapping) or not isinstance(selection, Mapping):
        return
    task = selection.get("task")
    named = [
        ("selection", key, str(name))
        for key in ("weights", "baselines")
        if _is_table(table := selection.get(key))
        for name in table
    ]
    if isinstance(task, str) and task not in tasks:
        yield _no_such_task(task, tasks, where(("selection", "task")))
    for key in named:
        if key[-1] not in tasks:
            yield _no_such_task(key[-1], tasks, where(key))


def token_problem(where: str) -> Problem:
    """The problem of a token that was typed into a setting."""
    return Problem(
        "There is a token in the settings, which are stored and shown.",
        scrub(where),
        "take it out, and let the hub's own client know it: `hf auth login`, or the variable "
        "HF_TOKEN; no setting takes a token",
    )


def token_problems(values: object, where: Where, key: Key = ()) -> Iterator[Problem]:
    """Tokens of the hub among the values: whatever is a setting is stored and shown."""
    if isinstance(values, str):
        if holds_token(values):
            yield token_problem(where(key))
    elif isinstance(values, Mapping):
        for name, value in values.items():
            if holds_token(str(name)):
                yield from token_problems(str(name), where, key)
            yield from token_problems(value, where, (*key, str(name)))
    elif isinstance(values, list | tuple):
        for number, value in enumerate(values):
            yield from token_problems(value, where, (*key, str(number)))


def data_files(values: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """The key and the path of every data file that the values name; hub splits are none."""
    backbone, tasks = values.get("backbone"), values.get("tasks")
    words = backbone.get("words") if _is_table(backbone) else None
    if _is_table(words) and isinstance(words.get("file"), str) and words["file"]:
        yield ("backbone", "words", "file"), words["file"]
    if not _is_table(tasks):
        return
    for name, task in tasks.items():
        data = task.get("data") if _is_table(task) else None
        if not _is_table(data) or data.get("dataset") is not None:
            continue
        for split in SPLITS:
            if isinstance(data.get(split), str) and data[split]:
                yield ("tasks", str(name), "data", split), data[split]


def missing_file(key: Key, path: Path, written: str, searched: list[Path], where: Where) -> Problem:
    """The problem of a data file that is not there, or is no file."""
    folder = _is(path.is_dir)
    state = "is a folder, not a file" if folder else "is not there"
    shown = path if Path(written).is_absolute() else f'"{written}"'
    places = " or ".join(str(folder) for folder in searched)
    whose = f'Task "{key[1]}": the {key[3]} file' if key[0] == "tasks" else "The file of vectors"
    looked = "" if Path(written).is_absolute() else f" (looked in {places})"
    next_step = (
        f'give the folder that holds "{written}" with --data-root'
        if not Path(written).is_absolute()
        else f"correct the path, or --set {'.'.join(key)}=PATH"
    )
    beside = _like_it(written, searched, split=key[-1])
    return Problem(
        f"{whose} {shown} {state}{looked}.",
        where(key),
        f'did you mean "{beside}"? Else {next_step}' if beside else next_step,
    )


def _like_it(written: str, searched: list[Path], *, split: str) -> str | None:
    """The file of nearest name where a missing one was looked for, written as that was.

    None that is called after another split: whoever has no dev file must not be led to test.
    """
    wanted = _expanded(written)
    others = {name for name in SPLITS if name != split}
    for folder in searched:
        try:
            there = [
                one.name
                for one in (folder / wanted).parent.iterdir()
                if is_file(one) and others.isdisjoint(re.split(r"[^a-z]+", one.stem.lower()))
            ]
        except OSError:  # no such folder
            continue
        if close := get_close_matches(wanted.name, there, n=1, cutoff=0.6):
            return str(wanted.with_name(close[0]))
    return None


def is_file(path: Path) -> bool:
    """Whether `path` is a file; one that cannot be looked at is none."""
    return _is(path.is_file)


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder; one that cannot be looked at is none."""
    return _is(path.is_dir)


def find_file(written: str, folders: list[Path]) -> Path:
    """The absolute path of a file: in the first of `folders` that has it, else in the last."""
    path = _expanded(written)
    candidates = [Path(os.path.abspath(folder / path)) for folder in folders]
    return next((candidate for candidate in candidates if is_file(candidate)), candidates[-1])


def _expanded(written: str) -> Path:
    try:
        return Path(written).expanduser()
    except RuntimeError:  # "~nobody/x": no such user
        return Path(written)


def _is(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # a name too long, a folder that may not be read
        return False


def _is_table(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _no_such_task(name: str, tasks: Mapping[str, Any], where: str) -> Problem:
    return Problem(
        f'selection names a task "{name}" that is not there.', where, nearest(name, tasks)
    )
