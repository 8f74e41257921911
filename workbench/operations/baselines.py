"""Each task alone beside all of them together: start the runs, and say who helped whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.config import baselines
from workbench.config.experiment import ExperimentConfig
from workbench.errors import NotFoundError, WorkbenchError
from workbench.operations import queue
from workbench.operations.reading import list_runs, summarize
from workbench.operations.workspace import Workspace
from workbench.store.records import RunRecord
from workbench.training.manifest import BEST_ON_DEV
from workbench.worker.errands import run_errand

Progress = Callable[[str], None]
Submit = Callable[[Workspace, ExperimentConfig], RunRecord]


def _ignore(message: str) -> None:
    return None


@dataclass(frozen=True)
class Companion:
    """A run that belongs to a comparison."""

    config: ExperimentConfig
    run_id: str | None
    """The run of exactly this config that is there already, finished or at work."""


def companions_of(
    ws: Workspace, config: ExperimentConfig, *, seeds: Sequence[int] = (), pairs: bool = False
) -> list[Companion]:
    """The runs that it takes to compare an experiment with its tasks alone.

    Args:
        ws: Where.
        config: The experiment.
        seeds: With which each is made; by default its own.
        pairs: Whether every two of its tasks are trained together, too.

    Returns:
        Seed by seed: the experiment, each trained task alone, then the pairs.

    Raises:
        WorkbenchError: It has one trained task, so that there is nothing to compare.
    """
    _check_has_company(config)
    there = _usable_runs(ws)
    wanted = [
        baselines.with_seed(companion, seed)
        for seed in dict.fromkeys(seeds or (config.seed,))
        for companion in baselines.companions(config, pairs=pairs)
    ]
    return [
        Companion(one, record.id if (record := there.get(_key(one))) else None) for one in wanted
    ]


def _check_has_company(config: ExperimentConfig) -> None:
    if len(config.trained_tasks) < 2:
        raise WorkbenchError(
            f'"{config.name}" trains one task: it is its own baseline.',
            next_step="take an experiment with several tasks",
        )


def start_missing(
    ws: Workspace, companions: Sequence[Companion], *, submit: Submit = queue.add
) -> Iterator[RunRecord]:
    """Let what is not there yet be run.

    Args:
        ws: Where.
        companions: From `companions_of`.
        submit: What to do with each; by default they wait in the queue, so that they do not take
            each other's time.

    Yields:
        Each run when it was submitted.

    Raises:
        WorkerError: A run's folder, or what works the queue off, cannot be made.
    """
    for companion in companions:
        if companion.run_id is None:
            yield submit(ws, companion.config)


@dataclass(frozen=True)
class TaskGain:
    """What a task gains by the company of others, or loses."""

    task: str
    metric: str
    together: float
    """Dev metric of the best checkpoint, mean over the seeds."""
    alone: float
    low: float | None
    """Of the interval (95 %) of the difference, over texts and seeds; None where the
    predictions were not kept."""
    high: float | None
    seeds: tuple[int, ...]
    texts: int

    @property
    def difference(self) -> float:
        """Better if above 0."""
        return self.together - self.alone

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def relative(self) -> float | None:
        """The difference as a share of what is reached alone."""
        return self.difference / self.alone if self.alone > 0 else None


@dataclass(frozen=True)
class Transfer:
    """One experiment beside its tasks alone."""

    name: str
    runs: tuple[str, ...]
    """Ids of its runs, one for each seed."""
    gains: tuple[TaskGain, ...]
    matrix: dict[str, dict[str, TaskGain]]
    """By helped task, by the other of the pair; empty where no pairs were run."""
    missing: tuple[str, ...]
    """Tasks that have no finished run alone with a seed of these."""
    mean_interval: tuple[float, float] | None = None
    """Of the mean gain (95 %), over texts and seeds; None where it is not known."""

    @property
    def mean_gain(self) -> float | None:
        """Mean of the relative gains (Δm); None while a task is missing.

        Source: Maninis et al. 2019, Attentive single-tasking of multiple tasks, section 5.
        """
        relative = [gain.relative for gain in self.gains]
        known = [value for value in relative if value is not None]
        complete = relative and len(known) == len(relative) and not self.missing
        return math.fsum(known) / len(known) if complete else None


def transfer(ws: Workspace, refs: Sequence[str], progress: Progress = _ignore) -> list[Transfer]:
    """Compare experiments with their tasks alone, over all seeds that were run.

    Args:
        ws: Where.
        refs: Runs; those that differ in their seed only are one experiment.
        progress: Told what is being done.

    Raises:
        NotFoundError: Nothing goes by one of the names, or no task was run alone.
        WorkbenchError: The runs were evaluated on different texts; one trains one task, is a fork,
            or was adjusted at work.
    """
    named = [summarize(ws, ref) for ref in refs]
    for one in named:
        _check_has_company(one.record.config)
        if not one.is_of_its_settings:
            raise WorkbenchError(
                f"Run {one.record.id} ({one.record.name}) is a fork, or was adjusted at work: its "
                "settings alone do not make it what it is.",
                next_step="name a run that was trained from its beginning as it was configured",
            )
    experiments = {_key(baselines.what_it_is(one.record.config)): one.record for one in named}
    runs = _usable_runs(ws, finished_only=True)
    found = [_transfer(ws, record, runs, progress) for record in experiments.values()]
    if not any(one.gains for one in found):
        record = next(iter(experiments.values()))
        raise NotFoundError(
            f"No task of {record.name} was run alone, so there is nothing to compare with.",
            next_step=f"mtl-workbench baselines {record.id}",
        )
    return found


def _transfer(
    ws: Workspace, record: RunRecord, runs: dict[str, RunRecord], progress: Progress
) -> Transfer:
    config = record.config
    like_it = {
        run.config.seed: run
        for run in runs.values()
        if _key(baselines.what_it_is(run.config)) == _key(baselines.what_it_is(config))
    }
    wanted: list[tuple[str, str, dict[int, tuple[RunRecord, RunRecord]]]] = []
    missing = []
    for task in config.trained_tasks:
        if not config.tasks[task].data.has_dev:
            continue
        both = _pairs_of_runs(like_it, baselines.alone(config, task), runs)
        if both:
            wanted.append((task, "", both))
        else:
            missing.append(task)
    if len(config.trained_tasks) > 2:
        for pair in baselines.task_pairs(config):
            seeds = {seed: baselines.with_seed(config, seed) for seed in like_it}
            made = {
                seed: runs[key]
                for seed, one in seeds.items()
                if (key := _key(baselines.together(one, pair))) in runs
            }
            for task, other in (pair, pair[::-1]):
                both = _pairs_of_runs(made, baselines.alone(config, task), runs)
                if both and config.tasks[task].data.has_dev:
                    wanted.append((task, other, both))
    gains, mean_interval = _gains(ws, config, wanted, progress)
    matrix: dict[str, dict[str, TaskGain]] = {}
    for (task, other, _), gain in zip(wanted, gains, strict=True):
        if other:
            matrix.setdefault(task, {})[other] = gain
    overall = [gain for (_, other, _), gain in zip(wanted, gains, strict=True) if not other]
    is_whole = not missing and all(gain.low is not None for gain in overall)
    return Transfer(
        name=record.name,
        runs=tuple(run.id for _, run in sorted(like_it.items())),
        gains=tuple(overall),
        matrix=matrix,
        missing=tuple(missing),
        mean_interval=mean_interval if is_whole else None,
    )


def _pairs_of_runs(
    together: dict[int, RunRecord], alone: ExperimentConfig, runs: dict[str, RunRecord]
) -> dict[int, tuple[RunRecord, RunRecord]]:
    """By seed, the run with others and the run alone, where both are there."""
    return {
        seed: (run, runs[key])
        for seed, run in sorted(together.items())
        if (key := _key(baselines.with_seed(alone, seed))) in runs
    }


def _gains(
    ws: Workspace,
    config: ExperimentConfig,
    wanted: Sequence[tuple[str, str, dict[int, tuple[RunRecord, RunRecord]]]],
    progress: Progress,
) -> tuple[list[TaskGain], tuple[float, float] | None]:
    """What each comparison comes to, with intervals where the predictions were kept.

    Returns:
        The gains, and the interval of the mean relative gain of those without another task.
    """
    kept = [_files(ws, both) for _, _, both in wanted]
    asked = [
        {
            "task": task,
            "metric": config.tasks[task].metric,
            "together": files[0],
            "alone": files[1],
            "in_mean": not other,
        }
        for (task, other, _), files in zip(wanted, kept, strict=True)
        if files is not None
    ]
    nothing: dict[str, Any] = {"gains": [], "mean": None}
    answer = run_errand("gains", {"comparisons": asked}, progress) if asked else nothing
    answers = iter(answer["gains"])
    found = []
    for (task, _, both), files in zip(wanted, kept, strict=True):
        metric, seeds = config.tasks[task].metric, tuple(both)
        if files is not None:
            one = next(answers)
            found.append(
                TaskGain(
                    task,
                    metric,
                    one["together"],
                    one["alone"],
                    one["low"],
                    one["high"],
                    seeds,
                    one["texts"],
                )
            )
            continue
        means = [
            math.fsum(_metric(ws, run, task, metric) for run in kind) / len(both)
            for kind in zip(*both.values(), strict=True)
        ]
        found.append(TaskGain(task, metric, means[0], means[1], None, None, seeds, 0))
    return found, None if answer["mean"] is None else (answer["mean"][0], answer["mean"][1])


def _metric(ws: Workspace, run: RunRecord, task: str, metric: str) -> float:
    return summarize(ws, run.id).metrics.get(task, {}).get(metric, math.nan)


def _files(
    ws: Workspace, both: dict[int, tuple[RunRecord, RunRecord]]
) -> tuple[list[str], list[str]] | None:
    """The kept predictions of all runs of a comparison, or None if one has none."""
    kinds = tuple(
        [str(ws.location.run_folder(run.id) / BEST_ON_DEV) for run in kind]
        for kind in zip(*both.values(), strict=True)
    )
    if not all(Path(file).is_file() for files in kinds for file in files):
        return None
    return kinds[0], kinds[1]


def _usable_runs(ws: Workspace, *, finished_only: bool = False) -> dict[str, RunRecord]:
    """The newest run of each config, among those that are finished or still at work.

    Forks, and runs that were adjusted by hand, are not what their settings alone would have made.
    """
    found: dict[str, RunRecord] = {}
    for summary in list_runs(ws):  # newest first
        if not summary.is_of_its_settings:
            continue
        finished = str(summary.state) == "finished"
        if finished or (not finished_only and not summary.state.is_over):
            found.setdefault(_key(summary.record.config), summary.record)
    return found


def _key(config: ExperimentConfig) -> str:
    """Equal for configs that differ in their name at most."""
    return config.model_dump_json(exclude={"name"})
