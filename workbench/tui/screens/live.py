"""What all screens have in common that show something which changes by itself.

A look is made in a thread, at once when the screen comes to the front and then a second after
the last look has ended, so that looks never overlap. A screen behind another does not look.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from workbench.errors import Problem, WorkbenchError
from workbench.tui.messages import ReadFailed, ReadFinished
from workbench.tui.widgets.notice import Notice

Reading = Callable[[], Message | None]
"""Runs in a thread; closes over frozen values only; None if nothing is new."""


class LiveScreen(Screen[None]):
    """A screen that looks again each second while it is in front."""

    PURPOSE: ClassVar[str] = ""
    """What the screen is for, for its help."""
    LOOK_SECONDS: ClassVar[float] = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._timer: Timer | None = None
        self._is_looking = False
        self._look_again = False

    def reading(self) -> Reading | None:
        """Prepare the next look; None if there is nothing to look at.

        Every screen has its own; abstract in name only, as Textual's metaclass is not `ABCMeta`.
        """
        raise NotImplementedError

    def look(self) -> None:
        """Look now; if a look is on its way, once more after it."""
        if self._is_looking:
            self._look_again = True
            return
        reading = self.reading()
        if reading is None:
            self._plan()
            return
        self._is_looking = True
        self.run_worker(
            lambda: self._look(reading),
            name="look",
            group="look",
            thread=True,
            exclusive=True,
            exit_on_error=False,
        )

    def _look(self, reading: Reading) -> None:
        """In a thread: read and post."""
        try:
            message = reading()
        except Exception as error:  # A dead thread would leave a screen that never changes again.
            message = ReadFailed(problems_of(error))
        if message is not None:
            self.post_message(message)
        self.post_message(ReadFinished())

    @on(ReadFinished)
    def _read_finished(self) -> None:
        self._is_looking = False
        if self._look_again:
            self._look_again = False
            self.look()
        else:
            self._plan()

    @on(ReadFailed)
    def _read_failed(self, message: ReadFailed) -> None:
        self.tell(message.problems)

    def tell(self, problems: tuple[Problem, ...] = ()) -> None:
        """Say what is wrong, or that nothing is."""
        for notice in self.query(Notice):
            notice.tell(problems)

    def _plan(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self.is_current:
            self._timer = self.set_timer(self.LOOK_SECONDS, self.look)

    def on_screen_resume(self) -> None:
        """Look at once: what is shown may be old."""
        self.look()

    def on_screen_suspend(self) -> None:
        """Do not look while nobody sees it."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None


def problems_of(error: Exception) -> tuple[Problem, ...]:
    """The problems of an error of ours; of any other its class and words."""
    if isinstance(error, WorkbenchError):
        return error.problems
    return (Problem(f"{type(error).__name__}: {error}", next_step="this is a bug; please report"),)
