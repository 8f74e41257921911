"""How often Python looks for garbage among its objects: seldom while a program starts.

Importing makes some hundred thousand objects that stay to the end. With Python's own setting they
are looked through hundreds of times for nothing: a tenth of `mtl-workbench runs --json`, and a
fifth of importing transformers.
"""

from __future__ import annotations

import gc

_SELDOM = (100_000, 10, 10)
_PYTHONS_OWN = gc.get_threshold()


def rest() -> None:
    """Look seldom from now on: for what is short, and for the start of what is long."""
    gc.set_threshold(*_SELDOM)


def go_on() -> None:
    """Look as often as Python would, and never again at what there is now."""
    gc.freeze()
    gc.set_threshold(*_PYTHONS_OWN)
