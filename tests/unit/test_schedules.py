from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.schedules import DECAYS, rate_factor, warmup_steps

TOTAL = st.integers(1, 400)
WARMUP = st.floats(0, 0.99) | st.integers(1, 500).map(float)


@pytest.mark.parametrize("name", DECAYS)
@given(total=TOTAL, warmup=WARMUP)
def test_factors_rise_to_one_in_the_warmup_and_never_rise_again(
    name: str, total: int, warmup: float
) -> None:
    factors = [
        rate_factor(name, step, total_steps=total, warmup=warmup) for step in range(total + 1)
    ]
    warm = warmup_steps(warmup, total)

    assert all(0.0 <= factor <= 1.0 for factor in factors)
    assert all(one < two for one, two in pairwise(factors[:warm]))
    assert all(one >= two for one, two in pairwise(factors[warm:]))
    if warm:
        assert factors[0] == pytest.approx(1 / warm)
        assert factors[warm - 1] == 1.0
    if warm < total:
        assert factors[warm] == 1.0
        assert factors[total] == pytest.approx(1.0 if name == "constant" else 0.0)


@pytest.mark.parametrize("name", DECAYS)
@given(total=TOTAL, warmup=WARMUP)
def test_no_update_of_a_run_is_wasted_at_rate_0(name: str, total: int, warmup: float) -> None:
    assert all(
        rate_factor(name, step, total_steps=total, warmup=warmup) > 0 for step in range(total)
    )


@pytest.mark.parametrize("name", ["constant", "linear", "cosine"])
@pytest.mark.parametrize(("total", "warm"), [(50, 5), (37, 0), (10, 10)])
def test_factors_are_those_of_transformers_but_for_the_first_update(
    name: str, total: int, warm: int
) -> None:
    # Theirs begins its warm-up at 0, ours at 1/n: ours is one step ahead there.
    from transformers import optimization

    make = {
        "constant": lambda o: optimization.get_constant_schedule_with_warmup(o, warm),
        "linear": lambda o: optimization.get_linear_schedule_with_warmup(o, warm, total),
        "cosine": lambda o: optimization.get_cosine_schedule_with_warmup(o, warm, total),
    }[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = make(optimizer).lr_lambdas[0]

    for step in range(total):
        expected = theirs(step + 1) if step < warm else theirs(step)
        found = rate_factor(name, step, total_steps=total, warmup=float(warm))
        if warm < total or step < warm - 1:
            assert found == pytest.approx(expected), step


@pytest.mark.parametrize(
    ("warmup", "total", "steps"), [(0.1, 100, 10), (0.1, 9, 0), (5.0, 100, 5), (500.0, 100, 100)]
)
def test_a_warmup_below_one_is_a_share(warmup: float, total: int, steps: int) -> None:
    assert warmup_steps(warmup, total) == steps
