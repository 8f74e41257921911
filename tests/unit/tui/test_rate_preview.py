from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from workbench.config.optimization import OptimizationConfig, ScheduleName
from workbench.tui.widgets.rate_preview import rate_curve, rate_groups, rate_words


@pytest.mark.parametrize("name", get_args(ScheduleName))
def test_every_schedule_is_drawn_by_the_function_that_the_run_uses(name: str) -> None:
    settings = OptimizationConfig.model_validate({"schedule": name, "minimum_rate": 0.1})

    x, factors = rate_curve(settings)

    assert len(x) == len(factors) == 200
    expected = [settings.rate_schedule.factor(step, 200) for step in range(200)]
    assert np.array_equal(factors, expected)
    assert rate_words(settings).startswith("up to 2e-5 in 10% of the steps, then ")


def test_rates_by_layer_are_drawn_apart() -> None:
    table = OptimizationConfig(learning_rate=1e-4, layer_rates="table")
    decay = OptimizationConfig(learning_rate=1e-4, layer_rates="decay", head_learning_rate=1e-3)

    assert rate_groups(OptimizationConfig()) == [("backbone", 2e-5)]
    assert rate_groups(table) == [
        ("top layer", pytest.approx(5e-5)), ("lowest layer", pytest.approx(1e-5)), ("heads", 1e-4),
    ]  # fmt: skip
    assert rate_groups(decay) == [("top layer", pytest.approx(9e-5)), ("heads", 1e-3)]
