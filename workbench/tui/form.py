"""The form of a new experiment as plain values: what was typed, and what the schema says of it.

The screen keeps a `FormDraft` and hands frozen `FormEntries` to a thread, which checks them with
the same functions that read a preset and a `--set`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from workbench.config import checks
from workbench.config.experiment import ExperimentConfig
from workbench.config.fields import FieldSpec, coerce, equivalent_command, experiment_fields
from workbench.config.loading import find_source, load_experiment, read_source, to_toml, validate
from workbench.errors import ConfigError, Problem, WorkbenchError

SECTION_TITLES = {
    "": "General",
    "backbone": "Backbone",
    "tasks": "Tasks",
    "pooling": "Pooling",
    "freezing": "Freezing",
    "optimization": "Learning rates",
    "training": "Training",
    "selection": "Selection",
    "showcase": "Showcase",
}
"""Sections in the order of the form; one that is missing here goes by its own name."""

KIND = "kind"
TASK_PREFIX = "tasks.*."


@dataclass
class TaskDraft:
    """One task as typed: its name, and raw text by key within the task (`data.train`)."""

    name: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class FormDraft:
    """Everything as typed; belongs to the screen, and to no thread."""

    values: dict[str, str] = field(default_factory=dict)
    """Raw text by path, tasks left out."""
    tasks: list[TaskDraft] = field(default_factory=list)
    source: str = ""
    """The preset that it began with, empty if none."""
    data_root: str = ""

    def entries(self) -> FormEntries:
        """The draft as it is now."""
        pairs = [(tuple(path.split(".")), raw) for path, raw in self.values.items()]
        for task in self.tasks:
            kind = task.values.get(KIND, "")
            for spec in task_specs(kind):
                key = spec.path.removeprefix(TASK_PREFIX)
                path = ("tasks", task.name, *key.split("."))
                pairs.append((path, task.values.get(key, "")))
        names = tuple(task.name for task in self.tasks)
        return FormEntries(tuple(pairs), names, self.source, self.data_root)

    def new_task(self) -> TaskDraft:
        """Add a task under a name that is free."""
        taken = {task.name for task in self.tasks}
        number = next(n for n in range(1, len(taken) + 2) if f"task{n}" not in taken)
        kinds = next(spec.choices for spec in experiment_fields() if spec.path == "tasks.*.kind")
        values = {spec.path.removeprefix(TASK_PREFIX): shown(spec, spec.default)
                  for spec in task_specs(kinds[0])}  # fmt: skip
        task = TaskDraft(f"task{number}", values | {KIND: kinds[0]})
        self.tasks.append(task)
        return task


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


def section_of(path: str) -> str:
    """The section of a setting: `optimization` of `optimization.warmup`."""
    return path.partition(".")[0] if "." in path else ""


def shown(spec: FieldSpec, value: object) -> str:
    """A value as the form shows it: a list one line each, a number as short as it can be."""
    if value is None:
        return ""
    if spec.kind == "list" and isinstance(value, list | tuple):
        return "\n".join(str(item) for item in value)
    if spec.kind == "table" and isinstance(value, Mapping):
        pairs = (f"{json.dumps(key)} = {number}" for key, number in value.items())
        return "{" + ", ".join(pairs) + "}" if value else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        is_small = 0 < abs(value) < 1e-3  # Learning rates: 2e-4, not 0.0002.
        text = re.sub(r"\.?0*e", "e", f"{value:.5e}") if is_small else f"{value:g}"
        return re.sub(r"e([+-])0*(\d)", _short_exponent, text)
    return str(value)


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
    for name, task in tasks.items():
        texts = {KIND: task[KIND]}
        for spec in task_specs(task[KIND]):
            key = spec.path.removeprefix(TASK_PREFIX)
            texts[key] = shown(spec, _inside(task, key.split(".")))
        draft.tasks.append(TaskDraft(name, texts))
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
        problems += [problem for problem in error.problems if problem.where not in known]
        return Verdict(None, tuple(problems))
    if problems:
        return Verdict(None, tuple(problems))
    return Verdict(config, (), equivalent_command(config, entries.source), to_toml(config))


def _typed(spec: FieldSpec, path: str, raw: str) -> object:
    if spec.kind == "list":
        lines = [line for line in raw.splitlines() if line.strip()]
        if spec.has_numbers:
            return coerce(path, f"[{', '.join(lines)}]")
        return lines
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
    folders = [Path(entries.data_root).expanduser()] if entries.data_root.strip() else []
    folders.append(Path.cwd())
    problems = []
    if folders[0] is not folders[-1] and not folders[0].is_dir():
        problems.append(
            Problem(
                f"There is no folder {folders[0]}.", "the field data root", "correct it or clear it"
            )
        )
    if entries.source:
        # A preset that is gone: its files may be found without it.
        with suppress(WorkbenchError):
            folders.append(find_source(entries.source).parent)
    for key, written in list(checks.data_files(values)):
        path = checks.find_file(written, folders)
        _put(values, key, str(path))
        if not checks.is_file(path):
            problem = checks.missing_file(key, path, written, folders, ".".join)
            problems.append(replace(problem, next_step=_advice(written)))
    return problems


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

    written = tomllib.loads(read_source(find_source(source)))
    for key, path in list(checks.data_files(written)):
        _put(values, key, path)


def _put(values: dict[str, Any], key: tuple[str, ...], value: object) -> None:
    for part in key[:-1]:
        values = values.setdefault(part, {})
    values[key[-1]] = value


def _inside(values: Mapping[str, Any], key: list[str]) -> object:
    inner: Any = values
    for part in key:
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    return inner
