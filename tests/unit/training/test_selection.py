from __future__ import annotations

from typing import Any

import pytest
from builders import an_experiment

from workbench.training.selection import selection_value

METRICS = {
    "mood": {"accuracy": 0.8, "macro_f1": 0.1, "loss": 9.0},
    "entity": {"span_f1": 0.4, "accuracy": 0.99, "loss": 9.0},
}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, 0.6),
        ({"weights": {"mood": 3.0}}, 0.7),
        ({"weights": {"entity": 0.0}}, 0.8),
        ({"weights": {"entity": 0.0, "mood": 0.0}}, None),
        ({"rule": "worst"}, 0.4),
        ({"rule": "task", "task": "mood"}, 0.8),
    ],
)
def test_a_rule_reads_each_tasks_declared_metric(
    selection: dict[str, Any], expected: float | None
) -> None:
    value = selection_value(an_experiment(selection=selection), METRICS)

    assert value == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("rule", [{}, {"rule": "worst"}, {"rule": "task", "task": "entity"}])
def test_a_rule_without_any_dev_metric_selects_nothing(rule: dict[str, Any]) -> None:
    assert selection_value(an_experiment(selection=rule), {}) is None


def test_a_task_without_dev_has_no_part_in_the_mean() -> None:
    config = an_experiment(selection={"weights": {"entity": 5.0}})

    assert selection_value(config, {"mood": METRICS["mood"]}) == pytest.approx(0.8)
