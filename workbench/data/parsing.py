"""From the rows of a source to what each task reads in them; of large files kept on the disk.

A file that was parsed once is mapped the next time. What was kept is found by the content of the
file, by all settings that decide what is read, and by the program's own code in this room.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workbench.config.cache import CacheConfig
from workbench.config.experiment import ExperimentConfig
from workbench.config.tasks import SPLITS
from workbench.data.cache_folder import entry_folder, new_segment, segments, shrink, touch
from workbench.data.growing import GrowingArrays, read_arrays
from workbench.data.kinds import KINDS
from workbench.data.labelled import LabelledRows, RowPacker, unpack_rows
from workbench.data.reading import read_split
from workbench.errors import DataError
from workbench.paths import cache_folder

LARGE = 4 << 20
"""Bytes of a file from which on it is kept; a smaller one is parsed in half a second."""
MEGABYTE = 1 << 20
_ABOUT = "rows.json"
_CHOOSES_ROWS = {"dev_share", "max_examples", "examples_per_class", *SPLITS}
"""Settings of the data that decide which rows are used, not what is in them."""


@dataclass(frozen=True)
class Parsed:
    """What a task reads in a source."""

    rows: LabelledRows[Any]
    unlabelled: int
    """Rows of the source that have no label of the task."""


def parse_split(
    config: ExperimentConfig, split: str, tasks: Collection[str]
) -> Mapping[str, Parsed]:
    """The rows of some tasks in one split. What several tasks read is read once.

    Args:
        config: The experiment.
        split: train, dev or test.
        tasks: Those that are asked for; one that has no such split has no rows.

    Raises:
        DataError: A source is absent or malformed.
    """
    together: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for name in tasks:
        task = config.tasks[name]
        source = (task.data.dataset, task.data.subset, task.data.source_of(split))
        how = (task.data.format, *KINDS[task.kind].reading_settings(task.data))
        together[(*source, *how)].append(name)
    found: dict[str, Parsed] = {}
    for names in together.values():
        found |= _of_one_source(config, split, names)
    return {name: found[name] for name in tasks}


def _of_one_source(config: ExperimentConfig, split: str, tasks: list[str]) -> dict[str, Parsed]:
    store = _Store.of(config, split, tasks[0])
    if store is None:
        return _parse(config, split, tasks, {name: GrowingArrays() for name in tasks})
    found = {name: kept for name in tasks if (kept := store.read(config, name)) is not None}
    missing = [name for name in tasks if name not in found]
    if missing:
        try:
            found |= store.write(config, split, missing)
        except OSError:  # the disk is full, or nothing may be written there
            found |= _parse(config, split, missing, {name: GrowingArrays() for name in missing})
    return found


def _parse(
    config: ExperimentConfig,
    split: str,
    tasks: list[str],
    arrays: Mapping[str, GrowingArrays],
    folders: Mapping[str, Path] | None = None,
) -> dict[str, Parsed]:
    """Read a source once for some tasks.

    Args:
        config: The experiment.
        split: Of it.
        tasks: All of the same source.
        arrays: Where the rows of each task go.
        folders: Where beside the arrays it is written down what they are.
    """
    kinds = {name: KINDS[config.tasks[name].kind] for name in tasks}
    labels = {name: kind.packer() for name, kind in kinds.items()}
    packers = {name: RowPacker(labels[name], arrays[name]) for name in tasks}
    unlabelled = dict.fromkeys(tasks, 0)
    settings = [(name, kinds[name], config.tasks[name]) for name in tasks]
    name = tasks[0]
    try:
        for row in read_split(config.tasks[name].data, split):
            for name, kind, task in settings:
                item = kind.parse(name, task, row)
                if item is None:
                    unlabelled[name] += 1
                else:
                    packers[name].add(item)
    except DataError as error:
        raise _of_task(error, name, split) from error
    found = {}
    for name in tasks:
        about = packers[name].close() | {"unlabelled": unlabelled[name]}
        if folders is not None:
            (folders[name] / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        rows = unpack_rows(arrays[name].close(), about, labels[name])
        found[name] = Parsed(rows, unlabelled[name])
    return found


def _of_task(error: DataError, name: str, split: str) -> DataError:
    """The error with the task's name where readers, who do not know it, wrote dots.

    What is wrong in a file and not with a setting is to be mended by naming another file at most.
    """
    problem = error.problems[0]
    what, next_step, setting = (
        text.replace("tasks.…", f"tasks.{name}")
        for text in (
            problem.what,
            problem.next_step,
            problem.setting or f"tasks.….data.{split}",
        )
    )
    return DataError(what, where=problem.where, next_step=next_step, setting=setting)


@dataclass(frozen=True)
class _Store:
    """Where the rows of one file are kept."""

    file: Path
    state: tuple[int, int]
    """Size and time of the file when its content was looked at."""
    digest: str
    settings: CacheConfig

    @classmethod
    def of(cls, config: ExperimentConfig, split: str, task: str) -> _Store | None:
        """None for what is not kept: small files, hub data sets, which their library keeps."""
        data, settings = config.tasks[task].data, config.cache
        source = data.source_of(split)
        if source is None or data.dataset is not None or not settings.rows:
            return None
        file = Path(source)
        try:
            state = _state(file)
            # What is kept takes about as much room as the file.
            if not LARGE <= state[0] <= settings.disk_megabytes * MEGABYTE // 2:
                return None
            with file.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError:
            return None  # reading says what is wrong
        return cls(file, state, digest, settings)

    def read(self, config: ExperimentConfig, task: str) -> Parsed | None:
        """What was kept for a task."""
        try:
            folder = self._folder(config, task)
        except OSError:
            return None
        touch(folder)
        for segment in segments(folder):
            try:
                about = json.loads((segment / _ABOUT).read_text(encoding="utf-8"))
                packer = KINDS[config.tasks[task].kind].packer()
                rows = unpack_rows(read_arrays(segment), about, packer)
                return Parsed(rows, int(about["unlabelled"]))
            except (OSError, ValueError, KeyError, TypeError):
                # Another process has just deleted it, or it is damaged; if it stayed, it would be
                # the oldest, which is the one that is kept.
                shutil.rmtree(segment, ignore_errors=True)
        return None

    def write(self, config: ExperimentConfig, split: str, tasks: list[str]) -> dict[str, Parsed]:
        """Parse the file and keep what is found.

        Raises:
            OSError: The disk is full or cannot be written.
            DataError: The file is malformed.
        """
        folders = {name: self._folder(config, name) for name in tasks}
        with ExitStack() as stack:
            asides = {
                name: stack.enter_context(new_segment(folder)) for name, folder in folders.items()
            }
            arrays = {name: GrowingArrays(aside) for name, aside in asides.items()}
            for one in arrays.values():
                stack.callback(one.abandon)
            found = _parse(config, split, tasks, arrays, asides)
        for folder in folders.values():
            # What is mapped stays readable. A file that was written meanwhile was not read as
            # the one that its key names; and of two processes only the first one's is needed.
            is_other = _state(self.file) != self.state
            for extra in segments(folder)[0 if is_other else 1 :]:
                shutil.rmtree(extra, ignore_errors=True)
        shrink(cache_folder(), self.settings.disk_megabytes * MEGABYTE)
        return found

    def _folder(self, config: ExperimentConfig, name: str) -> Path:
        task = config.tasks[name]
        kind = KINDS[task.kind]
        data = task.data.model_dump(mode="json", exclude=_CHOOSES_ROWS)
        asked = [str(self.file), self.digest, task.kind, data, kind.parsing_settings(task)]
        key = hashlib.sha256(json.dumps([_code_digest(), *asked]).encode()).hexdigest()[:32]
        about = f"rows of {self.file.name} for a task of kind {task.kind}"
        return entry_folder(cache_folder(), "rows", key, about)


def _state(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


@cache
def _code_digest() -> str:
    """Of the code that makes rows of files: what another version made is not taken for its own."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
