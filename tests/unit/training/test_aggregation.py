from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor
from torchjd import aggregation

from workbench.config.weighting import WeightingConfig
from workbench.training.aggregation import (
    AGGREGATIONS,
    Aggregation,
    AggregationSettings,
    Combined,
)
from workbench.training.aggregation.cagrad import worst_case_weights

TASKS = ("a", "b", "c")


def an_aggregation(method: str, **settings: Any) -> Aggregation:
    config = WeightingConfig(gradients=method, **settings)  # type: ignore[arg-type]
    return AGGREGATIONS[method](AggregationSettings(TASKS, config, seed=3))


def combined(
    method: str | Aggregation, rows: Tensor, tasks: tuple[str, ...] = TASKS, step: int = 0
) -> Combined:
    made = an_aggregation(method) if isinstance(method, str) else method
    return made.combine(rows, (rows @ rows.T).double(), tasks[: len(rows)], step)


def some_rows(seed: int, tasks: int = 3, values: int = 12) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    rows = torch.randn(tasks, values, generator=random, dtype=torch.float64)
    return rows * torch.tensor([[1.0], [4.0], [0.3]], dtype=torch.float64)[:tasks]


@pytest.mark.parametrize(
    ("method", "reference"),
    [
        ("mgda", aggregation.MGDA()),
        ("imtl_g", aggregation.IMTLG()),
        ("aligned_mtl", aggregation.AlignedMTL()),
        ("fairgrad", aggregation.FairGrad(alpha=1.0)),
    ],
)
def test_what_torchjd_does_is_done(method: str, reference: Any) -> None:
    for seed in range(10):
        rows = some_rows(seed)

        assert torch.allclose(combined(method, rows).vector, reference(rows), atol=1e-4)


def test_fairgrad_solves_its_equation_whatever_the_size_of_the_gradients() -> None:
    for fairness in (0.5, 1.0, 2.0):
        for size in (1e-4, 1.0, 1e3):
            rows = size * some_rows(1)

            found = combined(an_aggregation("fairgrad", fairness=fairness), rows)

            factors = torch.tensor(found.factors, dtype=torch.float64)
            gains = rows @ rows.T @ factors
            assert gains.tolist() == pytest.approx((factors ** (-1 / fairness)).tolist(), rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_pcgrad_projects_by_its_algorithm(seed: int) -> None:
    rows = some_rows(seed)

    found = combined("pcgrad", rows, step=seed).vector

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3 * 1_000_003 + seed)
        expected = torch.zeros_like(rows[0])
        for one in range(3):
            own = rows[one].clone()
            for other in torch.randperm(3).tolist():
                product = own @ rows[other]
                if other != one and product < 0:
                    own -= product / rows[other].square().sum() * rows[other]
            expected += own
    assert torch.allclose(found, expected)


def test_pcgrad_of_two_opposed_gradients_is_what_its_paper_draws() -> None:
    rows = torch.tensor([[1.0, 0.0], [-1.0, 1.0]], dtype=torch.float64)

    # The first loses its half along the second, the second its part along the first.
    assert combined("pcgrad", rows).vector.tolist() == pytest.approx([0.5, 0.5 + 1.0])


def test_gradvac_turns_a_gradient_up_to_the_mean_cosine() -> None:
    method = an_aggregation("gradvac", smoothing=1.0)
    agreeing = torch.tensor([[1.0, 0.0], [0.8, 0.6]], dtype=torch.float64)
    opposed = torch.tensor([[1.0, 0.0], [-0.6, 0.8]], dtype=torch.float64)

    combined(method, agreeing)  # from now on a cosine of 0.8 is due
    found = combined(method, opposed).vector

    def turned(own: Tensor, other: Tensor) -> Tensor:
        cosine = torch.cosine_similarity(own, other, dim=0)
        sine = (1 - cosine**2).sqrt()
        # Equation 2 of the paper; the result has the cosine 0.8 with `other`.
        by = own.norm() * (0.8 * sine - cosine * 0.6) / (other.norm() * 0.6)
        result = own + by * other
        assert torch.cosine_similarity(result, other, dim=0) == pytest.approx(0.8)
        return result

    expected = turned(opposed[0], opposed[1]) + turned(opposed[1], opposed[0])
    assert torch.allclose(found, expected, atol=1e-5)


def test_gradvac_is_torchjds_where_all_tasks_are_there() -> None:
    # Of two tasks, where the order in which the others are visited is no question.
    reference, ours = aggregation.GradVac(beta=0.3), an_aggregation("gradvac", smoothing=0.3)
    for seed in range(12):
        rows = some_rows(seed, tasks=2)

        assert torch.allclose(combined(ours, rows).vector, reference(rows), atol=1e-5)


def test_graddrop_keeps_one_sign_per_value_as_often_as_it_weighs() -> None:
    rows = torch.tensor([[3.0, 1.0, 0.0], [-1.0, 2.0, 0.0]])

    drawn = torch.stack([combined("graddrop", rows, step=step).vector for step in range(4000)])

    assert set(drawn[:, 0].tolist()) == {3.0, -1.0}
    assert float((drawn[:, 0] == 3.0).float().mean()) == pytest.approx(0.75, abs=0.03)
    assert set(drawn[:, 1].tolist()) == {3.0}
    assert set(drawn[:, 2].tolist()) == {0.0}


@pytest.mark.parametrize("seed", range(8))
def test_upgrad_averages_projections_onto_the_cone_without_conflict(seed: int) -> None:
    rows = some_rows(seed)

    found = combined("upgrad", rows).vector

    expected = torch.zeros_like(found)
    for row in rows:
        # The nearest vector that has no negative product with any gradient, by another solver.
        solved = minimize(
            lambda x, row=row: float(((x - row.numpy()) ** 2).sum()),
            row.numpy(),
            jac=lambda x, row=row: 2 * (x - row.numpy()),
            method="SLSQP",
            constraints={"type": "ineq", "fun": lambda x: rows.numpy() @ x},
            options={"ftol": 1e-12, "maxiter": 500},
        )
        expected += torch.from_numpy(solved.x) / 3
    assert torch.allclose(found, expected, atol=1e-4)
    assert float((rows @ found).min()) >= -1e-9


@pytest.mark.parametrize("caution", [0.0, 0.2, 0.4, 0.8])
def test_cagrad_is_the_best_step_for_the_worst_task_within_its_ball(caution: float) -> None:
    for seed in range(5):
        rows = some_rows(seed, values=3)
        mean = rows.mean(dim=0)
        radius = caution * mean.norm()

        found = combined(an_aggregation("cagrad", caution=caution), rows).vector

        assert float((found - mean).norm()) == pytest.approx(float(radius), abs=1e-4)
        worst = float((rows @ found).min())
        random = torch.Generator().manual_seed(seed)
        directions = torch.randn(4000, 3, generator=random, dtype=torch.float64)
        others = mean + radius * directions / directions.norm(dim=1, keepdim=True)
        assert float((others @ rows.T).min(dim=1).values.max()) <= worst + 1e-3 * abs(worst) + 1e-6


def test_cagrad_of_two_orthogonal_gradients_has_a_known_answer() -> None:
    rows = torch.eye(2, dtype=torch.float64)

    # By symmetry both weigh the same: the mean, lengthened by the caution.
    assert combined(an_aggregation("cagrad", caution=0.4), rows).vector.tolist() == pytest.approx(
        [0.7, 0.7], abs=1e-6
    )
    # And of one long and one short one the short one decides: its weight is 1.
    weights = worst_case_weights(np.diag([100.0, 0.01]), radius=0.0)
    assert weights.tolist() == pytest.approx([0.0, 1.0], abs=1e-6)


@pytest.mark.parametrize("method", AGGREGATIONS)
def test_agreeing_gradients_make_a_step_that_agrees(method: str) -> None:
    direction = torch.tensor([1.0, 2.0, -1.0, 0.5], dtype=torch.float64)
    rows = torch.stack([direction, 2 * direction, 0.5 * direction])

    found = combined(method, rows).vector

    assert torch.cosine_similarity(found, direction, dim=0) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("method", ["pcgrad", "mgda", "upgrad"])
def test_two_opposed_gradients_make_a_step_that_hurts_neither(method: str) -> None:
    for seed in range(20):
        rows = some_rows(seed, tasks=2, values=4)

        assert float((rows @ combined(method, rows).vector).min()) > -1e-6


@pytest.mark.parametrize("method", AGGREGATIONS)
def test_a_gradient_of_zero_takes_no_part(method: str) -> None:
    rows = some_rows(2)
    with_zero = torch.stack([rows[0], torch.zeros_like(rows[0]), rows[2]])

    found = combined(method, with_zero)

    without = an_aggregation(method).combine(
        with_zero[[0, 2]], (with_zero[[0, 2]] @ with_zero[[0, 2]].T).double(), ("a", "c"), 0
    )
    assert torch.allclose(found.vector, without.vector, atol=1e-9)
    assert found.vector.norm() > 0


@pytest.mark.parametrize("method", AGGREGATIONS)
def test_a_gradient_that_stands_alone_stays_as_it_is(method: str) -> None:
    rows = some_rows(4, tasks=1)

    assert torch.allclose(combined(method, rows).vector, rows[0])


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("method", AGGREGATIONS)
def test_what_is_not_finite_stays_visible(method: str, value: str) -> None:
    rows = some_rows(4)
    rows[1, 3] = float(value)

    assert not torch.isfinite(combined(method, rows).vector).all()


@pytest.mark.parametrize("method", AGGREGATIONS)
def test_combining_is_a_function_of_seed_and_step_and_draws_from_nobody(method: str) -> None:
    rows = some_rows(5)
    before = torch.get_rng_state()

    one, two = combined(method, rows, step=9), combined(method, rows, step=9)

    assert torch.equal(one.vector, two.vector)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("method", AGGREGATIONS)
def test_a_restored_aggregation_goes_on_as_if_it_had_never_stopped(method: str) -> None:
    one, two = an_aggregation(method), an_aggregation(method)
    for step in range(4):
        combined(one, some_rows(step, tasks=2 + step % 2), step=step)
    two.restore(one.state())

    for step in range(4, 8):
        rows = some_rows(step)
        found = [combined(each, rows, step=step).vector for each in (one, two)]
        assert torch.equal(*found)
