"""A real terminal for a real program: a pseudo-terminal with an emulator behind it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "down": "\x1b[B",
    "up": "\x1b[A",
    "pagedown": "\x1b[6~",
    "f5": "\x1b[15~",
    "space": " ",
    "ctrl+q": "\x11",
}


class Terminal:
    """Runs a program in a terminal of a given size and says what is on its screen."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        columns: int = 120,
        rows: int = 40,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.raw = bytearray()
        """All that the program sent."""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        size = struct.pack("HHHH", rows, columns, 0, 0)
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            # Here, before the program starts: set from outside it might come too late.
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            os.chdir(cwd)
            # The environment is given whole: the test runner's readline puts COLUMNS and LINES
            # into the process's own, and they would be believed before the terminal.
            usual = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            environment = os.environ | (usual if environment is None else environment)
            for name in ("COLUMNS", "LINES"):
                environment.pop(name, None)
            os.execve(command[0], list(command), environment)

    def text(self) -> str:
        """The screen as lines of text."""
        return "\n".join(self._screen.display)

    def press(self, *keys: str) -> None:
        """Press keys by name, or type text."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())
            # Two keys that arrive in one read would be taken for one sequence after an escape.
            self._read(0.05)

    def wait(self, shows: str | Callable[[str], bool], seconds: float = 30.0) -> str:
        """Wait until the screen shows something; the screen then."""
        shown = (lambda text: shows in text) if isinstance(shows, str) else shows
        until = time.monotonic() + seconds
        while not shown(self.text()):
            if time.monotonic() > until:
                raise AssertionError(f"waited {seconds} s for {shows!r}; there is\n{self.text()}")
            self._read(0.1)
        return self.text()

    def hang_up(self) -> None:
        """Take the terminal away: the kernel sends SIGHUP to what runs in it."""
        os.close(self._master)

    def exit_status(self, seconds: float = 15.0) -> int:
        """Wait for the end of the program; its status as `os.waitpid` gives it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                self._read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return status
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"the program was still there after {seconds} s\n{self.text()}")

    def _read(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self._master], [], [], left)[0]:
                return
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the program has closed its side
                return
            if not data:
                return
            self.raw += data
            self._stream.feed(data)
