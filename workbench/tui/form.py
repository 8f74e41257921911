"""The form of a new experiment as plain values: what was typed, and what the schema says of it.

The screen keeps a `FormDraft` and hands frozen `FormEntries` to a thread, which checks them with
the same functions that read a preset and a `--set`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.config import checks
from workbench.config.experiment import ExperimentConfig
from workbench.config.fields import (
    FieldSpec,
    coerce,
    does_apply,
    equivalent_command,
    experiment_fields,
)
from workbench.config.loading import find_source, load_experiment, read_source, to_toml, validate
from workbench.data.formats import format_by_ending
from workbench.data.peeking import Peek, peek
from workbench.errors import ConfigError, Problem, WorkbenchError

SECTION_TITLES = {
    "": "General",
    "backbone": "Backbone",
    "tasks": "Tasks",
    "pooling": "Pooling",
    "freezing": "Freezing",
    "optimization": "Learning rates",
    "weighting": "Weighting",
    "sampling": "Sampling",
    "training": "Training",
    "selection": "Selection",
    "instruments": "Instruments",
    "showcase": "Showcase",
}
"""Sections in the order of the form; one that is missing here goes by its own name, after the one
that the schema has before it."""

KIND = "kind"
TASK_PREFIX = "tasks.*."


@dataclass
class TaskDraft:
    """One task as typed: its name, and raw text by key within the task (`data.train`)."""

    name: str
    values: dict[str, str] = field(default_factory=dict)
    idle: dict[str, str] = field(default_factory=dict)
    """What it began with and had no effect; see `FormDraft.idle`."""

    @property
    def kind(self) -> str:
        """The kind of task."""
        return self.values.get(KIND, "")

    def value_of(self, path: str) -> object:
        """The value of one of its settings, by `tasks.*.weight`, as others are decided by it."""
        key = path.removeprefix(TASK_PREFIX)
        spec = next((spec for spec in task_specs(self.kind) if spec.path == path), None)
        if spec is None:
            return None
        value = _value_of(spec, self.values.get(key, ""))
        if key == "data.format" and value == "auto":
            # The file's ending says which format it is, so fields of the others can be spared.
            return format_by_ending(Path(self.values.get("data.train", ""))) or value
        return value

    def has(self, spec: FieldSpec) -> bool:
        """Whether the kind has the setting, and the setting has an effect beside the others."""
        return self.kind in spec.task_kinds and does_apply(spec, self.value_of, self.kind)


@dataclass
class FormDraft:
    """Everything as typed; belongs to the screen, and to no thread."""

    values: dict[str, str] = field(default_factory=dict)
    """Raw text by path, tasks left out."""
    tasks: list[TaskDraft] = field(default_factory=list)
    source: str = ""
    """The preset that it began with, empty if none."""
    data_root: str = ""
    idle: dict[str, str] = field(default_factory=dict)
    """Settings that it began with and that had no effect. They are handed on as they were; what
    loses its effect by an edit is left out instead, or a leftover would spoil the experiment."""

    def value_of(self, path: str) -> object:
        """The value of a setting that belongs to no task, as others are decided by it."""
        spec = next((spec for spec in plain_specs() if spec.path == path), None)
        return _value_of(spec, self.values.get(path, "")) if spec is not None else None

    def has(self, spec: FieldSpec) -> bool:
        """Whether a setting that belongs to no task has an effect beside the others."""
        return does_apply(spec, self.value_of)

    def entries(self) -> FormEntries:
        """The draft as it is now: what has an effect, and what it was given without one."""
        pairs = []
        for spec in plain_specs():
            raw = self.values.get(spec.path, "")
            if self.has(spec) or (raw and self.idle.get(spec.path) == raw):
                pairs.append((tuple(spec.path.split(".")), raw))
        for task in self.tasks:
            for spec in task_specs(task.kind):
                key = spec.path.removeprefix(TASK_PREFIX)
                raw = task.values.get(key, "")
                if task.has(spec) or (raw and task.idle.get(key) == raw):
                    pairs.append((("tasks", task.name, *key.split(".")), raw))
        names = tuple(task.name for task in self.tasks)
        return FormEntries(tuple(pairs), names, self.source, self.data_root)

    def new_task(self, kind: str | None = None) -> TaskDraft:
        """Add a task of a kind (the first there is, if none is given) under a name that is free."""
        kind = kind or task_kinds()[0]
        values = {spec.path.removeprefix(TASK_PREFIX): shown(spec, spec.default)
                  for spec in task_specs(kind)}  # fmt: skip
        task = TaskDraft(self._free_name("task"), values | {KIND: kind})
        self.tasks.append(task)
        return task

    def duplicate(self, at: int) -> TaskDraft:
        """Put a task with the same settings behind the one at this place."""
        given = self.tasks[at]
        name = self._free_name(given.name.rstrip("0123456789") or "task", first=2)
        task = TaskDraft(name, dict(given.values), dict(given.idle))
        self.tasks.insert(at + 1, task)
        return task

    def move_task(self, at: int, places: int) -> int:
        """Move a task earlier or later, as far as there is room; returns its new place."""
        to = max(0, min(at + places, len(self.tasks) - 1))
        self.tasks.insert(to, self.tasks.pop(at))
        return to

    def _free_name(self, stem: str, first: int = 1) -> str:
        taken = {task.name for task in self.tasks}
        return next(name for n in range(first, first + len(taken) + 1)
                    if (name := f"{stem}{n}") not in taken)  # fmt: skip


@dataclass(frozen=True)
class FormEntries:
    """The form at one moment, for a thread."""

    pairs: tuple[tuple[tuple[str, ...], str], ...]
    """Key and raw text, in the order of the form."""
    task_names: tuple[str, ...]
    source: str
    data_root: str


@dataclass(frozen=True)
class Verdict:
    """What the schema says of the form."""

    config: ExperimentConfig | None
    problems: tuple[Problem, ...]
    command: str = ""
    toml: str = ""


def plain_specs() -> list[FieldSpec]:
    """Settings that belong to no task."""
    return [spec for spec in experiment_fields() if not spec.path.startswith(TASK_PREFIX)]


def task_specs(kind: str | None = None) -> list[FieldSpec]:
    """Settings of a task; only those that the kind has, if one is given."""
    return [
        spec
        for spec in experiment_fields()
        if spec.path.startswith(TASK_PREFIX) and (kind is None or kind in spec.task_kinds)
    ]


def task_kinds() -> tuple[str, ...]:
    """The kinds of task there are."""
    return next(spec.choices for spec in experiment_fields() if spec.path == f"{TASK_PREFIX}kind")


def _value_of(spec: FieldSpec, raw: str) -> object:
    """What a field says, typed as far as it can be; the default where it says nothing."""
    if not raw.strip():
        return spec.default
    try:
        return _typed(spec, spec.path, raw)
    except ConfigError:
        return raw


def section_of(path: str) -> str:
    """The section of a setting: `optimization` of `optimization.warmup`."""
    return path.partition(".")[0] if "." in path else ""


def shown(spec: FieldSpec, value: object) -> str:
    """A value as the form shows it: texts one a line, numbers as short as they can be."""
    if value is None:
        return ""
    if spec.has_numbers and isinstance(value, list | tuple):
        return ", ".join(f"{number:g}" for number in value)
    if spec.kind == "list" and isinstance(value, list | tuple):
        return "\n".join(str(item) for item in value)
    if spec.kind == "table" and isinstance(value, Mapping):
        return ", ".join(f"{_table_key(key)} = {one}" for key, one in value.items())
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        is_small = 0 < abs(value) < 1e-3  # Learning rates: 2e-4, not 0.0002.
        text = re.sub(r"\.?0*e", "e", f"{value:.5e}") if is_small else f"{value:g}"
        return re.sub(r"e([+-])0*(\d)", _short_exponent, text)
    return str(value)


def _table_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _short_exponent(match: re.Match[str]) -> str:
    return f"e{'-' if match[1] == '-' else ''}{match[2]}"


def draft_of(config: ExperimentConfig, source: str) -> FormDraft:
    """An experiment as a form shows it; data files as the preset has them written."""
    values = config.model_dump(mode="json")
    tasks = values["tasks"]
    _write_as_in_source(values, source)
    draft = FormDraft(source=source)
    for spec in plain_specs():
        draft.values[spec.path] = shown(spec, _inside(values, spec.path.split(".")))
    draft.idle = {spec.path: draft.values[spec.path]
                  for spec in plain_specs() if not draft.has(spec)}  # fmt: skip
    for name, task in tasks.items():
        texts = {KIND: task[KIND]}
        for spec in task_specs(task[KIND]):
            key = spec.path.removeprefix(TASK_PREFIX)
            texts[key] = shown(spec, _inside(task, key.split(".")))
        one = TaskDraft(name, texts)
        for spec in task_specs(one.kind):
            if not one.has(spec):
                key = spec.path.removeprefix(TASK_PREFIX)
                one.idle[key] = texts[key]
        draft.tasks.append(one)
    return draft


def empty_draft() -> FormDraft:
    """Defaults, and no task."""
    return FormDraft({spec.path: shown(spec, spec.default) for spec in plain_specs()})


def load_draft(source: str) -> FormDraft:
    """A preset as a form shows it.

    Raises:
        NotFoundError: No such preset.
        ConfigError: It is not valid.
    """
    return draft_of(load_experiment(source, check_files=False), source)


def clone_draft(config: ExperimentConfig, source: str) -> FormDraft:
    """A past run's experiment as a form shows it; its preset only if that is still there."""
    try:
        return draft_of(config, source)
    except WorkbenchError:
        return draft_of(config, "")


def judge(entries: FormEntries) -> Verdict:
    """Check a form: types, bounds, names, and that the data files are there."""
    problems: list[Problem] = []
    values: dict[str, Any] = {"tasks": {name: {} for name in entries.task_names}}
    twice = {name for name in entries.task_names if entries.task_names.count(name) > 1}
    problems += [
        Problem(f'Two tasks are called "{name}".', f"tasks.{name}", "rename one of them")
        for name in sorted(twice)
    ]
    specs = {spec.path: spec for spec in experiment_fields()}
    for key, raw in entries.pairs:
        path = ".".join(key)
        generic = ".".join(("tasks", "*", *key[2:])) if key[0] == "tasks" else path
        spec = specs[generic]
        if not raw.strip():
            continue  # Empty means: as if nothing was said.
        try:
            _put(values, key, _typed(spec, path, raw))
        except ConfigError as error:
            problems += error.problems
    problems += _find_files(values, entries)
    known = {problem.where for problem in problems}
    try:
        config = validate(values)
    except ConfigError as error:
        said = {".".join(key) for key, _ in entries.pairs}
        found = [_beside_a_field(problem, said) for problem in error.problems]
        problems += [problem for problem in found if problem.where not in known]
        return Verdict(None, tuple(problems))
    if problems:
        return Verdict(None, tuple(problems))
    return Verdict(config, (), equivalent_command(config, entries.source), to_toml(config))


def _beside_a_field(problem: Problem, fields: Collection[str]) -> Problem:
    """A problem of a whole section at the first of its fields that the sentence names.

    Args:
        problem: Its place may be a field, a section, or nothing for the whole experiment.
        fields: Paths of the fields that apply.
    """
    if problem.where in fields:
        return problem
    section = f"{problem.where}." if problem.where else ""
    for word in re.findall(r"[a-z_]+(?:\.[a-z_]+)*", problem.what):
        for path in (word, f"{section}{word}", f"{section}data.{word}"):
            if path in fields and path.startswith(section):
                return replace(problem, where=path)
    return problem


def _typed(spec: FieldSpec, path: str, raw: str) -> object:
    if spec.kind == "list":
        if spec.has_numbers:
            numbers = re.split(r"[\s,]+", raw.strip().strip("[],"))
            return coerce(path, f"[{', '.join(filter(None, numbers))}]")
        return [line for line in raw.splitlines() if line.strip()]
    if spec.kind == "table" and not raw.strip().startswith("{"):
        raw = "{" + raw.strip().strip(",") + "}"
    generic = path if not path.startswith("tasks.") else spec.path
    try:
        return coerce(generic, raw)
    except ConfigError as error:
        raise ConfigError.of(
            [Problem(one.what.replace(generic, path), path, one.next_step)
             for one in error.problems]
        ) from error  # fmt: skip


def _find_files(values: dict[str, Any], entries: FormEntries) -> list[Problem]:
    """Make the data files' paths absolute; say which are not there."""
    folders = data_folders(entries.data_root, entries.source)
    problems = []
    if entries.data_root.strip() and not checks.is_folder(folders[0]):
        problems.append(
            Problem(
                f"There is no folder {folders[0]}.", "the field data root", "correct it or clear it"
            )
        )
    for key, written in list(checks.data_files(values)):
        path = checks.find_file(written, folders)
        _put(values, key, str(path))
        if not checks.is_file(path):
            problem = checks.missing_file(key, path, written, folders, ".".join)
            problems.append(replace(problem, next_step=_advice(written)))
    return problems


def data_folders(data_root: str, source: str) -> list[Path]:
    """Where data files are looked for: the data root, here, and beside the preset."""
    folders = [checks.find_file(data_root.strip(), [Path.cwd()])] if data_root.strip() else []
    folders.append(Path.cwd())
    if source:
        # A preset that is gone: its files may be found without it.
        with suppress(WorkbenchError):
            folders.append(find_source(source).parent)
    return folders


def peek_at_files(entries: FormEntries) -> dict[str, dict[str, Peek]]:
    """Look at the data files that are there, by task and key of the field that names one."""
    folders = data_folders(entries.data_root, entries.source)
    raw = {key: text for key, text in entries.pairs if key[0] == "tasks"}
    found: dict[str, dict[str, Peek]] = {}
    for key, text in raw.items():
        task = ("tasks", key[1])
        if not text.strip() or raw.get((*task, "data", "dataset"), "").strip():
            continue
        if key[2:] in _FILE_KEYS:
            path = checks.find_file(text, folders)
            look = _look(path, raw.get((*task, "data", "format"), "auto"))
            if look is not None:
                found.setdefault(key[1], {})[".".join(key[2:])] = look
    return found


def _look(path: Path, form: str) -> Peek | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return _looked_at(path, form, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _looked_at(path: Path, form: str, changed_at: int, size: int) -> Peek | None:
    return peek(path, form)


_FILE_KEYS = frozenset(
    tuple(spec.path.split(".")[2:]) for spec in experiment_fields() if spec.names == "file"
)


def _advice(written: str) -> str:
    """What to do about a missing file here, where there is a field for what is an option there."""
    if Path(written).is_absolute():
        return "Correct the path."
    return "Correct it, or fill in the field data root above: the folder that holds it."


def _write_as_in_source(values: dict[str, Any], source: str) -> None:
    """Put the data files' paths back as they are written, so that they fit on a line."""
    if not source:
        return
    import tomllib

    file = find_source(source)
    written = dict(checks.data_files(tomllib.loads(read_source(file))))
    for key, path in list(checks.data_files(values)):
        if key in written and str(checks.find_file(written[key], [file.parent])) == path:
            _put(values, key, written[key])


def _put(values: dict[str, Any], key: tuple[str, ...], value: object) -> None:
    for part in key[:-1]:
        values = values.setdefault(part, {})
    values[key[-1]] = value


def _inside(values: Mapping[str, Any], key: list[str]) -> object:
    inner: Any = values
    for part in key:
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    return inner
