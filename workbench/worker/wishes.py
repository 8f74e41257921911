"""What is asked of a run, from whoever hears it to the loop: a `Control` that costs nothing."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from threading import Condition, Event

from workbench.control import Pause, Request, Resume, Stop, StopNow


class Wishes:
    """Requests in the order in which they came, each handed to the loop once.

    A resumed run also gets again, at the same steps, what was asked of it after its checkpoint
    by the process before: so it becomes what it would have become without the interruption.
    """

    def __init__(self) -> None:
        self._waiting: deque[Request] = deque()
        self._arrived = Condition()
        self._now = Event()
        self._is_stopping = False
        self._is_paused = False
        self._step = 0
        self._repeated: dict[int, list[Request]] = {}

    def repeat(self, last_step: int, requests: Iterable[tuple[int, Request]]) -> None:
        """Let requests come again, each after its step, in a run that goes on after `last_step`.

        The loop asks once after each update, which is how the steps are counted here.
        """
        self._step = last_step
        repeated = defaultdict(list)
        for step, request in requests:
            if step > last_step:
                repeated[step].append(request)
        self._repeated = dict(repeated)

    def take(self) -> Sequence[Request]:
        """What was asked since the last call, in order."""
        if not self._is_paused:
            self._step += 1
        if not self._waiting and not self._repeated:
            return ()
        taken = self._repeated.pop(self._step, []) if not self._is_paused else []
        while self._waiting:
            taken.append(self._waiting.popleft())
        for request in taken:
            if isinstance(request, Pause):
                self._is_paused = True
            elif isinstance(request, Resume):
                self._is_paused = False
        return taken

    def wait(self, seconds: float) -> None:
        """Wait until something is asked, at most so long."""
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._waiting), timeout=seconds)

    def ask(self, request: Request) -> None:
        """Ask for something."""
        if isinstance(request, Stop | StopNow):
            self._is_stopping = True
        with self._arrived:
            self._waiting.append(request)
            self._arrived.notify_all()
        if isinstance(request, StopNow):
            self._now.set()

    @property
    def is_stopping(self) -> bool:
        """Whether the run was asked to end."""
        return self._is_stopping

    def wait_for_now(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the run is asked to leave at once; whether it was."""
        return self._now.wait(timeout_seconds)
