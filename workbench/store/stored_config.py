"""Settings out of the database, also those that another version of the program wrote.

A run is listed whatever its settings say: what cannot be read is left out, and the reason goes
beside it. Such a run is shown, not repeated.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from workbench.config.experiment import ExperimentConfig

_ATTEMPTS = 50
_NOTHING_LEFT = {"tasks": {"unknown": {"kind": "classification", "data": {"train": "unknown"}}}}


def read_config(text: str) -> tuple[ExperimentConfig, str]:
    """Stored settings.

    Returns:
        The settings, and why they are not all there: empty if they are.
    """
    try:
        return ExperimentConfig.model_validate_json(text), ""
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        reason = (
            f"{error.error_count()} of its settings cannot be read here ({place}: "
            f"{first['msg'].lower()}); another version of the program wrote them"
        )
    try:
        values = json.loads(text)
    except ValueError:
        values = {}
    return _what_can_be_read(values), reason


def _what_can_be_read(values: Any) -> ExperimentConfig:
    """The settings without those that are wrong, as far as any are left."""
    for _ in range(_ATTEMPTS):
        try:
            return ExperimentConfig.model_validate(values, strict=False)
        except ValidationError as error:
            dropped = [_drop(values, each["loc"]) for each in error.errors()]
            if not any(dropped):
                break
    return ExperimentConfig.model_validate(_NOTHING_LEFT)


def _drop(values: Any, place: tuple[int | str, ...]) -> bool:
    """Take out the deepest part of `place` that is there; whether there was any."""
    parents = [values]
    for key in place:
        inner = parents[-1].get(key) if isinstance(parents[-1], dict) else None
        if inner is None:
            break
        parents.append(inner)
    for parent, key in zip(
        reversed(parents[: len(place)]), reversed(place[: len(parents)]), strict=False
    ):
        if isinstance(parent, dict) and key in parent:
            del parent[key]
            return True
    return False
