"""Work that needs torch, done by a child process for callers that must not import it.

An errand is a request and its answer: export, predict, encode, evaluate. The child (see
`errand_service`) reads requests and writes replies, one JSON object a line, and lives until its
input is closed; so a caller that asks often loads the model once.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Self
from weakref import WeakSet

from workbench.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    NotFoundError,
    Problem,
    StoreError,
    WorkbenchError,
    WorkerError,
)
from workbench.worker.launcher import PROGRAM, environment

ERRORS: dict[str, type[WorkbenchError]] = {
    kind.__name__: kind
    for kind in (CheckpointError, ConfigError, DataError, NotFoundError, StoreError, WorkerError)
}


_living: WeakSet[ErrandProcess] = WeakSet()
"""Those of this process that may still be at work."""
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
_LOW_PRIORITY = 10


def _ignore(message: str) -> None:
    return None


def _stand_still(share: float) -> None:
    return None


class ErrandProcess:
    """A child that does errands one after the other. Use it in a `with` block."""

    def __init__(self, *, in_background: bool = False) -> None:
        """Start the child.

        Args:
            in_background: It gives way to what else runs on the machine, and asks no network: for
                work that nobody waits for.
        """
        # Its messages go to a file, not to a pipe: a pipe that nobody reads would stop it.
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the child
        self._process = subprocess.Popen(
            [*PROGRAM, "errands"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment() | (_OFFLINE if in_background else {}),
            encoding="utf-8",
        )
        _living.add(self)
        if in_background:
            with contextlib.suppress(OSError):  # gone already, or a system that has no priorities
                os.setpriority(os.PRIO_PROCESS, self._process.pid, _LOW_PRIORITY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(
        self,
        errand: str,
        request: dict[str, Any],
        progress: Callable[[str], None] = _ignore,
        advance: Callable[[float], None] = _stand_still,
    ) -> dict[str, Any]:
        """Have one errand done.

        Args:
            errand: Its name.
            request: Its arguments, as plain values.
            progress: Told what the child is doing.
            advance: Told which share of it is done, from 0 to 1, by errands that can say.

        Returns:
            The answer, as plain values.

        Raises:
            WorkbenchError: What the child raised, of the same class.
            WorkerError: The child died.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # its end is noticed below
            self._process.stdin.write(json.dumps({"errand": errand} | request) + "\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            try:
                reply = json.loads(line)
            except ValueError:  # printed by a library while it was imported
                continue
            if "progress" in reply:
                progress(reply["progress"])
            elif "done" in reply:
                advance(reply["done"])
            elif "error" in reply:
                problems = [Problem(**problem) for problem in reply["problems"]]
                kind = ERRORS.get(reply["error"], WorkerError)
                raise kind(problems[0].what, problems=problems)
            else:
                answer: dict[str, Any] = reply["answer"]
                return answer
        raise WorkerError(
            f"The helper process ended in the middle of {errand} "
            f"(exit code {self._process.wait()}).",
            where=self._last_words() or "it said nothing",
            next_step="if it was killed, memory may have run out; try again with less at a time",
        )

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None

    def end(self) -> None:
        """End the child at once, whatever it does; who waits for its answer gets an error."""
        self._process.kill()

    def kill(self) -> None:
        """End the child at once and let it go; for a caller that leaves."""
        self.end()
        self.close()

    def close(self) -> None:
        """Let the child go; it ends by itself when its input is closed."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def end_all() -> None:
    """End the children of this process at once, whatever they do; for a program that leaves.

    Threads that wait for an answer get an error. An export that is broken off leaves no folder
    under its name.
    """
    for child in list(_living):
        child.end()


def run_errand(
    errand: str, request: dict[str, Any], progress: Callable[[str], None] = _ignore
) -> dict[str, Any]:
    """Have a single errand done by a child of its own."""
    with ErrandProcess() as child:
        return child.ask(errand, request, progress)
