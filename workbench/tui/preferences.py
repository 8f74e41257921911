"""What the interface remembers of a person from one day to the next: how, never what.

One small JSON file in the user's folder of settings. Whatever in it cannot be understood is left
aside: a taste is not worth an error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

DEFAULT_COLUMNS = ("state", "name", "progress", "best", "loss", "metrics", "tasks", "tags",
                   "started", "took", "id")  # fmt: skip


@dataclass(frozen=True)
class Preferences:
    """How someone wants to see things."""

    theme: str = ""
    """Name of the theme; the program's first if empty or unknown."""
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    """Of the list of runs, from left to right."""
    sort: str = "-started"
    """What the list is sorted by; descending with `-` before it."""
    folds_seeds: bool = False
    """Whether seeds of one configuration are one row."""
    overlays: bool = False
    """Whether the curves of all tasks share one chart."""
    x_axis: str = "step"
    """What the charts of a run count on the x axis."""
    rings: bool = False
    """Whether the end of a run rings the bell."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys other than the program's own, by name (`mtl-workbench keys`), with commas between."""


def preferences_file() -> Path:
    """Where they are kept."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "mtl-workbench" / "interface.json"


def load_preferences(file: Path | None = None) -> Preferences:
    """Those that were saved; the defaults for what is missing or of another kind."""
    try:
        found = json.loads((file or preferences_file()).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Preferences()
    if not isinstance(found, dict):
        return Preferences()
    defaults = Preferences()
    known: dict[str, Any] = {}
    for one_field in fields(Preferences):
        value = found.get(one_field.name)
        if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            value = tuple(value)
        if isinstance(value, dict):
            value = {key: one for key, one in value.items() if isinstance(one, str) and one}
        if type(value) is type(getattr(defaults, one_field.name)):
            known[one_field.name] = value
    return Preferences(**known)


def save_preferences(preferences: Preferences, file: Path | None = None) -> None:
    """Keep them; where that cannot be done, they last as long as the program."""
    file = file or preferences_file()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".new")
        beside.write_text(json.dumps(asdict(preferences), indent=2) + "\n", encoding="utf-8")
        beside.replace(file)
