"""Has plans made while one types: one question at a time, always for the form as it is last.

A planning that has begun is not broken off, for its helper remembers nothing of half an answer;
but what was asked in between is skipped. Every answer carries the experiment that it is of, so
that none can be taken for that of another.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.message import Message
from textual.widget import Widget

from workbench.config.experiment import ExperimentConfig
from workbench.operations.planning import Planner
from workbench.plan import Check, Finding, Measured, Trial
from workbench.tui.messages import PlanMade, PlanProgressed, TrialsMade, UpdatesMeasured, WorkFailed
from workbench.tui.screens.live import problems_of

IDLE_SECONDS = 180.0
"""After so long without a question the helper is let go: it holds half a gigabyte."""
_LOOK_EVERY_SECONDS = 30.0


class PlanDesk:
    """Belongs to one widget, which gets its messages; its methods are for the widget's thread."""

    def __init__(self, host: Widget) -> None:
        self._host = host
        self._planner = Planner()
        self._wanted: ExperimentConfig | None = None
        self._made_of: ExperimentConfig | None = None
        self._check: Check | None = None
        self._measured: Measured | None = None
        self._trials: tuple[Trial, ...] = ()
        self._is_busy = False

    def open(self) -> None:
        """Begin to look after the helper."""
        self._host.set_interval(_LOOK_EVERY_SECONDS, lambda: self._planner.rest(IDLE_SECONDS))

    def close(self) -> None:
        """End the helper, whatever it does."""
        self._planner.close()

    # ── plans ─────────────────────────────────────────────────────────────────

    @property
    def is_busy(self) -> bool:
        """Whether the helper is at work."""
        return self._is_busy

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What was tried out with the experiment that the last plan is of."""
        return self._trials

    def answer(self, config: ExperimentConfig) -> tuple[Check, Measured | None] | None:
        """The plan of this very experiment, if it is known."""
        if self._check is None or self._made_of != _what_counts(config):
            return None
        return self._check, self._measured

    def want(self, config: ExperimentConfig | None) -> None:
        """Ask for a plan; of several wishes only the last is fulfilled. None takes it back."""
        self._wanted = config
        self._go_on()

    def _go_on(self) -> None:
        config = self._wanted
        if config is None or self._is_busy or self.answer(config) is not None:
            return
        self._is_busy = True

        def work() -> None:
            try:
                check = self._planner.check(config, self._tell)
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                check = Check(None, tuple(
                    Finding("error", one.what, one.where, one.next_step, one.setting)
                    for one in problems_of(error)
                ))  # fmt: skip
            self._host.post_message(PlanMade(config, check))

        self._host.run_worker(work, group="plan", thread=True, exit_on_error=False)

    def _tell(self, line: str) -> None:
        """In a thread: say what the helper does."""
        self._host.post_message(PlanProgressed(line))

    def made(self, message: PlanMade) -> None:
        """Keep a plan that has come, and ask for the next if the form has changed since."""
        self._made_of, self._check = _what_counts(message.config), message.check
        self._measured, self._trials = None, ()
        self.free()

    # ── on request ────────────────────────────────────────────────────────────

    def measure(self, config: ExperimentConfig) -> bool:
        """Have two updates timed; says whether the helper was free to do it."""
        return self._do(
            "measuring", lambda: UpdatesMeasured(config, self._planner.measure(config, self._tell))
        )

    def try_out(self, config: ExperimentConfig) -> bool:
        """Have the experiment tried in the small; says whether the helper was free to do it."""
        return self._do(
            "trying out", lambda: TrialsMade(config, self._planner.trials(config, self._tell))
        )

    def _do(self, doing: str, ask: Callable[[], Message]) -> bool:
        if self._is_busy:
            return False
        self._is_busy = True

        def work() -> None:
            try:
                answer = ask()
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                answer = WorkFailed(doing, problems_of(error))
            self._host.post_message(answer)

        self._host.run_worker(work, group="plan", thread=True, exit_on_error=False)
        return True

    def measured(self, message: UpdatesMeasured) -> None:
        """Keep a measurement beside the plan of the same experiment."""
        if self._made_of == _what_counts(message.config):
            self._measured = message.measured
        self.free()

    def tried(self, message: TrialsMade) -> None:
        """Keep the trials beside the plan of the same experiment."""
        if self._made_of == _what_counts(message.config):
            self._trials = message.trials
        self.free()

    def free(self) -> None:
        """The helper has answered, if only with what went wrong: ask what is still to be asked."""
        self._is_busy = False
        self._go_on()


def _what_counts(config: ExperimentConfig) -> ExperimentConfig:
    """The experiment without what changes nothing of a plan."""
    return config.model_copy(update={"name": "", "showcase": None})
