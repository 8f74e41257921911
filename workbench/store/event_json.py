"""Events as JSON and back: for the messages table, and for rows that wait in a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter

from workbench.events import Event
from workbench.secrecy import scrub

KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}
"""Every kind of event by the name that it is stored under."""


def kind_of(event: Event) -> str:
    """The name that an event is stored under."""
    return type(event).__name__


def to_json(event: Event) -> str:
    """The fields of an event, tokens and passwords hidden.

    NaN and infinity are written as Python's json writes them.
    """
    return scrub(json.dumps(asdict(event), ensure_ascii=False))


def from_json(kind: str, body: str) -> Event:
    """The event again; fields that this program does not know are left out.

    Raises:
        KeyError: There is no event of that kind.
        ValueError: The fields are not those of the kind.
    """
    event: Event = _adapter(kind).validate_python(json.loads(body))
    return event


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[kind])
