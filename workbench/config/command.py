"""The command line that says what a form says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.config.experiment import ExperimentConfig
from workbench.config.fields import NONE_WORD, experiment_fields, field_specs, is_table
from workbench.config.loading import find_source, load_experiment, read_source
from workbench.errors import WorkbenchError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def equivalent_command(config: ExperimentConfig, source: str) -> str:
    """The shell command that starts the same experiment: `train SOURCE --set …`.

    Only what differs from the source is in it. `load_experiment` with these overrides gives a
    config equal to `config`.

    Args:
        config: What is to be run.
        source: The preset or file it came from; empty, or one that is gone, for none.
    """
    words = ["mtl-workbench", "train"]
    base, root = _base(config, source)
    if base is not None:
        words.append(source)
    if root is not None:
        words += ["--data-root", str(root)]
    for setting in differing_settings(config, base):
        words += ["--set", setting]
    return shlex.join(words)


def differing_settings(config: ExperimentConfig, base: ExperimentConfig | None) -> list[str]:
    """The `KEY=VALUE` texts that turn `base` (all defaults and no task, if None) into `config`."""
    wanted = config.model_dump(mode="json")
    given = base.model_dump(mode="json") if base else _defaults()
    wanted_tasks, given_tasks = wanted.pop("tasks"), given.pop("tasks")
    settings = _differences("", wanted, given)
    kept = _kept_in_place(wanted_tasks, given_tasks)
    settings += [f"tasks.{name}={NONE_WORD}" for name in given_tasks if name not in kept]
    for name, task in wanted_tasks.items():
        prefix = f"tasks.{name}."
        if name in kept:
            settings += _differences(prefix, task, given_tasks[name])
        else:
            settings += _differences(prefix, task, _defaults(task["kind"]))
    return settings


def _base(config: ExperimentConfig, source: str) -> tuple[ExperimentConfig | None, Path | None]:
    """The source's own experiment, with the data root under which its files are `config`'s."""
    if not source:
        return None, None
    try:
        base = load_experiment(source, check_files=False)
        root = _data_root(config, source)
        if root is not None:
            rooted = load_experiment(source, data_root=root, check_files=False)
            if len(differing_settings(config, rooted)) < len(differing_settings(config, base)):
                return rooted, root
    except WorkbenchError:
        return None, None
    return base, None


def _data_root(config: ExperimentConfig, source: str) -> Path | None:
    """The folder in which the first differing data file of the source is `config`'s, if any."""
    import tomllib

    path = find_source(source)
    tasks = tomllib.loads(read_source(path))["tasks"]
    for name, task in config.tasks.items():
        written = str(tasks.get(name, {}).get("data", {}).get("train", ""))
        folder = task.data.train.removesuffix(f"/{written}")
        if written and folder != task.data.train and Path(folder).is_dir():
            return Path(folder)
    return None


def _kept_in_place(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> set[str]:
    """The tasks that need not be taken out and set anew to get the wanted order and kinds."""
    kept: set[str] = set()
    order = list(given)
    position = 0
    for name, task in wanted.items():
        if name not in order[position:] or given[name]["kind"] != task["kind"]:
            break
        position = order.index(name) + 1
        kept.add(name)
    return kept


def _differences(prefix: str, wanted: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    settings = []
    for key, value in wanted.items():
        before = given.get(key, ...)
        if isinstance(value, dict) and not is_table(f"{prefix}{key}"):
            settings += _differences(f"{prefix}{key}.", value, before if before != ... else {})
        elif value != before:
            path = f"{prefix}{key}"
            is_optional = any(spec.optional for spec in field_specs(path))
            settings.append(f"{path}={_value(value, is_optional)}")
    return settings


def _value(value: object, is_optional: bool) -> str:
    """A value as `coerce` reads it: text raw, the rest as TOML."""
    if value is None:
        return NONE_WORD
    if not isinstance(value, str):
        return _toml(value)
    return f'"{value}"' if is_optional and value.strip().lower() in (NONE_WORD, "") else value


def _toml(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{_toml_key(key)} = {_toml(inner)}" for key, inner in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    if isinstance(value, str):
        # A JSON text is a TOML text, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _toml(key)


def _defaults(task_kind: str = "") -> dict[str, Any]:
    """The settings of which nothing is said: of an experiment, or of a task of that kind."""
    values: dict[str, Any] = {} if task_kind else {"tasks": {}}
    for spec in experiment_fields():
        if spec.required or (task_kind and task_kind not in spec.task_kinds):
            continue
        parts = spec.path.split(".")[2 if task_kind else 0 :]
        if not task_kind and parts[0] == "tasks":
            continue
        section = values
        for part in parts[:-1]:
            section = section.setdefault(part, {})
        section[parts[-1]] = [] if spec.kind == "list" else spec.default
    return values
