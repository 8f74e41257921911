"""What a text field may be completed to: backbones on this machine, files, columns, tasks.

Plain functions that read folders; a screen calls them in a thread. No network is asked and
nothing of a model is opened: the hub's cache is read as the folder that it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.data.formats import format_by_ending
from workbench.data.peeking import Peek
from workbench.model.sources import ALIASES

MOST = 40
"""More candidates would help nobody."""
_DATA_FORMATS = frozenset({"conll", "conllu", "jsonl", "csv", "tsv", "parquet"})


@dataclass(frozen=True)
class Surroundings:
    """What the rest of the form says, as far as completing a field needs it."""

    folders: tuple[Path, ...] = ()
    """Where data files are looked for, first to last."""
    tasks: tuple[str, ...] = ()
    peeks: Mapping[str, Peek] | None = None
    """Looks at the task's data files, by key."""


def candidates(named: str, typed: str, around: Surroundings) -> tuple[str, ...]:
    """What `typed` may be completed to; of an empty field, all there is to choose from.

    Args:
        named: What the field names, as the schema says it.
        typed: What is there so far.
        around: The rest of the form.
    """
    find = _FINDERS.get(named)
    if find is None:
        return ()
    found = dict.fromkeys(one for one in find(typed, around) if one.startswith(typed))
    return tuple(one for one in found if one != typed)[:MOST]


def _backbones(typed: str, around: Surroundings) -> Iterator[str]:
    if typed.startswith((".", "/", "~")):
        yield from _paths(typed, (Path.cwd(),), _may_hold_a_model)
        return
    yield from sorted(ALIASES)
    yield from cached_models()
    if "/" in typed:
        yield from _paths(typed, (Path.cwd(),), _may_hold_a_model)


def _files(typed: str, around: Surroundings) -> Iterator[str]:
    return _paths(typed, around.folders or (Path.cwd(),), _may_lead_to_data)


def _columns(typed: str, around: Surroundings) -> Iterator[str]:
    for one in (around.peeks or {}).values():
        yield from one.columns


def _tasks(typed: str, around: Surroundings) -> Iterator[str]:
    yield from around.tasks


_FINDERS: dict[str, Callable[[str, Surroundings], Iterator[str]]] = {
    "backbone": _backbones,
    "file": _files,
    "column": _columns,
    "task": _tasks,
}


def cached_models(cache: Path | None = None) -> list[str]:
    """Ids of the models whose configuration is in the local hub cache."""
    found = []
    folder = cache or hub_cache()
    for entry in _entries(folder):
        kind, *names = entry.name.split("--")
        snapshots = folder / entry.name / "snapshots"
        if kind == "models" and names and any(snapshots.glob("*/config.json")):
            found.append("/".join(names))
    return sorted(found)


def hub_cache() -> Path:
    """The folder of the hub's cache, by the variables that its own library obeys."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if given := os.environ.get(variable):
            return Path(given).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(caches).expanduser() / "huggingface" / "hub"


def _paths(
    typed: str, folders: tuple[Path, ...], is_wanted: Callable[[os.DirEntry[str]], bool]
) -> Iterator[str]:
    """Entries of the folder that is typed so far; folders end in a slash and come last."""
    written, slash, _ = typed.rpartition("/")
    written += slash
    later = []
    for base in folders:
        try:
            folder = base / Path(written).expanduser()
        except RuntimeError:  # "~nobody": no such user
            return
        for entry in sorted(_entries(folder), key=lambda one: one.name):
            if entry.name.startswith(".") or not is_wanted(entry):
                continue
            if entry.is_dir():
                later.append(f"{written}{entry.name}/")
            else:
                yield f"{written}{entry.name}"
    yield from later


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _may_hold_a_model(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir()


def _may_lead_to_data(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir() or format_by_ending(Path(entry.name)) in _DATA_FORMATS
