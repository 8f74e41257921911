"""A run, from a config to its events. Read this first.

`train` yields what happens and does nothing else that anybody could see, but for the
checkpoints that it writes into the run's folder: it prints nothing, opens no database and
knows of no screen. It works the same in a notebook:

    for event in train(config, folder=Path("runs/try")):
        print(event)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from workbench.config.experiment import ExperimentConfig
from workbench.data.batching import collate
from workbench.data.sampling import epoch_batches
from workbench.events import Event, PhaseStarted, RunFinished
from workbench.model.freezing import frozen_checksum
from workbench.training.blocks import STEPS_PER_BLOCK_ON_GPU, BlockReader
from workbench.training.milestone import evaluate_and_save
from workbench.training.optimizer import weights_to_train
from workbench.training.preparation import prepare
from workbench.training.run import Run
from workbench.training.showcase import compute_showcase
from workbench.training.update import make_update


def train(
    config: ExperimentConfig,
    *,
    folder: Path,
    should_stop: Callable[[], str | None] = lambda: None,
) -> Iterator[Event]:
    """Run an experiment.

    Args:
        config: What to do, with the paths of its files absolute or relative to the current
            folder.
        folder: The run's folder; checkpoints go beneath it.
        should_stop: Asked once per update: None, "stop" (evaluate, save a checkpoint and
            leave) or "stop now" (leave at once).

    Yields:
        Events, in the order in which things happen; `RunFinished` is the last.

    Raises:
        WorkbenchError: The data, the backbone or the device cannot be used, or a loss is not
            finite.
    """
    begin = time.perf_counter()
    run = yield from prepare(config, folder)
    stopped = yield from _train_epochs(run, should_stop)
    if config.showcase.texts and stopped != "stop now":
        yield PhaseStarted("showcase", 60)
        yield compute_showcase(run.best_or_last, config.showcase.texts, run.arithmetic)
    yield RunFinished(
        step=run.step,
        stopped=stopped is not None,
        frozen_checksum=frozen_checksum(run.loaded.model, run.frozen),
        seconds=time.perf_counter() - begin,
    )


def _train_epochs(
    run: Run, should_stop: Callable[[], str | None]
) -> Generator[Event, None, str | None]:
    """All updates, with the evaluations between them; returns why it ended early, or None."""
    config = run.config.training
    per_epoch = run.total_steps // config.epochs
    if run.total_steps == 0:
        yield from evaluate_and_save(run)
        return None
    evaluations = _evaluation_steps(per_epoch, config.evaluations_per_epoch)
    on_gpu = run.arithmetic.device.type != "cpu"
    reader = BlockReader(STEPS_PER_BLOCK_ON_GPU if on_gpu else 1)
    yield PhaseStarted("training", 120)
    run.loaded.model.train()
    weights_to_train(run.optimizer)
    for epoch in range(config.epochs):
        batches = epoch_batches(
            run.train_split.lengths,
            batch_size=config.batch_size,
            seed=run.config.seed,
            epoch=epoch,
            buckets=config.length_buckets,
        )
        for number, indices in enumerate(batches, start=1):
            yield from run.features.follow(run.unfreezing, run.step, per_epoch)
            begin = time.perf_counter()
            examples = [run.train_split.examples[index] for index in indices]
            batch = collate(examples, indices.tolist(), pad_id=run.loaded.tokenizer.pad_id)
            update = make_update(run, batch.to(run.arithmetic.device))
            reader.add(update, epoch + number / per_epoch, begin)
            why = should_stop()
            due = number in evaluations
            if why or due or reader.is_full:
                yield from reader.read(run)
            if why == "stop now":
                return why
            if why or due:
                yield from evaluate_and_save(run)
                if why:
                    # Who asks at the last update gets a whole run.
                    return why if run.step < run.total_steps else None
                weights_to_train(run.optimizer)
                yield PhaseStarted("training", 120)
    return None


def _evaluation_steps(per_epoch: int, evaluations: int) -> frozenset[int]:
    """After which batches of an epoch dev is evaluated; the last is always one."""
    evaluations = min(evaluations, per_epoch)
    return frozenset(round(per_epoch * part / evaluations) for part in range(1, evaluations + 1))
