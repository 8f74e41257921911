"""The tasks' shares over a run, as the form shows them before it."""

from __future__ import annotations

import pytest

from workbench.config.experiment import ExperimentConfig
from workbench.plan import Memory, Plan, PlannedTask
from workbench.tui.widgets.share_preview import planned_curves


def a_plan(**sizes: int) -> Plan:
    tasks = tuple(
        PlannedTask(name, "classification", {"train": size}, {}, {}, (), (0.0, 0.0), (size,))
        for name, size in sizes.items()
    )
    return Plan("cpu", "fp32", (), 1, 1, tasks, (8,), 8, 10, 5, Memory(0, 0, 0, 0, 0))


@pytest.mark.parametrize("strategy", ["natural", "proportional", "uniform", "annealed"])
def test_shares_are_of_the_tasks_that_are_trained_and_sum_to_all(strategy: str) -> None:
    task = {"kind": "classification", "data": {"train": "t.jsonl"}}
    tasks = {"a": task, "b": task, "off": task | {"weight": 0.0}}
    config = ExperimentConfig.model_validate({"tasks": tasks, "sampling": {"strategy": strategy}})

    curves = planned_curves(config, a_plan(a=300, b=100, off=50))

    assert list(curves) == ["a", "b"]
    assert all(sum(at) == pytest.approx(100) for at in zip(*curves.values(), strict=True))
    assert curves["a"][0] == pytest.approx(50 if strategy == "uniform" else 75)
    assert curves["a"][-1] == pytest.approx(50 if strategy in ("uniform", "annealed") else 75)
