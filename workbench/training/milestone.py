"""What happens between updates: dev is evaluated, a checkpoint saved, older ones let go."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from workbench.errors import WorkerError
from workbench.events import (
    CheckpointRemoved,
    CheckpointSaved,
    EvaluationFinished,
    Event,
    LayersMixed,
    PhaseStarted,
)
from workbench.training.checkpoint import checkpoint_name, remove_checkpoint, save_checkpoint
from workbench.training.evaluation import evaluate
from workbench.training.optimizer import weights_to_use
from workbench.training.run import Run
from workbench.training.selection import selection_value


def evaluate_and_save(run: Run) -> Iterator[Event]:
    """Evaluate dev, save a checkpoint, keep the best and the last."""
    selection = None
    weights_to_use(run.optimizer)
    if run.dev_split.examples:
        yield PhaseStarted("evaluating", 1800)
        begin = time.perf_counter()
        metrics = evaluate(
            run.loaded,
            run.dev_split,
            run.corpus.labels,
            run.arithmetic,
            given=run.features.given,
        )
        selection = selection_value(run.config, metrics)
        yield EvaluationFinished(
            step=run.step,
            split="dev",
            metrics=metrics,
            selection=selection,
            seconds=time.perf_counter() - begin,
        )
        for task, found in metrics.items():
            if not math.isfinite(found["loss"]):
                raise WorkerError(
                    f'The dev loss of task "{task}" is {found["loss"]} after step {run.step}.',
                    where=f"[tasks.{task}]",
                    next_step="lower optimization.learning_rate; the checkpoints written before "
                    "are intact",
                )
        if run.config.optimization.schedule == "plateau":
            run.plateau = run.plateau.after(
                selection,
                reduce_by=run.config.optimization.plateau_factor,
                patience=run.config.optimization.plateau_patience,
                minimum=run.config.optimization.minimum_rate,
            )
    if shares := run.loaded.model.layer_shares:
        yield LayersMixed(run.step, shares)
    yield PhaseStarted("saving", 600)
    size = save_checkpoint(run.folder, run.step, run.loaded)
    # An equal value does not replace the best: of two alike, the earlier is kept.
    is_best = selection is not None and (
        run.best_selection is None or selection > run.best_selection
    )
    if is_best:
        run.best_selection, run.best_step = selection, run.step
    yield CheckpointSaved(
        step=run.step,
        folder=checkpoint_name(run.step),
        is_best=is_best,
        selection=selection,
        bytes=size,
    )
    for step in [step for step in run.checkpoints if step not in (run.best_step, run.step)]:
        remove_checkpoint(run.folder, step)
        run.checkpoints.remove(step)
        yield CheckpointRemoved(step)
    if run.step not in run.checkpoints:
        run.checkpoints.append(run.step)
