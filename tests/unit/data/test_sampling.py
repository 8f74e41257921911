from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.sampling import SamplingPlan, epoch_batches, steps_per_epoch
from workbench.shares import ShareRule, planned_shares

LENGTHS = st.lists(st.integers(1, 90), min_size=1, max_size=200).map(np.array)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 5), st.integers(0, 3), st.booleans())
def test_every_example_is_in_exactly_one_batch_of_an_epoch(
    lengths: np.ndarray, batch_size: int, seed: int, epoch: int, buckets: bool
) -> None:
    batches = epoch_batches(lengths, batch_size=batch_size, seed=seed, epoch=epoch, buckets=buckets)

    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == steps_per_epoch(len(lengths), batch_size)
    assert sum(len(batch) < batch_size for batch in batches) <= 1
    assert max(map(len, batches)) <= batch_size


@pytest.mark.parametrize("buckets", [True, False])
def test_the_same_seed_and_epoch_give_the_same_batches(buckets: bool) -> None:
    lengths = np.arange(100) % 17

    one, two = (
        epoch_batches(lengths, batch_size=8, seed=3, epoch=2, buckets=buckets) for _ in range(2)
    )

    assert [batch.tolist() for batch in one] == [batch.tolist() for batch in two]


@pytest.mark.parametrize("buckets", [True, False])
@pytest.mark.parametrize("other", [{"seed": 3, "epoch": 1}, {"seed": 4, "epoch": 0}])
def test_membership_of_batches_differs_between_epochs_and_seeds(
    buckets: bool, other: dict[str, int]
) -> None:
    lengths = np.sort(np.arange(300) % 40)

    def members(**how: int) -> set[frozenset[int]]:
        batches = epoch_batches(lengths, batch_size=8, buckets=buckets, **how)
        return {frozenset(batch.tolist()) for batch in batches}

    shared = members(seed=3, epoch=0) & members(**other)

    assert len(shared) <= 2


def test_buckets_save_padding() -> None:
    lengths = np.random.default_rng(0).integers(3, 90, 800)

    def padded(buckets: bool) -> int:
        batches = epoch_batches(lengths, batch_size=16, seed=1, epoch=0, buckets=buckets)
        return sum(len(batch) * int(lengths[batch].max()) for batch in batches)

    assert padded(buckets=True) < 0.75 * padded(buckets=False)


# --- Plans --------------------------------------------------------------------------------------

TASKS = ("a", "b", "c")
STRATEGY = st.sampled_from(
    ["natural", "proportional", "uniform", "temperature", "fixed", "annealed", "round_robin"]
)
FIXED = {"a": 1.0, "b": 3.0, "c": 0.0}
EPOCH_LENGTH = st.sampled_from(
    [{}, {"epoch": "smallest"}, {"epoch": "largest"}, {"examples": 37}, {"updates": 5}]
)


@st.composite
def labelled_texts(draw: st.DrawFn) -> tuple[np.ndarray, list[frozenset[str]]]:
    """Lengths, and the tasks of each text: some texts have several, some tasks few or none."""
    groups = [frozenset("a"), frozenset("b"), frozenset("c"), frozenset("ab"), frozenset("abc")]
    counts = draw(st.lists(st.integers(0, 60), min_size=5, max_size=5).filter(any))
    labelled = [group for group, count in zip(groups, counts, strict=True) for _ in range(count)]
    lengths = draw(st.integers(0, 10))
    return np.random.default_rng(lengths).integers(3, 40, len(labelled)), labelled


def a_plan(
    texts: tuple[np.ndarray, list[frozenset[str]]], strategy: str, **how: Any
) -> SamplingPlan:
    defaults = {"batch_size": 8, "epochs": 3, "seed": 5}
    rule = ShareRule(strategy, fixed=FIXED)
    return SamplingPlan(*texts, tasks=TASKS, rule=rule, **(defaults | how))


def as_lists(batches: list[np.ndarray]) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


@given(
    labelled_texts(),
    STRATEGY,
    EPOCH_LENGTH,
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 50, 200]),
)
def test_any_plan_is_a_function_of_seed_and_epoch_and_has_the_updates_it_says(
    texts: tuple[np.ndarray, list[frozenset[str]]],
    strategy: str,
    length: dict[str, Any],
    one_task: bool,
    buckets: bool,
    budget: int,
) -> None:
    how = length | {"one_task": one_task, "buckets": buckets, "token_budget": budget}
    plan = a_plan(texts, strategy, **how)

    epochs = [as_lists(plan.batches(epoch)) for epoch in range(3)]

    assert plan.total_steps == sum(map(len, epochs))
    assert all(batch for batches in epochs for batch in batches)
    assert [plan.updates(epoch) for epoch in range(3)] == [len(batches) for batches in epochs]
    # A resumed run asks a new plan for its epoch alone.
    assert as_lists(a_plan(texts, strategy, **how).batches(2)) == epochs[2]
    if budget == 0:
        assert all(len(batch) <= 8 for batches in epochs for batch in batches)
    else:
        for batch in [batch for batches in epochs for batch in batches if len(batch) > 1]:
            assert len(batch) * max(texts[0][batch]) <= budget
    if "updates" in length and budget == 0 and not (one_task and strategy == "natural"):
        assert [len(batches) for batches in epochs] == [5, 5, 5]
    drawn_texts = [sum(map(len, batches)) for batches in epochs]
    if "examples" in length:
        whole_batches = one_task and budget == 0 and plan.follows_a_rule
        assert drawn_texts == [40 if whole_batches else 37] * 3


@given(labelled_texts(), STRATEGY, st.booleans(), st.booleans(), st.sampled_from([0, 50, 200]))
def test_no_text_of_a_task_comes_again_before_all_have_come(
    texts: tuple[np.ndarray, list[frozenset[str]]],
    strategy: str,
    one_task: bool,
    buckets: bool,
    budget: int,
) -> None:
    # Only texts with one label, so that it is known which task a text was drawn for.
    kept = [number for number, tasks in enumerate(texts[1]) if len(tasks) == 1]
    if not kept:
        return
    texts = texts[0][kept], [texts[1][number] for number in kept]
    plan = a_plan(texts, strategy, one_task=one_task, buckets=buckets, token_budget=budget)

    drawn = np.concatenate([batch for epoch in range(3) for batch in plan.batches(epoch)])

    for task in TASKS:
        members = [number for number, tasks in enumerate(texts[1]) if task in tasks]
        times = [int((drawn == number).sum()) for number in members]
        assert not times or max(times) - min(times) <= 1


@pytest.mark.parametrize("one_task", [True, False])
@pytest.mark.parametrize("budget", [0, 300])
@pytest.mark.parametrize(
    "strategy", ["proportional", "uniform", "temperature", "fixed", "annealed"]
)
def test_what_is_drawn_follows_the_planned_shares(
    strategy: str, one_task: bool, budget: int
) -> None:
    labelled = [frozenset("a")] * 400 + [frozenset("b")] * 80 + [frozenset("c")] * 20
    texts = np.random.default_rng(1).integers(3, 40, len(labelled)), labelled
    rule = ShareRule(strategy, fixed=FIXED)
    plan = a_plan(texts, strategy, one_task=one_task, token_budget=budget, examples=1600)

    for epoch in range(3):
        batches = plan.batches(epoch)
        drawn = plan.drawn(np.concatenate(batches).tolist())
        sizes = {"a": 400, "b": 80, "c": 20}
        moments = [planned_shares(rule, sizes, (epoch + at / 200) / 3) for at in range(201)]
        for task in TASKS:
            expected = np.mean([shares[task] for shares in moments])
            assert drawn[task] == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("buckets", [True, False])
@pytest.mark.parametrize("strategy", ["proportional", "uniform", "temperature", "round_robin"])
def test_each_mixed_batch_has_the_planned_mixture(strategy: str, buckets: bool) -> None:
    labelled = [frozenset("a")] * 400 + [frozenset("b")] * 80 + [frozenset("c")] * 20
    texts = np.random.default_rng(1).integers(3, 40, len(labelled)), labelled
    plan = a_plan(texts, strategy, batch_size=24, buckets=buckets)

    for batch in plan.batches(0)[:-1]:
        drawn, planned = plan.drawn(batch.tolist()), plan.planned(0.0)
        assert all(abs(drawn[task] - planned[task]) * 24 <= 2 for task in TASKS)


@pytest.mark.parametrize("strategy", ["natural", "uniform", "round_robin"])
def test_a_batch_of_one_task_is_labelled_by_it_throughout(strategy: str) -> None:
    labelled = [frozenset("a")] * 70 + [frozenset("b")] * 30 + [frozenset("ab")] * 20
    texts = np.random.default_rng(1).integers(3, 40, len(labelled)), labelled
    plan = a_plan(texts, strategy, one_task=True)

    shared = [frozenset.intersection(*(labelled[at] for at in b)) for b in plan.batches(0)]

    assert all(shared)


def test_round_robin_takes_turns() -> None:
    labelled = [frozenset("a")] * 90 + [frozenset("b")] * 30 + [frozenset("c")] * 60
    texts = np.full(len(labelled), 5), labelled
    plan = a_plan(texts, "round_robin", one_task=True)

    turns = ["".join(labelled[batch[0]]) for batch in plan.batches(0)]

    assert "".join(turns) == ("abc" * len(turns))[: len(turns)]


@pytest.mark.parametrize(("epoch", "length"), [("smallest", 60), ("largest", 1200), ("all", 500)])
def test_an_epoch_is_as_long_as_a_task_needs(epoch: str, length: int) -> None:
    labelled = [frozenset("a")] * 400 + [frozenset("b")] * 80 + [frozenset("c")] * 20
    texts = np.full(len(labelled), 5), labelled

    plan = a_plan(texts, "uniform", epoch=epoch)

    assert plan.examples_per_epoch == length


def test_natural_sampling_takes_the_texts_as_without_a_plan() -> None:
    lengths = np.random.default_rng(0).integers(3, 90, 100)
    plan = a_plan((lengths, [frozenset("a")] * 100), "natural")

    for epoch in range(3):
        plain = epoch_batches(lengths, batch_size=8, seed=5, epoch=epoch, buckets=True)
        assert as_lists(plan.batches(epoch)) == as_lists(plain)


def test_texts_with_all_labels_give_every_task_the_same_whatever_the_strategy() -> None:
    plan = a_plan((np.full(40, 5), [frozenset("abc")] * 40), "fixed")

    assert plan.planned(0.5) == pytest.approx(dict.fromkeys("abc", 1 / 3))
    assert plan.drawn(plan.batches(0)[0].tolist()) == pytest.approx(dict.fromkeys("abc", 1 / 3))
