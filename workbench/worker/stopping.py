"""The wish to stop, where the loop can ask for it at every update without a cost."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

from workbench.control import Request, Stop, StopNow
from workbench.store.records import CommandKind


class StopRequest:
    """Nothing, then perhaps "stop", then perhaps "stop now"; it never goes back."""

    def __init__(self) -> None:
        self._soon = Event()
        self._now = Event()

    def __call__(self) -> CommandKind | None:
        """What is asked for at this moment."""
        if self._now.is_set():
            return "stop now"
        return "stop" if self._soon.is_set() else None

    def take(self) -> Sequence[Request]:
        """The same, as the loop asks for it."""
        wish = self()
        return () if wish is None else (StopNow(),) if wish == "stop now" else (Stop(),)

    def wait(self, seconds: float) -> None:
        """Wait until something is asked for, at most so long."""
        self._soon.wait(seconds)

    def ask(self, wish: CommandKind) -> None:
        """Ask for it; the stronger of the wishes stays."""
        (self._now if wish == "stop now" else self._soon).set()

    def wait_for_now(self, timeout_seconds: float | None = None) -> bool:
        """Wait until "stop now" is asked for; whether it was."""
        return self._now.wait(timeout_seconds)
