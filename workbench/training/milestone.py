"""What happens between updates: dev is evaluated, checkpoints are saved, older ones let go."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

from workbench.errors import WorkerError
from workbench.events import (
    SAVING,
    CheckpointRemoved,
    CheckpointSaved,
    EvaluationFinished,
    Event,
    LayersMixed,
    PhaseStarted,
    Warned,
)
from workbench.training.checkpoint import save_checkpoint
from workbench.training.dev_predictions import keep_predictions
from workbench.training.evaluation import predict_and_judge
from workbench.training.fitting import fit_heads
from workbench.training.manifest import (
    checkpoint_name,
    checkpoint_steps,
    remove_checkpoint,
    remove_training_state,
)
from workbench.training.reproducibility import undisturbed
from workbench.training.resuming import state_of
from workbench.training.run import Evaluated, Run
from workbench.training.selection import selection_value


def planned_milestone(run: Run, *, stays: bool = False) -> Iterator[Event]:
    """Evaluate dev and save a checkpoint where the settings want it.

    Only what is planned moves a plateau's rate: whoever looks at a run, or stops it to go on
    later, does not change what it learns.

    Args:
        run: At such a place.
        stays: Whether the checkpoint is kept for good though it is no K-th.
    """
    run.evaluations += 1
    every = run.config.training.keep_every
    _make_ready(run)
    yield from _evaluate(run, _due(run), is_planned=True)
    if run.evaluated is not None and run.evaluated.step == run.step:
        metrics = run.evaluated.metrics
        yield from (Warned(message) for message in run.watch.evaluated(metrics))
        yield from run.graduation.evaluated(run.step, metrics)
    optimization = run.config.optimization
    if optimization.schedule == "plateau" and _selection_here(run) is not None:
        run.plateau = run.plateau.after(
            _selection_here(run),
            reduce_by=optimization.plateau_factor,
            patience=optimization.plateau_patience,
            minimum=optimization.minimum_rate,
        )
    is_kth = bool(every) and run.evaluations % every == 0
    yield from _save(run, stays=stays or is_kth)
    run.weights.to_train()


def extra_milestone(
    run: Run, *, evaluates: bool = False, saves: bool = False, stays: bool = False
) -> Iterator[Event]:
    """Evaluate dev or save a checkpoint because it was asked for, or because it is time to.

    Args:
        run: Stays as it is, but for its best checkpoint.
        evaluates: Whether to look at dev.
        saves: Whether to save.
        stays: Whether the checkpoint is kept for good.
    """
    _make_ready(run)
    if evaluates and (tasks := unseen_tasks(run)):
        yield from _evaluate(run, tasks, is_planned=False)
    if saves:
        yield from _save(run, stays=stays)
    run.weights.to_train()


def unseen_tasks(run: Run) -> list[str]:
    """The tasks with dev labels that no evaluation has looked at since the last update."""
    seen = run.evaluated.metrics if run.evaluated and run.evaluated.step == run.step else ()
    return [
        task for task in run.config.tasks if task not in seen and len(run.dev_split.labelled(task))
    ]


def _make_ready(run: Run) -> None:
    """Let the model be what is looked at and saved."""
    run.weights.to_use()
    with undisturbed():
        fit_heads(run)


def _due(run: Run) -> list[str]:
    """The tasks that this planned evaluation looks at: at the first and the last all of them."""
    is_last = run.step >= run.total_steps
    return [
        name
        for name, task in run.config.tasks.items()
        if is_last or (run.evaluations - 1) % task.evaluate_every == 0
    ]


def _evaluate(run: Run, tasks: Sequence[str], *, is_planned: bool) -> Iterator[Event]:
    split = run.dev_split if len(tasks) == len(run.config.tasks) else run.dev_split.of(tasks)
    if not split.examples:
        return
    yield PhaseStarted("evaluating", 1800)
    begin = time.perf_counter()
    with undisturbed():
        predictions, metrics = predict_and_judge(
            run.loaded,
            split,
            run.corpus.labels,
            run.arithmetic,
            tuned_for={name: task.metric for name, task in run.config.tasks.items()},
            given=run.features.given,
        )
    run.latest_predictions |= predictions
    known = run.latest_metrics | metrics
    if is_planned:  # the next planned selection must not depend on who looked in between
        run.latest_metrics = known
    selection = selection_value(run.config, known)
    if run.evaluated is not None and run.evaluated.step == run.step:
        run.evaluated = Evaluated(run.step, {**run.evaluated.metrics, **metrics}, selection)
    else:
        run.evaluated = Evaluated(run.step, metrics, selection)
    yield EvaluationFinished(
        step=run.step,
        split="dev",
        metrics=metrics,
        selection=selection,
        seconds=time.perf_counter() - begin,
    )
    if shares := run.loaded.model.layer_shares:
        yield LayersMixed(run.step, shares)
    for task, found in metrics.items():
        if not math.isfinite(found["loss"]):
            raise WorkerError(
                f'The dev loss of task "{task}" is {found["loss"]} after step {run.step}.',
                where=f"[tasks.{task}]",
                next_step="lower optimization.learning_rate; the checkpoints written before "
                "are intact",
            )


def _save(run: Run, *, stays: bool) -> Iterator[Event]:
    yield PhaseStarted(SAVING, 600)
    is_best, best_for = _rank(run)
    if stays and run.step not in run.kept:
        run.kept.append(run.step)
    size = save_checkpoint(run.folder, run.step, run.loaded, state_of(run))
    if is_best and run.evaluated is not None and run.evaluated.step == run.step:
        # What was said of other tasks is of other weights.
        found = {task: run.latest_predictions[task] for task in run.evaluated.metrics}
        labels = run.corpus.labels
        keep_predictions(run.folder, run.step, found, run.corpus.dev, labels)
    run.saved_step, run.saved_at = run.step, time.monotonic()
    yield CheckpointSaved(
        step=run.step,
        folder=checkpoint_name(run.step),
        is_best=is_best,
        selection=_selection_here(run),
        bytes=size.model,
        best_for=best_for,
        training_bytes=size.training,
        stays=run.step in run.kept,
    )
    needed = {run.step, run.best_step, *run.best_steps.values(), *run.kept}
    for step in checkpoint_steps(run.folder):
        if step not in needed:
            remove_checkpoint(run.folder, step)
            yield CheckpointRemoved(step)
        elif step != run.step and step not in run.kept:
            remove_training_state(run.folder, step)


def _rank(run: Run) -> tuple[bool, tuple[str, ...]]:
    """Whether the run is at its best now, and the tasks that are at theirs.

    An equal value does not replace the best: of two alike, the earlier is kept.
    """
    if run.evaluated is not None and run.evaluated.step == run.step:
        selection = run.evaluated.selection
        if selection is not None and (run.best_selection is None or selection > run.best_selection):
            run.best_selection, run.best_step = selection, run.step
        for task, metrics in run.evaluated.metrics.items():
            value = metrics[run.config.tasks[task].metric]
            if task not in run.best_metrics or value > run.best_metrics[task]:
                run.best_metrics[task], run.best_steps[task] = value, run.step
    best_for = tuple(task for task, step in run.best_steps.items() if step == run.step)
    return run.best_step == run.step, best_for


def _selection_here(run: Run) -> float | None:
    evaluated = run.evaluated
    return evaluated.selection if evaluated and evaluated.step == run.step else None
