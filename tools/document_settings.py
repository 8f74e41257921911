"""Write docs/settings.md anew, from the schema and the presets."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.config.fields import FieldSpec, experiment_fields
from workbench.config.meanings import lead, meanings
from workbench.config.tasks import TASK_MODELS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "settings.md"
HEAD = """# Settings

Made from the schema by `python tools/document_settings.py`; a test keeps it complete. A key stands
in a TOML file under its section, on the command line as `--set KEY=VALUE`, in the form under its
name. `NAME` is the name of a task.

"""
TITLES = {
    "": "The experiment",
    "backbone": "Backbone",
    "pooling": "Pooling",
    "tasks": "Tasks",
    "sampling": "Sampling",
    "weighting": "Weighting",
    "freezing": "Freezing",
    "optimization": "Learning rates",
    "training": "Training",
    "selection": "Selection",
    "instruments": "Instruments",
    "showcase": "Showcase",
}
"""By section of the schema; another has its own name."""


def page() -> str:
    """Every setting, then every word that a setting can be."""
    fields = experiment_fields()
    sections: dict[str, list[FieldSpec]] = {}
    for field in fields:
        section = field.path.partition(".")[0] if "." in field.path else ""
        sections.setdefault(section, []).append(field)
    parts = [HEAD.rstrip("\n")]
    for section, inside in sections.items():
        parts.append(f"## {TITLES.get(section, section.capitalize())}")
        parts.append("\n".join(_settings(inside)))
    parts.append("# Choices")
    parts.append(
        "Each word of each choice: what it does, where it was published, and a preset that has it "
        "(or how to have it with the preset `quickstart`)."
    )
    for field in fields:
        if table := list(_choices(field)):
            parts.append(f'### <a id="{_anchor(field)}"></a>`{_key(field)}`{_kinds(field)}')
            parts.append("\n".join(table))
    return "\n\n".join(parts) + "\n"


def _settings(fields: list[FieldSpec]) -> Iterator[str]:
    yield "| key | default | what it does |"
    yield "| --- | --- | --- |"
    for field in fields:
        text = lead(field)
        if field.choices:
            text = f"{text} One of [these](#{_anchor(field)})".strip() + "."
        yield f"| `{_key(field)}`{_kinds(field)} | {_default(field)} | {_cell(text)} |"


def _choices(field: FieldSpec) -> Iterator[str]:
    told = meanings(field)
    if not told:
        return
    yield "| choice | what it does | source | shown by |"
    yield "| --- | --- | --- | --- |"
    for meaning in told:
        yield (
            f"| `{meaning.word}` | {_cell(meaning.text)} | {meaning.source} "
            f"| {_shown_by(field, meaning.word)} |"
        )


def _shown_by(field: FieldSpec, word: str) -> str:
    presets = [
        name
        for name, values in _presets().items()
        if word in _values_at(values, field.path.split("."))
    ]
    if presets:
        return ", ".join(f"`{name}`" for name in presets[:3])
    if word == field.default:
        return "every preset that says nothing else"
    return f"`--set {_key(field)}={word}`"


def _presets() -> dict[str, dict[str, Any]]:
    return {
        file.stem: tomllib.loads(file.read_text(encoding="utf-8"))
        for file in sorted((ROOT / "presets").glob("*.toml"))
    }


def _values_at(values: Any, path: list[str]) -> list[Any]:
    """What a preset has at a path; `*` goes through all tasks."""
    if not path:
        return list(values) if isinstance(values, list) else [values]
    if not isinstance(values, dict):
        return []
    if path[0] == "*":
        return [found for inner in values.values() for found in _values_at(inner, path[1:])]
    return _values_at(values[path[0]], path[1:]) if path[0] in values else []


def _anchor(field: FieldSpec) -> str:
    kinds = () if field.task_kinds == tuple(TASK_MODELS) else field.task_kinds
    return "-".join([_key(field), *kinds]).replace(".", "-").lower()


def _key(field: FieldSpec) -> str:
    return field.path.replace("*", "NAME")


def _kinds(field: FieldSpec) -> str:
    if not field.task_kinds or field.task_kinds == tuple(TASK_MODELS):
        return ""  # of no task, or of every kind
    return f" ({', '.join(field.task_kinds)})"


def _cell(text: str) -> str:
    return text.replace("|", "/")


def _default(field: FieldSpec) -> str:
    if field.required:
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, (tuple, dict)) and not field.default:
        return "none"
    return f"`{field.default}`".lower() if isinstance(field.default, bool) else f"`{field.default}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
