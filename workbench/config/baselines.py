"""The experiments that a multi-task experiment is compared with: each task alone, and in pairs.

The same budget means: the same number of passes over a task's own texts, in batches of the same
size, at the same rates, from the same seed. So its labels are seen as often as in natural
sampling with the others; what differs is that the others are absent. A run alone makes fewer
updates, as it has fewer texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from workbench.config.experiment import ExperimentConfig
from workbench.config.model import PoolingConfig
from workbench.config.sampling import SamplingConfig
from workbench.config.selection import SelectionConfig
from workbench.config.tasks import PooledTask
from workbench.config.weighting import WeightingConfig


def alone(config: ExperimentConfig, task: str) -> ExperimentConfig:
    """The experiment with one task, all else alike."""
    sampling = SamplingConfig(token_budget=config.sampling.token_budget)
    return _with(config, [task], f"{task} alone", sampling, WeightingConfig())


def together(config: ExperimentConfig, tasks: Sequence[str]) -> ExperimentConfig:
    """The experiment with some of its tasks; a formula, which names them all, becomes a sum."""
    shares = {name: share for name, share in config.sampling.shares.items() if name in tasks}
    sampling = config.sampling.model_copy(update={"shares": shares})
    has_formula = config.weighting.formula is not None
    weighting = (
        config.weighting.model_copy(update={"method": "sum", "formula": None})
        if has_formula
        else config.weighting
    )
    return _with(config, tasks, " with ".join(tasks), sampling, weighting)


def with_seed(config: ExperimentConfig, seed: int) -> ExperimentConfig:
    """The experiment with another seed."""
    return config.model_copy(update={"seed": seed})


def what_it_is(config: ExperimentConfig) -> ExperimentConfig:
    """The experiment without its name and seed: equal for runs that differ in nothing else."""
    return config.model_copy(update={"name": "", "seed": 0})


def task_pairs(config: ExperimentConfig) -> list[tuple[str, str]]:
    """Every two of the trained tasks, once."""
    return list(combinations(config.trained_tasks, 2))


def companions(config: ExperimentConfig, *, pairs: bool) -> list[ExperimentConfig]:
    """The experiment itself, each of its trained tasks alone and, if wanted, all pairs.

    Of two tasks the pair is the experiment itself.
    """
    found = [config, *(alone(config, task) for task in config.trained_tasks)]
    if pairs and len(config.trained_tasks) > 2:
        found += [together(config, pair) for pair in task_pairs(config)]
    return found


def _with(
    config: ExperimentConfig,
    tasks: Iterable[str],
    name: str,
    sampling: SamplingConfig,
    weighting: WeightingConfig,
) -> ExperimentConfig:
    kept = list(tasks)
    settings = {
        # A task alone weighs what it weighs: nothing else is there to be weighed against. What
        # would end it early would change the budget.
        task: config.tasks[task].model_copy(
            update={"patience": 0, "evaluate_every": 1}
            | ({"weight": 1.0} if len(kept) == 1 else {})
        )
        for task in kept
    }
    heads = tuple(head for head in config.freezing.heads if head in kept)
    shares_pooling = any(
        isinstance(one, PooledTask) and one.pooling.mode == "as default"
        for one in settings.values()
    )
    changed = config.model_copy(
        update={
            "name": f"{config.name}: {name}"[:80],
            "tasks": settings,
            "sampling": sampling,
            "weighting": weighting,
            "freezing": config.freezing.model_copy(update={"heads": heads}),
            "selection": SelectionConfig(),
            # A pooling that is learned but that nobody looks at is refused.
            "pooling": config.pooling if shares_pooling else PoolingConfig(),
        }
    )
    return ExperimentConfig.model_validate(changed.model_dump())
