from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.sampling import epoch_batches, steps_per_epoch

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
