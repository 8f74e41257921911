"""Which task the next text is drawn for, as pure functions of the progress of a run: the engine
draws by them, the form draws them.

Nothing here imports torch. A share is a task's part of the draws, 0 to 1. A text is drawn for one
task and teaches every task that labels it, so what the tasks see in the end also depends on how
their texts overlap: `exposures` says how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Sizes = Mapping[str, int]
"""By task, how many training texts it labels."""
Shares = dict[str, float]


@dataclass(frozen=True)
class ShareRule:
    """How the draws are divided among the tasks."""

    strategy: str = "natural"
    """A name in `STRATEGIES`, or annealed."""
    temperature: float = 2.0
    cap: int | None = None
    """Of `temperature`: a task counts as if it had so many texts at most."""
    fixed: Mapping[str, float] = field(default_factory=dict)
    """Of `fixed`: by task; 1 where none is given."""
    begin: str = "proportional"
    """Of `annealed`: the strategy that it begins with."""
    end: str = "uniform"
    """Of `annealed`: the strategy that it ends with."""


def planned_shares(rule: ShareRule, sizes: Sizes, progress: float = 0.0) -> Shares:
    """The share of each task in the draws at one moment of a run.

    Args:
        rule: How they are divided.
        sizes: Texts of each task that is trained; a task without any has no share.
        progress: Share of the run that is done, 0 to 1.

    Returns:
        By task; they sum to 1, unless no task has a text.
    """
    if rule.strategy != "annealed":
        return _normal(STRATEGIES[rule.strategy](rule, sizes), sizes)
    begin, end = (
        _normal(STRATEGIES[strategy](rule, sizes), sizes) for strategy in (rule.begin, rule.end)
    )
    done = min(1.0, max(0.0, progress))
    return {task: (1 - done) * begin[task] + done * end[task] for task in sizes}


def share_curves(rule: ShareRule, sizes: Sizes, points: int = 100) -> dict[str, list[float]]:
    """The planned share of each task over a whole run, for a preview.

    Args:
        rule: How the draws are divided.
        sizes: Texts of each task.
        points: How many moments, evenly spaced, both ends included.
    """
    moments = [planned_shares(rule, sizes, at / max(1, points - 1)) for at in range(points)]
    return {task: [shares[task] for shares in moments] for task in sizes}


def exposures(shares: Mapping[str, float], overlap: Mapping[str, Mapping[str, float]]) -> Shares:
    """What part of all labelled texts each task gets, when texts are drawn by `shares`.

    Args:
        shares: Share of each task in the draws.
        overlap: By task `a` and task `b`, which share of the texts of `a` is labelled by `b`,
            too; that of `a` itself is 1.

    Returns:
        By task; they sum to 1. Where no text has labels of two tasks, they are the shares.
    """
    seen = {
        task: sum(share * overlap[drawn].get(task, 0.0) for drawn, share in shares.items())
        for task in overlap
    }
    total = sum(seen.values())
    return {task: value / total if total else 0.0 for task, value in seen.items()}


def task_overlap(
    labelled_by: Iterable[tuple[frozenset[str], int]], tasks: Sequence[str]
) -> dict[str, Shares]:
    """By task `a` and task `b`, which share of the texts of `a` is labelled by `b`, too.

    Args:
        labelled_by: Sets of tasks, and how many texts are labelled by just these.
        tasks: Those that count.
    """
    counts = {task: dict.fromkeys(tasks, 0) for task in tasks}
    for found, texts in labelled_by:
        for task in found & counts.keys():
            for other in found & counts.keys():
                counts[task][other] += texts
    return {
        task: {other: count / max(1, row[task]) for other, count in row.items()}
        for task, row in counts.items()
    }


def _proportional(rule: ShareRule, sizes: Sizes) -> Shares:
    """As many draws as texts."""
    return {task: float(size) for task, size in sizes.items()}


def _uniform(rule: ShareRule, sizes: Sizes) -> Shares:
    """All tasks alike."""
    return dict.fromkeys(sizes, 1.0)


def _temperature(rule: ShareRule, sizes: Sizes) -> Shares:
    """The number of texts, capped, to the power of 1 / temperature (Raffel et al. 2020)."""
    limit = float("inf") if rule.cap is None else rule.cap
    return {task: min(size, limit) ** (1.0 / rule.temperature) for task, size in sizes.items()}


def _fixed(rule: ShareRule, sizes: Sizes) -> Shares:
    """What was given."""
    return {task: rule.fixed.get(task, 1.0) for task in sizes}


STRATEGIES: dict[str, Callable[[ShareRule, Sizes], Shares]] = {
    "natural": _proportional,
    "proportional": _proportional,
    "uniform": _uniform,
    "round_robin": _uniform,
    "temperature": _temperature,
    "fixed": _fixed,
}
"""By name in the settings; what they give is scaled to sum to 1."""


def _normal(weights: Shares, sizes: Sizes) -> Shares:
    """Shares that sum to 1; what has no text has none."""
    there = {task: weight if sizes[task] else 0.0 for task, weight in weights.items()}
    total = sum(there.values())
    return {task: weight / total if total else 0.0 for task, weight in there.items()}
