"""The run's log: a file that the worker's two outputs go to."""

from __future__ import annotations

import sys
from datetime import datetime

LOG_NAME = "worker.log"


def say(line: str) -> None:
    """Write a line into it, with the time of day."""
    print(f"{datetime.now():%H:%M:%S} {line}", file=sys.stderr, flush=True)
