"""How far work on a file of texts is: a bar on a terminal, a line now and then, or nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workbench.cli import output
from workbench.tui import figures

if TYPE_CHECKING:
    from workbench.data.new_texts import TextFile

_LINE_EVERY_SECONDS = 10.0


class Progress:
    """Texts done, their rate, and the time that is left, where the file's size tells it."""

    def __init__(self, file: TextFile | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._size = file.size if file is not None else None
        self._clock = clock
        self._begin: float | None = None
        self.share: float | None = None
        """Of the bytes of the file whose texts are done; None where nobody can know."""
        self.words = ""
        """What there is to say in a line."""

    def advance(self, done: float, read: int) -> None:
        """So many texts are done, of those that were read so far."""
        now = self._clock()
        if self._begin is None:  # the model is loaded: that is not counted
            self._begin = now
        seconds = now - self._begin
        if self._file is not None and self._size and read:
            self.share = min(1.0, self._file.position / self._size * done / read)
        parts = [f"{done:,.0f} texts"]
        if self.share is not None:
            parts.insert(0, f"{self.share:.0%}")
        if seconds > 0:
            parts.append(f"{done / seconds:,.0f} texts/s")
            if self.share:
                left = seconds * (1 - self.share) / self.share
                parts.append(f"{figures.duration(left)} left")
        self.words = "  ".join(parts)
        self.show()

    def note(self, text: str) -> None:
        """Say something beside it."""
        output.note(text)

    def show(self) -> None:
        """Nothing: for a few texts, or where nobody looks."""


class _Lines(Progress):
    """A line each 10 seconds."""

    _said_at = -_LINE_EVERY_SECONDS

    def show(self) -> None:
        if (now := self._clock()) - self._said_at >= _LINE_EVERY_SECONDS:
            self._said_at = now
            output.note(self.words)


class _Bar(Progress):
    """A bar beneath whatever else is said."""

    def __init__(self, file: TextFile | None) -> None:
        super().__init__(file)
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            BarColumn(bar_width=30),
            TextColumn("{task.description}", markup=False),
            console=Console(file=sys.stderr, highlight=False, markup=False, emoji=False),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("loading the model", total=None)
        self._bar.start()

    def show(self) -> None:
        self._bar.update(
            self._task,
            completed=self.share or 0.0,
            total=None if self.share is None else 1.0,
            description=self.words,
        )

    def note(self, text: str) -> None:
        self._bar.stop()
        output.note(text)
        self._bar.start()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


@contextmanager
def watching(file: TextFile | None, *, plain: bool, prints: bool) -> Iterator[Progress]:
    """Show how far it is inside.

    Args:
        file: Whose texts are worked off; without one nothing is shown.
        plain: Lines in place of a bar.
        prints: Whether results go to standard output; on a terminal they show how far it is.
    """
    if file is not None and plain:
        yield _Lines(file)
    elif file is not None and _has_eyes() and not (prints and sys.stdout.isatty()):
        bar = _Bar(file)
        try:
            yield bar
        finally:
            bar.close()
    else:
        yield Progress(file)


def _has_eyes() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "") != "dumb"
