from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.shares import (
    STRATEGIES,
    ShareRule,
    exposures,
    planned_shares,
    share_curves,
    task_overlap,
)

SIZES = st.dictionaries(st.sampled_from("abcde"), st.integers(0, 10_000), min_size=1)


@given(SIZES, st.sampled_from([*STRATEGIES, "annealed"]), st.floats(0, 1))
def test_shares_sum_to_one_and_a_task_without_texts_has_none(
    sizes: dict[str, int], strategy: str, progress: float
) -> None:
    shares = planned_shares(ShareRule(strategy, cap=500), sizes, progress)

    assert shares.keys() == sizes.keys()
    assert sum(shares.values()) == pytest.approx(1.0 if any(sizes.values()) else 0.0)
    assert all(shares[task] == 0 for task, size in sizes.items() if not size)


def test_the_strategies_give_what_they_say() -> None:
    sizes = {"large": 9000, "small": 1000}

    def large(strategy: str, **how: object) -> float:
        return planned_shares(ShareRule(strategy, **how), sizes)["large"]  # type: ignore[arg-type]

    assert large("proportional") == pytest.approx(0.9)
    assert large("uniform") == pytest.approx(0.5)
    assert large("temperature", temperature=2.0) == pytest.approx(0.75)  # 3 to 1
    assert large("temperature", temperature=1.0, cap=4000) == pytest.approx(0.8)
    assert large("fixed", fixed={"large": 1, "small": 3}) == pytest.approx(0.25)


def test_annealing_goes_from_one_strategy_to_the_other() -> None:
    curves = share_curves(ShareRule("annealed"), {"large": 9, "small": 1}, points=3)

    assert curves["large"] == pytest.approx([0.9, 0.7, 0.5])


def test_exposures_count_every_task_that_labels_a_text() -> None:
    overlap = task_overlap([(frozenset("a"), 3), (frozenset("ab"), 1)], ["a", "b"])

    seen = exposures({"a": 0.5, "b": 0.5}, overlap)

    assert overlap == {"a": {"a": 1.0, "b": 0.25}, "b": {"a": 1.0, "b": 1.0}}
    # Of two texts one is drawn for a (a quarter of those have b, too), one for b (all have a).
    assert seen == pytest.approx({"a": 2 / 3.25, "b": 1.25 / 3.25})
