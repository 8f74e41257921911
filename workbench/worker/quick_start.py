"""The engine's libraries in two thirds of the time: for processes that are the worker's own.

First step of a MiniLM run on a CPU: transformers' model classes take 1.8 s of computing this way
instead of 2.6 s.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from workbench import collector

NOT_FOR_ENCODERS = ("accelerate", "jinja2", "scipy")
"""What transformers imports where it is installed, for detecting objects and for chats: 440 modules
that no encoder uses. Whoever else needs one of them imports it later, as always."""


def import_engine(*, with_transformer: bool = True) -> None:
    """Import torch, the training loop and what model classes of transformers are built on.

    In a process of other people, transformers would go on believing that those packages are not
    there: so this is not for a notebook.

    Args:
        with_transformer: Whether the run has a transformer at all.
    """
    collector.rest()
    import torch  # noqa: F401  # before the packages are hidden: it is to find what it looks for

    with _hidden(NOT_FOR_ENCODERS):
        import workbench.training.loop  # noqa: F401

        if with_transformer:
            import transformers.modeling_utils  # noqa: F401
    collector.go_on()


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Let packages seem not to be installed; one that is imported already stays."""
    hidden = [name for name in names if name not in sys.modules]
    # Python's own sign for a module that is not to be found: `find_spec` returns None for it.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # see above
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
