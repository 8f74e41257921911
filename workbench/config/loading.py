"""From a preset or a TOML file to an `ExperimentConfig`, and back.

Every problem of a file is told at once, each with its place and what mends it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from workbench.config import checks
from workbench.config.experiment import ExperimentConfig
from workbench.config.fields import NONE_WORD
from workbench.config.overrides import Override, apply_overrides
from workbench.config.places import Places
from workbench.config.presets import find_preset, list_presets
from workbench.config.wording import Key, is_entry, keys_at, words_for
from workbench.errors import ConfigError, NotFoundError, Problem, listed
from workbench.secrecy import holds_token, scrub

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Table

_LARGEST_FILE = 4 * 1024 * 1024
"""Bytes; a preset has a few hundred, so what is larger is something else."""


def load_experiment(
    source: str | Path,
    *,
    overrides: Sequence[str] = (),
    data_root: Path | None = None,
    check_files: bool = True,
) -> ExperimentConfig:
    """Read an experiment.

    Args:
        source: Name of a preset, or path of a TOML file; empty to build all by `overrides`.
        overrides: `KEY=VALUE` texts, as after `--set`.
        data_root: Folder in which data files are looked for first.
        check_files: Whether a data file that is not there is a problem.

    Returns:
        The experiment; paths of data files are absolute.

    Raises:
        NotFoundError: No such preset or file.
        ConfigError: All that is wrong with it.
    """
    path = find_source(source) if str(source) else None
    return parse_experiment(
        read_source(path) if path else "",
        origin=_shown_path(path) if path else "",
        folder=path.parent if path else Path.cwd(),
        overrides=overrides,
        data_root=data_root,
        check_files=check_files,
    )


def find_source(source: str | Path) -> Path:
    """The file that a preset's name or a path means.

    Raises:
        NotFoundError: There is neither.
        ConfigError: It is a folder.
    """
    text = str(source)
    if isinstance(source, str) and any(preset.name == source for preset in list_presets()):
        return find_preset(source).path
    path = Path(text)
    if checks.is_file(path) or _is_readable_special(path):
        return path
    if os.path.isdir(text):
        raise ConfigError(
            f"{text} is a folder, not an experiment.",
            where=text,
            next_step="give a preset's name or the path of a TOML file",
        )
    if path.suffix != ".toml" and os.sep not in text:
        return find_preset(text).path  # raises, with the nearest name
    raise NotFoundError(
        f"There is no file {text}.",
        where=str(Path.cwd()),
        next_step="correct the path, or give a preset's name: "
        + listed([preset.name for preset in list_presets()], 150),
    )


def read_source(path: Path) -> str:
    """The text of a TOML file.

    Raises:
        ConfigError: It cannot be read, or is no text.
    """
    where = _shown_path(path)
    advice = "an experiment is a TOML file, UTF-8 text; see `mtl-workbench presets`"
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"{where} cannot be read: {reason}.", where=where, next_step="mend that, or the path"
        ) from error
    if len(content) > _LARGEST_FILE:
        raise ConfigError(f"{where} is too large for a preset.", where=where, next_step=advice)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{where} is not UTF-8 text.", where=f"{where}, line {line}", next_step=advice
        ) from error


def parse_experiment(
    text: str,
    *,
    origin: str,
    folder: Path,
    overrides: Sequence[str] = (),
    data_root: Path | None = None,
    check_files: bool = True,
) -> ExperimentConfig:
    """Read an experiment from TOML text.

    Args:
        text: The TOML.
        origin: What to call it in messages, such as its path.
        folder: What relative paths in it are relative to, if not to `data_root`.
        overrides: `KEY=VALUE` texts, as after `--set`.
        data_root: Folder in which data files are looked for first.
        check_files: Whether a data file that is not there is a problem.

    Raises:
        ConfigError: All that is wrong with it.
    """
    values = _parse_toml(text, origin)
    problems: list[Problem] = []
    applied = apply_overrides(values, overrides, problems)
    source = _Source(origin, Places(text), {override.key: override for override in applied})
    problems += _make_paths_absolute(values, source, folder, data_root, check_files)
    config = _validated(values, source, problems)
    problems[:0] = [checks.token_problem(f"--set {one}") for one in overrides if holds_token(one)]
    if problems or config is None:
        raise ConfigError.of(_without_tokens(problems))
    return config


def validate(values: Mapping[str, Any]) -> ExperimentConfig:
    """Values of all kinds of origin as an experiment; each problem's place is its dotted key.

    Raises:
        ConfigError: All that is wrong with them.
    """
    problems: list[Problem] = []
    config = _validated(values, _Source("", None, {}), problems)
    if problems or config is None:
        raise ConfigError.of(_without_tokens(problems))
    return config


def to_toml(config: ExperimentConfig) -> str:
    """The experiment as TOML: what differs from the defaults, and what is required."""
    import tomlkit  # 30 ms that only writing needs

    document = tomlkit.document()
    values = config.model_dump(mode="json", exclude_defaults=True)
    values.setdefault("name", config.name)
    for key in ("name", "seed"):
        if key in values:
            document.add(key, values.pop(key))
    for section in ExperimentConfig.model_fields:
        if section == "tasks":
            _add_tasks(document, values["tasks"])
        elif section in values:
            document.add(section, _table(values[section]))
    return tomlkit.dumps(document)


def unset(config: ExperimentConfig) -> list[str]:
    """What TOML has no word for, as `--set` texts: settings that have a default and are not set."""
    values = config.model_dump(mode="json", exclude_defaults=True)
    return [f"{'.'.join(key)}={NONE_WORD}" for key in _empty_leaves(values)]


def _empty_leaves(values: Mapping[str, Any], before: Key = ()) -> Iterator[Key]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _empty_leaves(value, (*before, key))
        elif value is None:
            yield (*before, key)


@dataclass(frozen=True)
class _Source:
    """Where the values come from, to tell the place of each."""

    origin: str
    places: Places | None
    overrides: Mapping[Key, Override]

    def where(self, key: Key) -> str:
        """`--set …`, or file, line and `[section] key`; without a file the dotted key."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.overrides:
                return self.overrides[key[:length]].where
        if self.places is None:
            return ".".join(key)
        line = self.places.line_of(key)
        parts = [self.origin, f"line {line}" if line else "", _in_brackets(key)]
        return ", ".join(part for part in parts if part)


def _in_brackets(key: Key) -> str:
    """`[section] key`, with an entry of a list counted from 1."""
    if is_entry(key):
        return f"{_in_brackets(key[:-1])}, entry {int(key[-1]) + 1}"
    if not key:
        return ""
    is_section = bool(keys_at(key)) and not (
        key[:1] == ("tasks",) and len(key) == 3 and key[2] != "data"
    )
    if is_section:
        return f"[{'.'.join(key)}]"
    section = ".".join(key[:-1])
    return f"[{section}] {key[-1]}" if section else key[-1]


def _parse_toml(text: str, origin: str) -> dict[str, Any]:
    advice = "correct the TOML there; text values need quotes, and every key a value"
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r"at line (\d+), column (\d+)", message)
        line = int(found[1]) if found else max(1, len(text.splitlines()))
        reason = re.sub(r"\s*\((at [^)]*)\)$", "", message)
        column = f", column {found[2]}" if found else " (end of the file)"
        raise ConfigError(
            f"{origin or 'The text'} is not valid TOML: {reason}.",
            where=f"{origin}, line {line}{column}".removeprefix(", "),
            next_step=advice,
        ) from error
    except (ValueError, RecursionError) as error:
        # A number of more than 4300 digits, or brackets a thousand deep.
        raise ConfigError(
            f"{origin or 'The text'} has a value that cannot be read.",
            where=origin,
            next_step="look for a very long number or very deep brackets",
        ) from error


def _make_paths_absolute(
    values: dict[str, Any],
    source: _Source,
    folder: Path,
    data_root: Path | None,
    check_files: bool,
) -> list[Problem]:
    """Replace what names a file by its absolute path; say which data files are not there.

    A folder that stands for a backbone or a data set is taken for a path only if it is written
    like one (`./model`, `~/model`): `trec` remains the hub's name.
    """
    problems = []
    for key, written in list(checks.data_files(values)):
        # What is typed into a shell is relative to where it is typed.
        here = [Path.cwd()] if key in source.overrides else []
        folders = [*([data_root] if data_root else []), *here, folder]
        path = checks.find_file(written, folders)
        _put(values, key, str(path))
        if check_files and not checks.is_file(path):
            problems.append(checks.missing_file(key, path, written, folders, source.where))
    for key in _folder_keys(values):
        folder_or_name = _get(values, key)
        if isinstance(folder_or_name, str) and folder_or_name.startswith(("./", "../", "~/")):
            base = Path.cwd() if key in source.overrides else folder
            _put(values, key, str(checks.find_file(folder_or_name, [base])))
    return problems


def _folder_keys(values: Mapping[str, Any]) -> list[Key]:
    tasks = values.get("tasks")
    names = [str(name) for name in tasks] if isinstance(tasks, dict) else []
    return [("backbone", "model"), *(("tasks", name, "data", "dataset") for name in names)]


def _get(values: Mapping[str, Any], key: Key) -> object:
    value: Any = values
    for part in key:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _put(values: dict[str, Any], key: Key, value: object) -> None:
    for part in key[:-1]:
        values = values[part]
    values[key[-1]] = value


def _validated(
    values: Mapping[str, Any], source: _Source, problems: list[Problem]
) -> ExperimentConfig | None:
    """The config, or None with what is wrong added to `problems`."""
    crossed = list(checks.selection_problems(values, source.where))
    tokens = list(checks.token_problems(values, source.where))
    config = None
    found: list[Problem] = []
    try:
        config = ExperimentConfig.model_validate(values)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            # The schema tells the same as `crossed`, without the place.
            if detail["loc"] or not crossed:
                found.append(words_for(detail, source.where))
    problems[:0] = tokens + found + crossed
    return config


def _without_tokens(problems: Sequence[Problem]) -> list[Problem]:
    """The problems, each once, showing nothing of a token that was typed."""
    return list(dict.fromkeys(Problem(*map(scrub, vars(one).values())) for one in problems))


def _add_tasks(document: TOMLDocument, tasks: Mapping[str, Mapping[str, Any]]) -> None:
    import tomlkit

    table = tomlkit.table(is_super_table=True)
    for name, task in tasks.items():
        table.add(name, _table(task))
    document.add("tasks", table)


def _table(values: Mapping[str, Any]) -> Table:
    import tomlkit

    table = tomlkit.table()
    inner = {key: value for key, value in values.items() if isinstance(value, dict)}
    for key, value in values.items():
        if key not in inner and value is not None:
            table.add(key, value)
    for key, value in inner.items():
        table.add(key, _table(value))
    return table


def _shown_path(path: Path) -> str:
    """The path from the current folder if it is below it, else as it is."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError, RuntimeError):
        return str(path)


def _is_readable_special(path: Path) -> bool:
    """Whether it is a pipe, as after `<(…)` in a shell."""
    try:
        return path.is_fifo()
    except OSError:
        return False
