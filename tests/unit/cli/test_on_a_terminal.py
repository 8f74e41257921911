"""The same commands with a person in front of them: a pseudo-terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyte
import pytest

from workbench.control import Request, Stop
from workbench.worker.liveness import current_identity

ROWS, COLUMNS = 40, 100


class Terminal:
    """A program on a pseudo-terminal of 100 by 40."""

    def __init__(self, database: Path, *words: str) -> None:
        self._ours, theirs = os.openpty()
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        size = {"COLUMNS": str(COLUMNS), "LINES": str(ROWS), "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workbench", "--db", str(database), *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, **size},
            # As a terminal's programs have it: what runs in the background ignores Ctrl-C, and so
            # would this one if the tests do.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(theirs)
        os.set_blocking(self._ours, False)

    @property
    def text(self) -> str:
        with suppress(OSError):  # nothing new, or the program is gone
            self._stream.feed(os.read(self._ours, 1 << 16))
        return "\n".join(line.rstrip() for line in self._screen.display)

    def wait_for(self, wanted: str, seconds: float = 20.0) -> str:
        until = time.monotonic() + seconds
        while wanted not in self.text:
            assert time.monotonic() < until, f"{wanted!r} is not in:\n{self.text}"
            time.sleep(0.02)
        return self.text

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(database: Path) -> Iterator[Any]:
    opened: list[Terminal] = []

    def open_terminal(*words: str) -> Terminal:
        opened.append(Terminal(database, *words))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def test_a_finished_run_ends_in_a_drawn_table(terminal: Any, add_run: Any) -> None:
    add_run()

    screen = terminal("watch", "@last")

    text = screen.wait_for("Next:")
    assert "─────" in text
    assert "evaluation  dev at step 20" in text
    assert screen.process.wait(10) == 0


def test_markup_in_a_name_is_text(terminal: Any, add_run: Any) -> None:
    add_run(name="[b]x[/b]:smile:")

    assert "[b]x[/b]:smile:" in terminal("runs").wait_for("100%")


@pytest.mark.parametrize(
    ("answer", "said", "command"),
    [("d\n", "Detached; the run goes on.", []), ("s\n", "Stopping after this update", [Stop()])],
)
def test_ctrl_c_asks_what_is_meant(
    terminal: Any, add_run: Any, space: Any, answer: str, said: str, command: list[Request]
) -> None:
    add_run(outcome="", process=current_identity())
    screen = terminal("watch", "@last")
    screen.wait_for("step 20/20")

    # The session has no controlling terminal, so the signal comes as the terminal would send it.
    screen.process.send_signal(2)
    screen.wait_for("[c]ontinue watching?")
    screen.type(answer)

    screen.wait_for(said)
    assert space.store.take_commands("arun2345") == command
    if answer == "d\n":
        assert screen.process.wait(10) == 130


def test_what_is_no_answer_to_ctrl_c_is_asked_again(
    terminal: Any, add_run: Any, space: Any
) -> None:
    add_run(outcome="", process=current_identity())
    screen = terminal("watch", "@last")
    screen.wait_for("step 20/20")
    screen.process.send_signal(2)
    screen.wait_for("[c]ontinue watching?")

    screen.type("step\n")

    screen.wait_for('"step" is no answer. Type d to detach, s to stop the run, c to watch on.')
    screen.type("\n")
    screen.wait_for('"" is no answer.')
    screen.process.send_signal(2)  # as good an answer as d
    screen.wait_for("Detached; the run goes on.")
    assert screen.process.wait(10) == 130
    assert space.store.take_commands("arun2345") == []
