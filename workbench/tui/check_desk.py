"""Has a form checked while one types: a moment after the last key; only the last form counts."""

from __future__ import annotations

from collections.abc import Callable

from textual.timer import Timer
from textual.widget import Widget

from workbench.config.experiment import ExperimentConfig
from workbench.tui.form import FormEntries, judge, peek_at_files
from workbench.tui.messages import FilesPeeked, FormChecked
from workbench.tui.screens.live import problems_of

CHECK_SECONDS = 0.15
"""After so long without a key a form is checked."""


class CheckDesk:
    """Belongs to one widget, which gets its messages; its methods are for the widget's thread."""

    def __init__(self, host: Widget, entries: Callable[[], FormEntries]) -> None:
        """With no verdict yet.

        Args:
            host: The widget.
            entries: What the form says at the moment, called when the check begins.
        """
        self._host = host
        self._entries = entries
        self._serial = 0
        self._timer: Timer | None = None
        self._verdict: FormChecked | None = None

    @property
    def verdict(self) -> FormChecked | None:
        """What the schema said last, be it of an earlier form."""
        return self._verdict

    @property
    def verdict_of_now(self) -> FormChecked | None:
        """What the schema said of the form as it is now; None until it was checked."""
        verdict = self._verdict
        return verdict if verdict is not None and self.is_of_now(verdict) else None

    @property
    def config(self) -> ExperimentConfig | None:
        """What the form says, if it is valid and was checked as it is now."""
        verdict = self.verdict_of_now
        return verdict.config if verdict is not None else None

    def is_of_now(self, message: FormChecked | FilesPeeked) -> bool:
        """Whether an answer is of the form as it is now."""
        return message.serial == self._serial

    def soon(self, seconds: float) -> None:
        """The form has changed: check it when nothing else has for so long."""
        self._serial += 1
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._host.set_timer(seconds or 0.001, self._check)

    def _check(self) -> None:
        serial, entries, post = self._serial, self._entries(), self._host.post_message

        def check() -> None:
            try:
                verdict = judge(entries)
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                post(FormChecked(serial, None, problems_of(error)))
                return
            post(
                FormChecked(serial, verdict.config, verdict.problems, verdict.command, verdict.toml)
            )
            post(FilesPeeked(serial, peek_at_files(entries)))

        self._host.run_worker(
            check, group="check", thread=True, exclusive=True, exit_on_error=False
        )

    def take(self, message: FormChecked) -> bool:
        """Keep a verdict; says whether it is of the form as it is now, else it is not kept."""
        if not self.is_of_now(message):
            return False
        self._verdict = message
        return True
