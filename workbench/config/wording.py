"""What pydantic found wrong, in plain words: the key, the value, and what would be right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.config.fields import SCHEMA_ADVICE, FieldSpec, experiment_fields
from workbench.errors import Problem, listed, nearest

Key = tuple[str, ...]
Error = Mapping[str, Any]


def words_for(error: Error, where: Callable[[Key], str]) -> Problem:
    """One pydantic error as a problem.

    Args:
        error: An entry of `ValidationError.errors()`.
        where: Says where a key stands.
    """
    key, task_kind = _split(error["loc"])
    say = _SENTENCES.get(error["type"], _in_its_own_words)
    what, next_step = say(error, key, task_kind)
    return Problem(what, where(key), next_step or _advice(key, task_kind))


def shown_value(value: object) -> str:
    """A value as it would be written in TOML, cut if it is long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"a section with {len(value)} keys" if value else "an empty section"
    if isinstance(value, list | tuple):
        return "[" + _cut(", ".join(shown_value(item) for item in value[:20])) + "]"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number with very many digits"  # str() refuses above 4300 of them
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return f'"{_cut(value)}"' if isinstance(value, str) else _cut(str(value))


def keys_at(section: Key, task_kind: str = "") -> list[str]:
    """The keys that are valid in a section, for a task those of its kind."""
    prefix = (*section[:1], "*", *section[2:]) if section[:1] == ("tasks",) else section
    found = []
    for spec in experiment_fields():
        parts = tuple(spec.path.split("."))
        if parts[: len(prefix)] != prefix or len(parts) <= len(prefix):
            continue
        if not task_kind or not spec.task_kinds or task_kind in spec.task_kinds:
            found.append(parts[len(prefix)])
    return list(dict.fromkeys(found))


def spec_of(key: Key, task_kind: str = "") -> FieldSpec | None:
    """The setting at `key`, for a task that of its kind."""
    path = ".".join((*key[:1], "*", *key[2:]) if key[:1] == ("tasks",) and len(key) > 2 else key)
    for spec in experiment_fields():
        kinds = spec.task_kinds
        if spec.path == path and (not kinds or not task_kind or task_kind in kinds):
            return spec
    return None


def is_entry(key: Key) -> bool:
    """Whether the key ends in the number of an entry of a list."""
    spec = spec_of(key[:-1])
    return spec is not None and spec.kind == "list"


def _split(location: Sequence[int | str]) -> tuple[Key, str]:
    """The key of a pydantic location, and the kind of task that pydantic put into it."""
    parts = [str(part) for part in location]
    if parts[:1] == ["tasks"] and len(parts) > 2 and parts[2] != "[key]":
        return (*parts[:2], *parts[3:]), parts[2]
    return tuple(part for part in parts if part != "[key]"), ""


def _name(key: Key) -> str:
    """A key as a sentence calls it: with its task, without the sections that `where` tells."""
    if not key:
        return "The experiment"
    last = key[-1]
    if is_entry(key):
        last = f"{key[-2]}, entry {int(last) + 1},"
    if key[0] == "tasks" and len(key) > 1:
        return f'Task "{key[1]}"' if len(key) == 2 else f'Task "{key[1]}": {last}'
    return last if spec_of(key) or is_entry(key) else f"[{'.'.join(key)}]"


def _advice(key: Key, task_kind: str) -> str:
    spec = spec_of(key, task_kind) or spec_of(key[:-1], task_kind)
    if spec is None:
        return SCHEMA_ADVICE
    unset = ", or leave it out" if not spec.required else ""
    return f"{key[-1] if spec_of(key) else key[-2]} is {spec.words}{unset} ({spec.help})"


Sentence = tuple[str, str]


def _unknown_key(error: Error, key: Key, task_kind: str) -> Sentence:
    wrong, section = key[-1], key[:-1]
    known = keys_at(section, task_kind)
    what = f'Unknown key "{wrong}".'
    if section[:1] == ("tasks",):
        what = f'Task "{section[1]}": unknown key "{wrong}".'
    elsewhere = [
        spec
        for spec in experiment_fields()
        if spec.path.rpartition(".")[2] == wrong and task_kind not in spec.task_kinds
    ]
    advice = nearest(wrong, known, see=SCHEMA_ADVICE)
    if advice.startswith("did you mean") or not elsewhere:
        return what, advice
    return what, f"{_belongs(elsewhere[0], section)}; here {advice}"


def _belongs(spec: FieldSpec, section: Key) -> str:
    place, _, key = spec.path.rpartition(".")
    same_place = section[:1] == ("tasks",) and place.split(".")[2:] == list(section[2:])
    if same_place and spec.task_kinds:
        return f'"{key}" belongs to a task of kind {" or ".join(spec.task_kinds)}'
    place = place.replace("*", section[1] if section[:1] == ("tasks",) else "NAME")
    return f'"{key}" belongs in [{place}]' if place else f'"{key}" belongs above all sections'


def _missing(error: Error, key: Key, task_kind: str) -> Sentence:
    if key == ("tasks",):
        return (
            "There is no task.",
            'add a section such as [tasks.question], kind = "classification"',
        )
    spec = spec_of(key, task_kind)
    if spec is None:
        section = ".".join(key)
        inside = listed(keys_at(key, task_kind), 150, see=SCHEMA_ADVICE)
        owner = f'Task "{key[1]}" has' if key[:1] == ("tasks",) else "There is"
        return (
            f"{owner} no section [{section}].",
            f"add it, with the keys that it needs of: {inside}",
        )
    owner = f'Task "{key[1]}": ' if key[0] == "tasks" else ""
    return f"{owner}{key[-1]} is missing.", f"add {key[-1]} = … ({spec.help})"


def _no_kind(error: Error, key: Key, task_kind: str) -> Sentence:
    first, *others = _task_kinds()
    return f"{_name(key)} has no kind.", f'add kind = "{first}", or {", ".join(others)}'


def _wrong_kind(error: Error, key: Key, task_kind: str) -> Sentence:
    given = error["input"].get("kind") if isinstance(error["input"], Mapping) else None
    return (
        f"{_name(key)}: kind is {shown_value(given)}, which is no kind of task.",
        nearest(str(given), _task_kinds()),
    )


def _task_kinds() -> tuple[str, ...]:
    return next(spec.choices for spec in experiment_fields() if spec.path == "tasks.*.kind")


def _wrong_word(error: Error, key: Key, task_kind: str) -> Sentence:
    spec = spec_of(key, task_kind)
    choices = spec.choices if spec else ()
    value = error["input"]
    return (
        f"{_name(key)} is {shown_value(value)}, which is none of the known words.",
        nearest(str(value) if isinstance(value, str) else "", choices, see=SCHEMA_ADVICE),
    )


def _no_section(error: Error, key: Key, task_kind: str) -> Sentence:
    inside = listed(keys_at(key, task_kind), 150, see=SCHEMA_ADVICE) if key else ""
    return (
        f"{_name(key)} must be a section, but is {shown_value(error['input'])}.",
        f"write [{'.'.join(key)}] and its keys below: {inside}" if key else SCHEMA_ADVICE,
    )


def _must_be(words: str, limit: str = "") -> Callable[[Error, Key, str], Sentence]:
    def say(error: Error, key: Key, task_kind: str) -> Sentence:
        context = error.get("ctx", {})
        bound = f" {_number(context[limit])}" if limit else ""
        value = shown_value(error["input"])
        return f"{_name(key)} must be {words}{bound}, but is {value}.", ""

    return say


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _too_long(error: Error, key: Key, task_kind: str) -> Sentence:
    limit = error["ctx"]["max_length"]
    return f"{_name(key)} is longer than {limit} characters: {shown_value(error['input'])}.", ""


def _said_by_us(error: Error, key: Key, task_kind: str) -> Sentence:
    message = str(error["ctx"]["error"])
    what, _, next_step = message.partition("; ")
    is_word = what.split(" ")[0].isalpha()  # "selection.task" is a key, and stays as it is
    return f"{what[:1].upper() if is_word else what[:1]}{what[1:]}.", next_step


def _in_its_own_words(error: Error, key: Key, task_kind: str) -> Sentence:
    message = str(error["msg"]).replace("Input should", "it should")
    return f"{_name(key)} is {shown_value(error['input'])}: {message}.", ""


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"


_SENTENCES: dict[str, Callable[[Error, Key, str], Sentence]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing,
    "union_tag_not_found": _no_kind,
    "union_tag_invalid": _wrong_kind,
    "literal_error": _wrong_word,
    "value_error": _said_by_us,
    "model_type": _no_section,
    "model_attributes_type": _no_section,
    "dict_type": _no_section,
    "tuple_type": _must_be("a list"),
    "string_type": _must_be("text in quotes"),
    "string_too_short": _must_be("some text"),
    "string_too_long": _too_long,
    "string_pattern_mismatch": _must_be("one of the known words"),
    "string_unicode": _must_be("valid text"),
    "bool_type": _must_be("true or false"),
    "bool_parsing": _must_be("true or false"),
    "int_type": _must_be("a whole number"),
    "int_parsing": _must_be("a whole number"),
    "int_parsing_size": _must_be("a smaller whole number"),
    "int_from_float": _must_be("a whole number"),
    "float_type": _must_be("a number"),
    "float_parsing": _must_be("a number"),
    "finite_number": _must_be("a finite number"),
    "greater_than": _must_be("above", "gt"),
    "greater_than_equal": _must_be("at least", "ge"),
    "less_than": _must_be("below", "lt"),
    "less_than_equal": _must_be("at most", "le"),
}
"""What is said about each kind of pydantic error that the schema can produce."""
