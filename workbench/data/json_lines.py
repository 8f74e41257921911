"""One line of JSONL as an object, or an error with its place."""

from __future__ import annotations

import json
from typing import Any

from workbench.errors import DataError


def json_object(line: str, place: str) -> dict[str, Any]:
    """The object that one line of JSONL holds.

    Args:
        line: The line.
        place: Where it stands, for messages.

    Raises:
        DataError: It is no JSON, or no object.
    """
    try:
        values = json.loads(line, parse_constant=_no_constant)
        if "\\ud" in line.lower():  # else there is nothing to look for
            json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            "The line has half a character in it: a \\ud… escape without its other half.",
            where=place,
            next_step="remove the escape, or write the whole character",
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"The line is not JSON: {error}.",
            where=place,
            next_step="write one JSON object a line",
        ) from error
    if not isinstance(values, dict):
        raise DataError(
            f"The line is {type(values).__name__}, not an object.",
            where=place,
            next_step='write one JSON object a line, like {"text": "…", "label": "…"}',
        )
    return values


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")
