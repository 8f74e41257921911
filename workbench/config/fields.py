"""The schema as a flat list: for the form, for `--set`, and for the documentation.

One declaration, the pydantic models, gives the form's field, its help, and the command's key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from workbench.config.base import IS_SET, Word
from workbench.config.experiment import ExperimentConfig
from workbench.config.tasks import TASK_MODELS
from workbench.errors import ConfigError, listed, nearest

FieldKind = Literal["text", "number", "integer", "choice", "switch", "list", "table"]

NONE_WORD = "none"
"""What stands for "not set" where a field is optional: TOML has no word for it."""

_WORDS_OF_KIND = {
    "text": "text",
    "number": "a number such as 0.1 or 2e-5",
    "integer": "a whole number such as 3",
    "choice": "one of the known words",
    "switch": "true or false",
    "list": 'a list such as ["one", "two"]',
    "table": "a table such as {name = 1.0}",
}


@dataclass(frozen=True)
class Condition:
    """One thing that a setting needs in order to apply."""

    path: str
    """The deciding setting, as `freezing.mode` or `tasks.*.rnn`."""
    values: tuple[Word, ...]
    """One of these; `IS_SET` among them for any value that says something."""
    holds_if_among: bool = True
    """False for what makes the setting not apply."""

    def is_among(self, value: object) -> bool:
        """Whether the deciding setting's value is one of those named."""
        is_set = bool(value) and value != NONE_WORD
        return value in self.values or (IS_SET in self.values and is_set)


@dataclass(frozen=True)
class FieldSpec:
    """One setting of an experiment."""

    path: str
    """`optimization.learning_rate`; for a task's setting `tasks.*.weight`."""
    kind: FieldKind
    choices: tuple[str, ...]
    """The right words of a choice, else empty."""
    default: object
    """The value if nothing is said; None if that means "not set", or if it is required."""
    required: bool
    help: str
    task_kinds: tuple[str, ...]
    """Kinds of task that have it; empty for what belongs to no task."""
    optional: bool = False
    """Whether it may be left unset (None)."""
    has_numbers: bool = False
    """Whether it is a list of numbers, not of texts."""
    when: tuple[Condition, ...] = ()
    """What has to hold for it to apply; see `workbench.config.base.applies`."""
    names: str = ""
    """What it is the name of: backbone, file, column, task; see `workbench.config.base.names`."""
    entries: tuple[str, ...] = ()
    """The right words of each entry of a list; empty if they are not known."""

    @property
    def words(self) -> str:
        """What a value of this field looks like."""
        if self.has_numbers:
            return "a list such as [0.1, 0.5]"
        return ", ".join(self.choices) if self.choices else _WORDS_OF_KIND[self.kind]

    def in_task(self, name: str) -> str:
        """The path in one task: `tasks.question.weight`."""
        return self.path.replace("*", name, 1)


@cache
def experiment_fields() -> list[FieldSpec]:
    """Every setting, in the order of the schema.

    A task's setting that differs by kind (`tasks.*.metric`) appears once per variant, each with
    its own `task_kinds`.
    """
    fields: list[FieldSpec] = []
    for name, field in ExperimentConfig.model_fields.items():
        if name == "tasks":
            fields.extend(_task_fields())
        else:
            fields.extend(_fields_of(name, field, ()))
    return fields


def field_specs(path: str) -> list[FieldSpec]:
    """The settings that `path` may mean, `tasks.question.weight` as well as `tasks.*.weight`.

    Several if kinds of task differ in it, none if there is no such setting.
    """
    generic = generic_path(path)
    return [spec for spec in experiment_fields() if spec.path == generic]


def does_apply(
    spec: FieldSpec, value_of: Callable[[str], object], task_kind: str | None = None
) -> bool:
    """Whether a setting has any effect beside the values of the others.

    Args:
        spec: The setting.
        value_of: The value of the deciding settings by path, of a task's as `tasks.*.rnn`.
        task_kind: Kind of the task it is in; a kind that lacks a deciding setting has no use for
            what that decides.
    """
    return all(_holds(condition, value_of, task_kind) for condition in spec.when)


def _holds(condition: Condition, value_of: Callable[[str], object], task_kind: str | None) -> bool:
    deciding = next(
        (
            spec
            for spec in field_specs(condition.path)
            if task_kind is None or not spec.task_kinds or task_kind in spec.task_kinds
        ),
        None,
    )
    if deciding is None or not does_apply(deciding, value_of, task_kind):
        return not condition.holds_if_among
    return condition.is_among(value_of(condition.path)) is condition.holds_if_among


def generic_path(path: str) -> str:
    """`tasks.question.weight` as `tasks.*.weight`."""
    parts = path.split(".")
    if parts[0] == "tasks" and len(parts) > 2:
        return ".".join(["tasks", "*", *parts[2:]])
    return path


def is_table(path: str) -> bool:
    """Whether a setting is a table of numbers by name, such as `selection.weights`."""
    return any(spec.kind == "table" for spec in field_specs(path))


def coerce(path: str, raw: str) -> object:
    """Turn what a person typed for a setting into a value of its type.

    Bounds are not checked here but when the whole is validated, so that each is said once.

    Args:
        path: The setting, as `optimization.learning_rate` or `tasks.question.weight`.
        raw: Text as it is for a text or a choice, TOML for the rest; `none` for "not set".

    Raises:
        ConfigError: No such setting, or a value of another type.
    """
    specs = field_specs(path)
    if not specs and is_table(path.rpartition(".")[0]):
        return _number(path, raw)
    if not specs:
        raise unknown_setting(path)
    spec = _joined(specs)
    if spec.optional and raw.strip().lower() in (NONE_WORD, ""):
        return None
    is_quoted = len(raw) > 1 and raw[0] == raw[-1] == '"'
    if spec.optional and is_quoted and raw[1:-1].strip().lower() in (NONE_WORD, ""):
        return raw[1:-1]  # the text itself, where it would stand for "not set"
    match spec.kind:
        case "text":
            return _text(path, raw)
        case "choice":
            return _choice(spec, path, raw)
        case "switch":
            return _switch(path, raw)
        case "integer":
            return _integer(path, raw)
        case "number":
            return _number(path, raw)
        case "list":
            return _toml_of(path, raw, list, spec)
        case "table":
            return _toml_of(path, raw, dict, spec)


SCHEMA_ADVICE = "`mtl-workbench schema` lists every setting"


def unknown_setting(path: str) -> ConfigError:
    """The error for a key that the schema does not have, with the nearest that it has."""
    section, _, key = path.rpartition(".")
    parts = path.split(".")
    task = parts[1] if parts[0] == "tasks" and len(parts) > 1 else "NAME"
    known = list(dict.fromkeys(spec.in_task(task) for spec in experiment_fields()))
    inside = [name for name in known if name.startswith(f"{path}.")]
    if inside:
        return ConfigError(
            f'"{path}" is a section, not a setting.',
            where=path,
            next_step=f"set one of its settings, as {inside[0]}: "
            + listed([name.removeprefix(f"{path}.") for name in inside], 150, see=SCHEMA_ADVICE),
        )
    beside = [name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == section]
    if section and beside:
        advice = nearest(key, beside, see=SCHEMA_ADVICE)
    else:
        # The list of the whole schema would help nobody: the nearest, and the sections.
        close = get_close_matches(path, known, n=1)
        advice = f'did you mean "{close[0]}"? ' if close else ""
        advice += f"known: {', '.join(_sections())}"
    return ConfigError(f'There is no setting "{path}".', where=path, next_step=advice)


def equivalent_command(config: ExperimentConfig, source: str) -> str:
    """The command that starts the same experiment: see `workbench.config.command`."""
    # That module reads presets, which needs the settings listed here.
    from workbench.config import command

    return command.equivalent_command(config, source)


def _sections() -> list[str]:
    return [
        f"{name}.…" if name not in ("name", "seed") else name
        for name in ExperimentConfig.model_fields
    ]


def _task_fields() -> Iterator[FieldSpec]:
    """Settings of all kinds of task, each once if the kinds agree on it."""
    merged: list[FieldSpec] = []
    for kind, model in TASK_MODELS.items():
        for name, field in model.model_fields.items():
            for spec in _fields_of(f"tasks.*.{name}", field, (kind,)):
                _merge(merged, spec)
    order = list(dict.fromkeys(spec.path.split(".")[2] for spec in merged))
    order.sort(key=lambda name: {"kind": 0, "data": 1}.get(name, 2))
    return iter(sorted(merged, key=lambda spec: order.index(spec.path.split(".")[2])))


def _merge(merged: list[FieldSpec], spec: FieldSpec) -> None:
    for index, other in enumerate(merged):
        if replace(spec, task_kinds=()) == replace(other, task_kinds=()):
            merged[index] = replace(other, task_kinds=other.task_kinds + spec.task_kinds)
            return
        if spec.path == other.path == "tasks.*.kind":
            merged[index] = replace(
                other,
                choices=other.choices + spec.choices,
                task_kinds=other.task_kinds + spec.task_kinds,
                help=f"{other.help} {spec.choices[0]}: {spec.help}",
            )
            return
    merged.append(
        replace(spec, help=f"{spec.choices[0]}: {spec.help}")
        if spec.path == "tasks.*.kind"
        else spec
    )


def _fields_of(path: str, field: FieldInfo, task_kinds: tuple[str, ...]) -> Iterator[FieldSpec]:
    annotation, optional = _without_none(field.annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, inner in annotation.model_fields.items():
            yield from _fields_of(f"{path}.{name}", inner, task_kinds)
        return
    kind, choices = _kind_of(annotation)
    yield FieldSpec(
        path=path,
        kind=kind,
        choices=choices,
        default=None if field.is_required() else field.get_default(call_default_factory=True),
        required=field.is_required(),
        help=field.description or "",
        task_kinds=task_kinds,
        optional=optional,
        has_numbers=kind == "list" and get_args(annotation)[0] is float,
        when=_conditions_of(field, "tasks.*." if task_kinds else ""),
        names=str(_extra_of(field).get("names", "")),
        entries=_kind_of(get_args(annotation)[0])[1] if _is_list_of_words(annotation) else (),
    )


def _conditions_of(field: FieldInfo, prefix: str) -> tuple[Condition, ...]:
    found = []
    for word in ("when", "unless"):
        said: Any = _extra_of(field).get(word, {})
        for path, values in said.items():
            found.append(Condition(f"{prefix}{path}", tuple(values), word == "when"))
    return tuple(found)


def _extra_of(field: FieldInfo) -> Mapping[str, Any]:
    extra = field.json_schema_extra
    return extra if isinstance(extra, Mapping) else {}


def _without_none(annotation: Any) -> tuple[Any, bool]:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (UnionType, Union):
        rest = [part for part in get_args(annotation) if part is not NoneType]
        if len(rest) == 1:
            return _without_none(rest[0])[0], True
    return annotation, False


def _kind_of(annotation: Any) -> tuple[FieldKind, tuple[str, ...]]:
    if get_origin(annotation) is Literal:
        return "choice", get_args(annotation)
    simple: dict[Any, FieldKind] = {str: "text", bool: "switch", int: "integer", float: "number"}
    if annotation in simple:
        return simple[annotation], ()
    containers: dict[Any, FieldKind] = {tuple: "list", list: "list", dict: "table"}
    return containers[get_origin(annotation)], ()


def _is_list_of_words(annotation: Any) -> bool:
    origin, args = get_origin(annotation), get_args(annotation)
    return origin in (tuple, list) and get_origin(args[0]) is Literal


def _joined(specs: list[FieldSpec]) -> FieldSpec:
    """One field out of the variants by kind of task: it takes what any of them takes."""
    choices = dict.fromkeys(choice for spec in specs for choice in spec.choices)
    return replace(specs[0], choices=tuple(choices))


def _text(path: str, raw: str) -> str:
    try:
        raw.encode()
    except UnicodeEncodeError:
        raise _wrong(path, raw, "is not valid text", "type it as UTF-8") from None
    return raw


def _choice(spec: FieldSpec, path: str, raw: str) -> str:
    word = raw.strip()
    if word not in spec.choices:
        raise _wrong(
            path, raw, "is none of the known words", nearest(word, spec.choices, see=SCHEMA_ADVICE)
        )
    return word


def _switch(path: str, raw: str) -> bool:
    words = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}
    word = raw.strip().lower()
    if word not in words:
        raise _wrong(path, raw, "is neither true nor false", "write true or false")
    return words[word]


def _integer(path: str, raw: str) -> int:
    value = _toml_value(raw)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(path, raw, "is not a whole number", "write one such as 3")
    return value


def _number(path: str, raw: str) -> float:
    value = _toml_value(raw)
    if isinstance(value, bool) or not isinstance(value, int | float):
        # TOML wants digits on both sides of the point; people write .5 and 1.
        try:
            value = float(raw.strip())
        except ValueError:
            raise _wrong(path, raw, "is not a number", "write one such as 0.1 or 2e-5") from None
    try:
        return float(value)
    except OverflowError:
        raise _wrong(path, raw, "is too large a number", "write one such as 0.1") from None


def _toml_of(path: str, raw: str, wanted: type, spec: FieldSpec) -> object:
    value = _toml_value(raw)
    if not isinstance(value, wanted):
        raise _wrong(path, raw, f"is not a {spec.kind}", f"write {spec.words}")
    return value


def _toml_value(raw: str) -> object:
    """The value of a piece of TOML, or None if it is not one value."""
    if "\n" in raw.strip() and not raw.strip().startswith(("[", "{", '"""', "'''")):
        return None  # a line end would let a second key in
    try:
        values = tomllib.loads(f"value = {raw.strip()}")
    except (ValueError, RecursionError):
        return None
    return values["value"] if len(values) == 1 else None


def _wrong(path: str, raw: str, why: str, next_step: str) -> ConfigError:
    shown = raw if len(raw) <= 60 else raw[:57] + "…"
    return ConfigError(f'{path}: "{shown}" {why}.', where=path, next_step=next_step)
