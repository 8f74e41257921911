"""The numbers of several updates, fetched together and told as events."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from workbench.errors import WorkerError
from workbench.events import Event, StepFinished
from workbench.training.run import Run
from workbench.training.update import Update

STEPS_PER_BLOCK_ON_GPU = 20
"""Losses stay on a GPU for this many updates and are fetched together: reading a value waits
for all work queued before it. On a CPU it costs nothing, so there each update is looked at."""
BLOCK_SECONDS = 1.0
"""A block ends after this time even if it has fewer updates: slow ones are to be seen, too."""


class BlockReader:
    """Fetches the numbers of several updates at once and makes events of them."""

    def __init__(self, block: int) -> None:
        self._block = block
        self._begin = 0.0
        self._waiting: list[tuple[Update, float]] = []

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
            losses = {task: loss.item() for task, loss in update.losses.items()}
            yield StepFinished(
                step=update.step,
                epoch=epoch,
                losses=losses,
                total_loss=update.total_loss.item(),
                learning_rates=update.learning_rates,
                gradient_norm=update.gradient_norm.item(),
                texts=update.batch.texts,
                tokens=update.batch.tokens,
                seconds=seconds,
                weights={task: float(weight) for task, weight in update.weights.items()},
                task_norms={task: norm.item() for task, norm in update.task_norms.items()},
                shares=update.shares,
                planned_shares=update.planned_shares,
            )
            if update.interference is not None:
                own = {task: run.config.tasks[task].weight for task in update.interference.tasks}
                weights = {task: float(weight) for task, weight in update.weights.items()}
                probe = update.interference.event(update.step, own | weights)
                run.watch.see(probe)
                yield probe
            for task, loss in losses.items():
                if not math.isfinite(loss):
                    raise _not_finite(run, update, f'The loss of task "{task}" is {loss}')
            norm = update.gradient_norm.item()
            # The scaler of fp16 leaves such an update out by itself; else it spoils the weights.
            if not math.isfinite(norm) and not run.scaler.is_enabled():
                raise _not_finite(run, update, f"The norm of the gradient is {norm}")


def _not_finite(run: Run, update: Update, what: str) -> WorkerError:
    places = [run.train_split.examples[index].place for index in update.batch.indices]
    names = ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
    return WorkerError(
        f"{what} at step {update.step}.",
        where=f"the batch of examples {list(update.batch.indices)}: {names}",
        next_step="lower optimization.learning_rate, set max_gradient_norm = 1.0 or precision = "
        '"fp32"; the checkpoints written before are intact',
    )
