"""The declared rule that says which checkpoint is best."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.config.experiment import ExperimentConfig


def selection_value(
    config: ExperimentConfig, metrics: Mapping[str, Mapping[str, float]]
) -> float | None:
    """One number for an evaluation of dev; higher is better.

    Args:
        config: Names each task's metric and the rule.
        metrics: By task that has a dev split, by metric.

    Returns:
        None if no task that the rule looks at was evaluated.
    """
    values = {task: metrics[task][config.tasks[task].metric] for task in metrics}
    rule = config.selection
    if rule.rule == "task":
        return values.get(rule.task or "")
    aids = [task for task in values if config.tasks[task].is_auxiliary and task not in rule.weights]
    if len(aids) < len(values):
        values = {task: value for task, value in values.items() if task not in aids}
    if not values:
        return None
    if rule.rule == "worst":
        return min(values.values())
    if rule.rule == "gain":
        gains = [
            (value - rule.baselines[task]) / rule.baselines[task]
            for task, value in values.items()
            if task in rule.baselines
        ]
        return sum(gains) / len(gains) if gains else None
    weights = {task: rule.weights.get(task, 1.0) for task in values}
    total = sum(weights.values())
    return sum(values[task] * weights[task] for task in values) / total if total > 0 else None
