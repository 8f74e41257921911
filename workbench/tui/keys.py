"""Every key of the interface by the name that it can be given another key by."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module

from textual.binding import Binding
from textual.dom import DOMNode

from workbench.tui import screens, widgets
from workbench.tui.app import WorkbenchApp


@dataclass(frozen=True)
class Key:
    """What a key does."""

    name: str
    """As `home.open`: where, and what."""
    keys: tuple[str, ...]
    """Each of them does it."""
    words: str


def all_keys(chosen: Mapping[str, str]) -> list[Key]:
    """All keys that have a name, by name.

    Args:
        chosen: Keys by name, as in the preferences, which stand in for the program's own.
    """
    found = {
        binding.id: Key(
            binding.id,
            tuple(chosen.get(binding.id, binding.key).split(",")),
            binding.tooltip or binding.description,
        )
        for node in _nodes()
        for binding in vars(node).get("BINDINGS", ())
        if isinstance(binding, Binding) and binding.id
    }
    return [found[name] for name in sorted(found)]


def _nodes() -> Iterator[type[DOMNode]]:
    yield WorkbenchApp
    for package in (screens, widgets):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for value in vars(import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, DOMNode):
                    yield value
