"""`--set KEY=VALUE`: settings changed for one run, typed by the schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.config.fields import NONE_WORD, coerce
from workbench.errors import ConfigError, Problem, nearest

Key = tuple[str, ...]


@dataclass(frozen=True)
class Override:
    """One `--set`, as it was typed."""

    text: str
    key: Key
    raw: str

    @property
    def path(self) -> str:
        """The key with dots."""
        return ".".join(self.key)

    @property
    def where(self) -> str:
        """The option, for a problem's place."""
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "…"
        return f"--set {shown}"


def apply_overrides(
    values: dict[str, Any], texts: Sequence[str], problems: list[Problem]
) -> list[Override]:
    """Change `values` by each `KEY=VALUE`, in order; what is wrong goes to `problems`.

    `tasks.NAME=none` takes a task out. A task that is not there is added by setting its kind.

    Returns:
        The overrides that were understood.
    """
    overrides = [override for text in texts if (override := _read(text, problems))]
    added = {override.key[1] for override in overrides if _gives_kind(override)}
    known = {*values.get("tasks", {}), *added} if _has_tasks(values) else added
    applied = []
    for override in overrides:
        if override.key[0] == "tasks" and len(override.key) > 1 and override.key[1] not in known:
            problems.append(_unknown_task(override, known))
            continue
        try:
            _apply(values, override)
        except ConfigError as error:
            problems.append(Problem(error.what, override.where, error.next_step))
        else:
            applied.append(override)
    return applied


def _read(text: str, problems: list[Problem]) -> Override | None:
    path, equals, raw = text.partition("=")
    key = tuple(part.strip() for part in path.split("."))
    if equals and all(key):
        return Override(text, key, raw)
    problems.append(
        Problem(
            f'"{text}" is not KEY=VALUE.',
            f"--set {text}",
            "write the key with dots, as --set optimization.learning_rate=3e-5",
        )
    )
    return None


def _apply(values: dict[str, Any], override: Override) -> None:
    key = override.key
    if len(key) == 2 and key[0] == "tasks" and override.raw.strip().lower() == NONE_WORD:
        if _has_tasks(values):
            values["tasks"].pop(key[1], None)
        return
    value = coerce(override.path, override.raw)
    section = values
    for part in key[:-1]:
        inner = section.setdefault(part, {})
        if not isinstance(inner, dict):
            inner = section[part] = {}
        section = inner
    section[key[-1]] = value


def _gives_kind(override: Override) -> bool:
    return len(override.key) == 3 and override.key[0] == "tasks" and override.key[2] == "kind"


def _has_tasks(values: dict[str, Any]) -> bool:
    return isinstance(values.get("tasks"), dict)


def _unknown_task(override: Override, known: set[str]) -> Problem:
    name = override.key[1]
    return Problem(
        f'There is no task "{name}".',
        override.where,
        f"{nearest(name, known)}; a new task needs --set tasks.{name}.kind=…",
    )
