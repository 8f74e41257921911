"""What the program ends with. Exit codes are an API.

0 done, 1 the run failed, 2 wrong usage or configuration, 3 not found, 130 interrupted.
"""

from __future__ import annotations

from workbench.errors import ConfigError, NotFoundError, WorkbenchError

INTERRUPTED = 130
"""Of what a person or a signal broke off."""


def exit_code(error: WorkbenchError) -> int:
    """The exit code that an error ends the program with."""
    if isinstance(error, ConfigError):
        return 2
    return 3 if isinstance(error, NotFoundError) else 1
