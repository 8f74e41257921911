"""A run, from a config to its events. Read this first.

`train` yields what happens and does nothing else that anybody could see, but for the
checkpoints that it writes into the run's folder: it prints nothing, opens no database and
knows of no screen. It works the same in a notebook:

    for event in train(config, folder=Path("runs/try")):
        print(event)
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path

from workbench.config.experiment import ExperimentConfig
from workbench.control import Control, NoControl
from workbench.events import Event, PhaseStarted, RunFinished, Warned
from workbench.model.freezing import frozen_checksum
from workbench.training.blocks import STEPS_PER_BLOCK_ON_GPU, BlockReader
from workbench.training.interruption import Ending, between_updates, is_time_to_save
from workbench.training.milestone import planned_milestone
from workbench.training.preparation import prepare
from workbench.training.run import Run
from workbench.training.showcase import compute_showcase
from workbench.training.update import make_update


def train(
    config: ExperimentConfig,
    *,
    folder: Path,
    control: Control | None = None,
    resume_from: Path | None = None,
    start_from: Path | None = None,
    keep_optimizer: bool = False,
) -> Iterator[Event]:
    """Run an experiment.

    Args:
        config: What to do, with the paths of its files absolute or relative to the current
            folder.
        folder: The run's folder; checkpoints go beneath it.
        control: Asked once after each update what people want of the run.
        resume_from: Folder of a checkpoint of the same run, to go on from as if it had never
            been interrupted.
        start_from: Folder of a checkpoint of another run, whose model this one begins with as
            far as it fits; see `training.forking`.
        keep_optimizer: Whether to take over the moments of that run's optimizer, too.

    Yields:
        Events, in the order in which things happen; `RunFinished` is the last.

    Raises:
        WorkbenchError: The data, the backbone, the device or the checkpoint cannot be used, or
            a loss is not finite.
    """
    begin = time.perf_counter()
    run = yield from prepare(
        config,
        folder,
        resume_from=resume_from,
        start_from=start_from,
        keep_optimizer=keep_optimizer,
    )
    ending = yield from _train_epochs(run, control or NoControl())
    if config.showcase.texts and ending != "stop now":
        yield PhaseStarted("showcase", 60)
        if (model := run.best_or_last) is None:
            yield Warned("The run's checkpoints were damaged or removed: there is no showcase.")
        else:
            yield compute_showcase(model, config.showcase.texts, run.arithmetic)
    yield RunFinished(
        step=run.step,
        stopped=ending is not None,
        frozen_checksum=frozen_checksum(run.loaded.model, run.frozen),
        seconds=time.perf_counter() - begin,
    )


def _train_epochs(run: Run, control: Control) -> Generator[Event, None, Ending | None]:
    """All updates that are left, and what is between them; returns why it ended early, or None."""
    config = run.config.training
    per_epoch = run.total_steps // config.epochs
    if run.total_steps == 0:
        yield from planned_milestone(run)
        return None
    on_gpu = run.arithmetic.device.type != "cpu"
    reader = BlockReader(STEPS_PER_BLOCK_ON_GPU if on_gpu else 1)
    yield PhaseStarted("training", 120)
    run.loaded.model.train()
    run.weights.to_train()
    first_epoch, done = run.sampling.position(run.step)
    for epoch in range(first_epoch, config.epochs):
        batches = run.sampling.batches(epoch)
        evaluations = _evaluation_steps(len(batches), config.evaluations_per_epoch)
        for number, indices in enumerate(batches[done:], start=done + 1):
            if run.is_through:
                return None
            yield from run.features.follow(run.unfreezing, run.step, per_epoch)
            begin = time.perf_counter()
            update = make_update(run, indices.tolist())
            reader.add(update, epoch + number / len(batches), begin)
            asked, is_planned = control.take(), number in evaluations
            is_break = bool(asked) or is_planned or is_time_to_save(run)
            if is_break or reader.is_full:
                yield from reader.read(run)
            if is_break:
                ending = yield from between_updates(run, control, asked, is_planned=is_planned)
                if ending:
                    # Who asks to stop at the last update gets a whole run.
                    is_whole = ending == "stop" and run.step == run.total_steps
                    return None if is_whole else ending
                yield PhaseStarted("training", 120)
        done = 0
    return None


def _evaluation_steps(per_epoch: int, evaluations: int) -> frozenset[int]:
    """After which batches of an epoch dev is evaluated; the last is always one."""
    evaluations = min(evaluations, per_epoch)
    return frozenset(round(per_epoch * part / evaluations) for part in range(1, evaluations + 1))
