"""The numbers of several updates, fetched together and told as events."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from workbench.errors import WorkerError
from workbench.events import Event, InterferenceProbed, StepFinished, UpdateSkipped, Warned
from workbench.training.interference import Interference
from workbench.training.run import Run
from workbench.training.update import Update

STEPS_PER_BLOCK_ON_GPU = 20
"""Losses stay on a GPU for this many updates and are fetched together: reading a value waits
for all work queued before it. On a CPU it costs nothing, so there each update is looked at."""
BLOCK_SECONDS = 1.0
"""A block ends after this time even if it has fewer updates: slow ones are to be seen, too."""


LONGEST_SILENCE_SECONDS = 60.0
"""However few updates are asked for, one is told after this time: it is the sign of life."""


class BlockReader:
    """Fetches the numbers of several updates at once and makes events of them."""

    def __init__(self, block: int) -> None:
        self._block = block
        self._begin = 0.0
        self._waiting: list[tuple[Update, float]] = []
        self._told_at = time.monotonic()

    @property
    def is_full(self) -> bool:
        is_old = time.perf_counter() - self._begin >= BLOCK_SECONDS
        return len(self._waiting) >= self._block or (bool(self._waiting) and is_old)

    def add(self, update: Update, epoch: float, begin: float) -> None:
        """Take an update that began at `begin` on `time.perf_counter`."""
        if not self._waiting:
            self._begin = begin
        self._waiting.append((update, epoch))

    def read(self, run: Run) -> Iterator[Event]:
        """Yield the waiting updates.

        Raises:
            WorkerError: A loss is not finite; the updates up to it have been yielded.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        # A GPU has only been told what to do so far. Its time is what passes until the last
        # number is there, and the updates of a block have equal shares of it.
        waiting[-1][0].gradient_norm.item()
        seconds = (time.perf_counter() - self._begin) / len(waiting)
        for update, epoch in waiting:
            yield from (Warned(message) for message in update.warnings)
            if update.skipped:
                yield from _skipped(run, update)
                continue
            told = _told(update, epoch, seconds)
            trouble = _trouble(told, run)
            if trouble or self._is_told(told.step, run):
                self._told_at = time.monotonic()
                yield told
            if update.interference is not None:
                yield _looked(run, update, update.interference)
            if trouble:
                raise _not_finite(run, update, trouble)

    def _is_told(self, step: int, run: Run) -> bool:
        is_silent = time.monotonic() - self._told_at >= LONGEST_SILENCE_SECONDS
        return step % run.requests.log_interval == 0 or step == run.total_steps or is_silent


def _told(update: Update, epoch: float, seconds: float) -> StepFinished:
    return StepFinished(
        step=update.step,
        epoch=epoch,
        losses={task: loss.item() for task, loss in update.losses.items()},
        total_loss=update.total_loss.item(),
        learning_rates=update.learning_rates,
        gradient_norm=update.gradient_norm.item(),
        texts=update.texts,
        tokens=update.tokens,
        seconds=seconds,
        weights={task: float(weight) for task, weight in update.weights.items()},
        task_norms={task: norm.item() for task, norm in update.task_norms.items()},
        shares=update.shares,
        planned_shares=update.planned_shares,
    )


def _looked(run: Run, update: Update, interference: Interference) -> InterferenceProbed:
    weights = {task: run.weight_of(task) for task in interference.tasks}
    weights |= {task: float(weight) for task, weight in update.weights.items()}
    probe = interference.event(update.step, weights)
    run.watch.see(probe)
    return probe


def _trouble(told: StepFinished, run: Run) -> str:
    """What of an update is not finite, as a sentence without its end."""
    for task, loss in told.losses.items():
        if not math.isfinite(loss):
            return f'The loss of task "{task}" is {loss}'
    # The scaler of fp16 leaves such an update out by itself; else it spoils the weights.
    if not math.isfinite(told.gradient_norm) and not run.scaler.is_enabled():
        return f"The norm of the gradient is {told.gradient_norm}"
    return ""


def _skipped(run: Run, update: Update) -> Iterator[Event]:
    yield UpdateSkipped(update.step, update.skipped, update.indices, _places(run, update))
    allowed = run.config.training.max_skipped_updates
    if run.skipped > allowed:
        what = f"{update.skipped}, and {allowed} update(s) were skipped before"
        raise _not_finite(run, update, what)


def _places(run: Run, update: Update) -> tuple[str, ...]:
    return tuple(run.train_split.examples[index].place for index in update.indices)


def _not_finite(run: Run, update: Update, what: str) -> WorkerError:
    places = _places(run, update)
    names = ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
    return WorkerError(
        f"{what} at step {update.step}.",
        where=f"the batch of examples {list(update.indices)}: {names}",
        next_step="lower optimization.learning_rate, set max_gradient_norm = 1.0 or precision = "
        '"fp32"; the checkpoints written before are intact',
    )
