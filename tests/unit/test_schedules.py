from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.config.optimization import ScheduleName
from workbench.schedules import (
    CURVES,
    SEED_TABLE,
    SLANTED_RATIO,
    WARMUPS,
    Plateau,
    RateSchedule,
    layer_factors,
    thaw_step,
    thawed_parts,
    warmup_steps,
)

TOTAL = st.integers(1, 400)
WARMUP = st.floats(0, 0.99) | st.integers(1, 500).map(float)
SHAPES = st.fixed_dictionaries(
    {
        "warmup": WARMUP,
        "minimum": st.sampled_from([0.0, 0.1, 1.0]),
        "cycles": st.integers(1, 5),
        "power": st.floats(0.5, 4.0),
        "decay_share": st.floats(0.01, 1.0),
    }
)
STAYS_UP = ("constant", "plateau", "inverse_sqrt")


def factors_of(schedule: RateSchedule, total: int) -> list[float]:
    return [schedule.factor(step, total) for step in range(total + 1)]


def test_the_settings_name_every_curve() -> None:
    assert get_args(ScheduleName) == tuple(CURVES)


@pytest.mark.parametrize("name", CURVES)
@given(total=TOTAL, shape=SHAPES)
def test_factors_rise_to_one_in_the_warmup_and_never_rise_again(
    name: str, total: int, shape: dict[str, Any]
) -> None:
    schedule = RateSchedule(name, **shape)

    factors = factors_of(schedule, total)

    warm = warmup_steps(schedule.warmup, total)
    assert all(0.0 <= factor <= 1.0 + 1e-12 for factor in factors)
    if schedule.minimum < 1:
        assert all(one < two for one, two in pairwise(factors[:warm]))
    if name != "cosine_restarts":
        assert all(one >= two for one, two in pairwise(factors[warm:]))
    if warm:
        assert factors[warm - 1] == pytest.approx(1.0)
        if name not in WARMUPS:
            assert factors[0] == pytest.approx(1 / warm)
    if warm < total:
        assert factors[warm] == pytest.approx(1.0)
        if name == "slanted_triangular":
            assert factors[total] == pytest.approx(schedule.minimum or 1 / SLANTED_RATIO)
        elif name not in STAYS_UP:
            assert factors[total] == pytest.approx(schedule.minimum)


@pytest.mark.parametrize("name", CURVES)
@given(total=TOTAL, shape=SHAPES)
def test_no_update_of_a_run_is_wasted_at_rate_0_or_below_the_minimum(
    name: str, total: int, shape: dict[str, Any]
) -> None:
    schedule = RateSchedule(name, **shape)

    factors = factors_of(schedule, total)[:-1]

    assert all(factor > 0 for factor in factors)
    warm = warmup_steps(schedule.warmup, total)
    assert all(factor >= schedule.minimum - 1e-12 for factor in factors[warm:])


def test_restarts_come_back_to_the_top_as_often_as_asked() -> None:
    factors = factors_of(RateSchedule("cosine_restarts", warmup=0.0, cycles=4), 100)

    assert [step for step in range(100) if factors[step] == 1.0] == [0, 25, 50, 75]


def test_the_stable_part_ends_where_the_decay_begins() -> None:
    factors = factors_of(RateSchedule("warmup_stable_decay", warmup=10.0, decay_share=0.25), 100)

    assert factors[9:76] == [1.0] * 67
    assert factors[76] < 1.0


# --- Beside the schedules of others -------------------------------------------------------------


def theirs(name: str, warm: int, total: int) -> Any:
    from transformers import optimization as o

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    made = {
        "constant": lambda: o.get_constant_schedule_with_warmup(optimizer, warm),
        "linear": lambda: o.get_linear_schedule_with_warmup(optimizer, warm, total),
        "cosine": lambda: o.get_cosine_schedule_with_warmup(optimizer, warm, total),
        "cosine_restarts": lambda: o.get_cosine_with_hard_restarts_schedule_with_warmup(
            optimizer, warm, total, num_cycles=3
        ),
        "polynomial": lambda: o.get_polynomial_decay_schedule_with_warmup(
            optimizer, warm, total, lr_end=0.1, power=3.0
        ),
        "inverse_sqrt": lambda: o.get_inverse_sqrt_schedule(optimizer, warm),
        "warmup_stable_decay": lambda: o.get_wsd_schedule(
            optimizer, warm, int(0.3 * total), num_training_steps=total, decay_type="linear"
        ),
    }[name]()
    return made.lr_lambdas[0]


@pytest.mark.parametrize(
    "schedule",
    [
        RateSchedule("constant"),
        RateSchedule("linear"),
        RateSchedule("cosine"),
        RateSchedule("cosine_restarts", cycles=3),
        RateSchedule("polynomial", power=3.0, minimum=0.1),
        RateSchedule("inverse_sqrt"),
        RateSchedule("warmup_stable_decay", decay_share=0.3),
    ],
    ids=lambda schedule: schedule.name,
)
@pytest.mark.parametrize(("total", "warm"), [(50, 5), (37, 0), (60, 20)])
def test_factors_are_those_of_transformers_but_for_the_warmup(
    schedule: RateSchedule, total: int, warm: int
) -> None:
    # Theirs begins its warm-up at 0, ours at 1/n: ours is one step ahead there.
    expected = theirs(schedule.name, warm, total)
    ours = RateSchedule(**(vars(schedule) | {"warmup": float(warm)}))

    for step in range(total):
        there = expected(step + 1) if step < warm else expected(step)
        assert ours.factor(step, total) == pytest.approx(there), step


def test_one_cycle_is_that_of_torch() -> None:
    # Theirs has one step at the top, ours the last of the warm-up and the first after it.
    warm, total = 12, 60
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=total, pct_start=warm / total, cycle_momentum=False
    )
    expected = []
    for _ in range(total):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if len(expected) < total else None
    ours = RateSchedule("one_cycle", warmup=float(warm))

    found = [ours.factor(step, total) for step in (*range(warm), *range(warm + 1, total + 1))]

    assert found == pytest.approx(expected, abs=1e-5)


def test_the_slanted_triangle_is_that_of_the_paper() -> None:
    # Howard and Ruder 2018, equation 3: T = 100, cut_frac = 0.1, ratio = 32.
    ours = RateSchedule("slanted_triangular", warmup=0.1)

    for t in range(1, 100):  # our warm-up is one step ahead, so that none is at the lowest rate
        p = t / 10 if t < 10 else 1 - (t - 10) / (10 * (1 / 0.1 - 1))
        paper = (1 + p * 31) / 32
        assert ours.factor(t - 1 if t < 10 else t, 100) == pytest.approx(paper), t


@given(
    values=st.lists(st.none() | st.floats(0, 1).map(lambda value: round(value, 1)), max_size=30),
    patience=st.integers(0, 3),
    minimum=st.sampled_from([0.0, 0.3]),
)
def test_a_plateau_lowers_the_rate_as_that_of_torch_does(
    values: list[float | None], patience: int, minimum: float
) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max", factor=0.5, patience=patience, threshold=0.0, eps=0.0, min_lr=minimum
    )
    plateau = Plateau()

    for value in values:
        plateau = plateau.after(value, reduce_by=0.5, patience=patience, minimum=minimum)
        if value is not None:
            scheduler.step(value)
        assert plateau.factor == pytest.approx(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize(
    ("warmup", "total", "steps"), [(0.1, 100, 10), (0.1, 9, 0), (5.0, 100, 5), (500.0, 100, 100)]
)
def test_a_warmup_below_one_is_a_share(warmup: float, total: int, steps: int) -> None:
    assert warmup_steps(warmup, total) == steps


# --- Layers -------------------------------------------------------------------------------------


@given(layers=st.integers(0, 48), decay=st.floats(0.1, 1.0))
def test_the_rate_decays_from_the_heads_down_and_the_embeddings_are_lowest(
    layers: int, decay: float
) -> None:
    factors = layer_factors("decay", layers, decay=decay)

    assert len(factors) == layers + 1
    above = 1.0
    for factor in reversed(factors):
        assert factor == pytest.approx(above * decay)
        above = factor


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (12, SEED_TABLE),
        (6, (0.1, 0.1, 0.2, 0.2, 0.5, 0.5)),
        (24, tuple(factor for factor in SEED_TABLE for _ in range(2))),
        (3, (0.1, 0.2, 0.5)),
        (0, ()),
    ],
)
def test_a_table_is_stretched_to_another_depth(layers: int, expected: tuple[float, ...]) -> None:
    factors = layer_factors("table", layers, table=SEED_TABLE)

    assert factors == (0.1, *expected)


# --- Unfreezing ---------------------------------------------------------------------------------


@given(parts=st.integers(1, 40), share=st.floats(0.01, 1.0), total=TOTAL)
def test_parts_thaw_one_after_the_other_and_all_in_time(
    parts: int, share: float, total: int
) -> None:
    plan: dict[str, Any] = {"parts": parts, "share": share, "total_steps": total}

    thawed = [thawed_parts(step, **plan) for step in range(total + 1)]
    begins = [thaw_step(number, **plan) for number in range(parts)]

    assert thawed == sorted(thawed)
    assert thawed[-1] == parts
    assert begins == sorted(begins)
    assert begins[-1] <= share * total + 1
    for number, begin in enumerate(begins):
        assert thawed[begin] > number
        assert begin == 0 or thawed[begin - 1] <= number
