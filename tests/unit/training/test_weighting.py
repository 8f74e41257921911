from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchjd import scalarization

from workbench.config.weighting import WeightingConfig
from workbench.training.weighting import WEIGHTINGS, Weighting, WeightingSettings

TASKS = ("a", "b", "c")


def a_weighting(method: str, *, tasks: Sequence[str] = TASKS, **settings: Any) -> Weighting:
    formula = {"formula": "a + 0.5 * b + max(b, c)"} if method == "formula" else {}
    config = WeightingConfig(method=method, **(formula | settings))  # type: ignore[arg-type]
    return WEIGHTINGS[method](WeightingSettings(tuple(tasks), config, 3, 4, torch.device("cpu")))


def losses_of(*values: float, tasks: Sequence[str] = TASKS) -> dict[str, Tensor]:
    return {task: torch.tensor(value) for task, value in zip(tasks, values, strict=True)}


def weights_of(weighting: Weighting, losses: Mapping[str, Tensor], step: int = 0) -> list[float]:
    return [float(weight) for weight in weighting.weights(list(losses), losses, step)]


def slopes(function: Any, losses: Mapping[str, Tensor]) -> list[float]:
    """The derivatives of a function of the losses, which are the weights that it stands for."""
    values = torch.stack(list(losses.values())).requires_grad_()
    (found,) = torch.autograd.grad(function(values), values)
    return [float(value) for value in found]


LOSSES = losses_of(0.5, 2.0, 1.25)


@pytest.mark.parametrize(
    ("method", "reference"),
    [
        ("sum", scalarization.Sum()),
        ("mean", scalarization.Mean()),
        ("geometric", scalarization.GeometricMean()),
        ("stch", scalarization.STCH(mu=0.1)),
        ("famo", scalarization.FAMO(3)),
        ("imtl_l", scalarization.IMTLL(3)),
        ("dwa", scalarization.DWA(temperature=2.0)),
    ],
)
def test_weights_are_the_derivatives_of_the_reference(method: str, reference: Any) -> None:
    assert weights_of(a_weighting(method), LOSSES) == pytest.approx(
        slopes(reference, LOSSES), rel=1e-4
    )


def test_uncertainty_weighs_by_the_variance_and_learns_its_own_term() -> None:
    # torchjd's has half of the loss (a regression's squares); ours is the form for classes.
    ours, log_variances = a_weighting("uncertainty", learning_rate=0.1), torch.zeros(3)
    log_variances.requires_grad_()
    adam = torch.optim.Adam([log_variances], lr=0.1)
    for step in range(30):
        losses = losses_of(0.5 + 0.01 * step, 2.0, 1.25)
        values = torch.stack(list(losses.values()))
        assert weights_of(ours, losses) == pytest.approx((-log_variances).exp().tolist(), rel=1e-4)

        total = ((-log_variances).exp() * values + log_variances / 2).sum()
        adam.zero_grad()
        total.backward()
        adam.step()
        ours.learn(losses, norms={}, again={})


def test_imtl_l_learns_as_the_reference() -> None:
    ours, reference = a_weighting("imtl_l", learning_rate=0.1), scalarization.IMTLL(3)
    adam = torch.optim.Adam(reference.parameters(), lr=0.1)
    for _ in range(30):
        assert weights_of(ours, LOSSES) == pytest.approx(slopes(reference, LOSSES), rel=1e-4)

        adam.zero_grad()
        reference(torch.stack(list(LOSSES.values()))).backward()
        adam.step()
        ours.learn(LOSSES, norms={}, again={})


def test_imtl_l_brings_every_loss_to_one() -> None:
    weighting = a_weighting("imtl_l", learning_rate=0.05)
    for _ in range(400):
        weighting.learn(LOSSES, norms={}, again={})

    weighted = np.array(weights_of(weighting, LOSSES)) * [float(v) for v in LOSSES.values()]

    assert weighted.tolist() == pytest.approx([1.0, 1.0, 1.0], abs=1e-2)


def test_famo_learns_as_the_reference() -> None:
    ours, reference = a_weighting("famo", learning_rate=0.025), scalarization.FAMO(3)
    for step in range(20):
        before = losses_of(0.5, 2.0 - 0.05 * step, 1.25)
        after = losses_of(0.49, 1.9 - 0.05 * step, 1.251)
        assert weights_of(ours, before) == pytest.approx(slopes(reference, before), rel=1e-3)

        reference(torch.stack(list(before.values())))
        reference.update(torch.stack(list(after.values())))
        ours.learn(before, norms={}, again=after)


def test_dwa_weighs_as_the_reference_from_period_to_period() -> None:
    ours, reference = a_weighting("dwa", period=4), scalarization.DWA(temperature=2.0)
    for period in range(5):
        for update in range(4):
            losses = losses_of(2.0 - 0.3 * period, 1.0 + 0.1 * update, 1.0 / (1 + period))
            assert weights_of(ours, losses) == pytest.approx(slopes(reference, losses), rel=1e-4)
            ours.learn(losses, norms={}, again={})
        reference.step()

    assert weights_of(ours, losses)[1] > weights_of(ours, losses)[2]  # b has not fallen, c has


def test_random_weights_are_a_softmax_of_normal_numbers() -> None:
    weighting = a_weighting("random")

    drawn = torch.tensor([weights_of(weighting, LOSSES, step) for step in range(4000)])

    assert drawn.sum(dim=1).tolist() == pytest.approx([1.0] * 4000, abs=1e-5)
    reference = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0)).softmax(1)
    assert drawn.mean(dim=0).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)
    assert drawn.std(dim=0).tolist() == pytest.approx(reference.std(dim=0).tolist(), abs=0.02)
    assert weights_of(a_weighting("random"), LOSSES, 7) == weights_of(weighting, LOSSES, 7)


def test_gradnorm_moves_the_weights_down_its_own_loss() -> None:
    ours = a_weighting("gradnorm", learning_rate=0.01, asymmetry=1.5)
    norms = losses_of(4.0, 1.0, 0.5)
    weights, adam = torch.ones(3, requires_grad=True), None
    first = torch.stack(list(LOSSES.values()))
    for step in range(25):
        losses = losses_of(0.5 - 0.01 * step, 2.0 - 0.01 * step, 1.25 - 0.01 * step)
        # Equation 2, with the target taken as constant, then scaled to sum to the tasks.
        unweighted = torch.stack(list(norms.values()))
        relative = torch.stack(list(losses.values())) / first
        weighted = weights * unweighted
        target = (weighted.mean() * (relative / relative.mean()) ** 1.5).detach()
        adam = adam or torch.optim.Adam([weights], lr=0.01)
        adam.zero_grad()
        (weighted - target).abs().sum().backward()
        adam.step()
        with torch.no_grad():
            weights.mul_(3 / weights.sum())

        ours.learn(losses, norms=norms, again={})

        assert weights_of(ours, losses) == pytest.approx(weights.tolist(), rel=1e-3)


def test_gradnorm_brings_the_norms_together() -> None:
    weighting = a_weighting("gradnorm", learning_rate=0.005, asymmetry=0.0)
    norms = losses_of(4.0, 1.0, 0.5)
    for _ in range(1500):
        weighting.learn(LOSSES, norms=norms, again={})

    weighted = np.array(weights_of(weighting, LOSSES)) * [float(n) for n in norms.values()]

    assert weighted.max() / weighted.min() < 1.15


def test_a_formula_gives_its_derivatives() -> None:
    losses = losses_of(0.5, 2.0, 1.25)

    weights = weights_of(a_weighting("formula"), losses)

    assert weights == pytest.approx([1.0, 1.5, 0.0])  # the larger of b and c is b


@pytest.mark.parametrize("method", WEIGHTINGS)
def test_an_absent_task_is_left_out_not_counted_as_zero(method: str) -> None:
    absent = {"a": LOSSES["a"], "c": LOSSES["c"]}
    formula = {"formula": "a + 0.5 * c"} if method == "formula" else {}
    three = a_weighting(method, **formula)
    two = a_weighting(method, tasks=("a", "c"), **formula)
    norms = {task: torch.tensor(0.5 + number) for number, task in enumerate(absent)}

    for step in range(12):
        assert weights_of(three, absent, step) == pytest.approx(weights_of(two, absent, step))
        for weighting in (three, two):
            again = {task: loss * 0.9 ** (1 + "ac".index(task)) for task, loss in absent.items()}
            weighting.learn(absent, norms=norms, again=again)


@pytest.mark.parametrize("method", WEIGHTINGS)
def test_a_restored_weighting_goes_on_as_if_it_had_never_stopped(method: str) -> None:
    one = a_weighting(method, period=3)
    for step in range(7):
        present = LOSSES if step % 2 else {"a": LOSSES["a"], "b": LOSSES["b"]}
        one.learn(present, norms=present, again={t: v * 0.9 for t, v in present.items()})
    two = a_weighting(method, period=3)
    two.restore(one.state())

    for step in range(7, 14):
        assert weights_of(one, LOSSES, step) == weights_of(two, LOSSES, step)
        for weighting in (one, two):
            weighting.learn(LOSSES, norms=LOSSES, again={t: v * 0.9 for t, v in LOSSES.items()})


def test_gradnorm_is_relative_to_the_first_loss_that_is_none_of_0() -> None:
    ours, other = a_weighting("gradnorm"), a_weighting("gradnorm")
    norms = losses_of(4.0, 1.0, 0.5)

    ours.learn({**LOSSES, "a": torch.tensor(0.0)}, norms=norms, again={})
    other.learn({"b": LOSSES["b"], "c": LOSSES["c"]}, norms=norms, again={})
    for _ in range(3):
        for weighting in (ours, other):
            weighting.learn(LOSSES, norms=norms, again={})

    assert weights_of(ours, LOSSES) == weights_of(other, LOSSES)
