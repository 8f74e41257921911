"""Nested values and tensors survive being written, to the last bit."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from workbench.errors import CheckpointError
from workbench.training.reproducibility import RandomStreams, undisturbed
from workbench.training.state import is_same, read_state, write_state

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
tensors = some.builds(
    lambda dtype, shape, seed: torch.randint(
        0, 2, shape, generator=torch.Generator().manual_seed(seed)
    ).to(dtype),
    some.sampled_from(DTYPES),
    some.lists(some.integers(0, 3), max_size=3),
    some.integers(0, 99),
)
leaves = (
    some.none()
    | some.booleans()
    | some.integers(-(2**70), 2**70)
    | some.floats(allow_nan=False)
    | some.text(max_size=5)
    | tensors
)
nested = some.recursive(
    leaves,
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(some.text(alphabet="ab.é \n", max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(state=some.dictionaries(some.sampled_from(["one", "two"]), nested))
def test_whatever_a_state_holds_is_read_back_as_it_was(
    state: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("state")

    write_state(state, folder)

    assert is_same(read_state(folder), state)


def test_numbers_that_are_not_finite_are_kept(tmp_path: Path) -> None:
    write_state({"one": {"nan": math.nan, "inf": [math.inf, -math.inf]}}, tmp_path)

    found = read_state(tmp_path)["one"]

    assert math.isnan(found["nan"])
    assert found["inf"] == [math.inf, -math.inf]


@pytest.mark.parametrize("wrong", [{1: 2}, {"set": {1, 2}}, {"array": np.zeros(2)}])
def test_what_cannot_be_written_is_an_error_and_never_pickled(
    wrong: dict[Any, Any], tmp_path: Path
) -> None:
    with pytest.raises(TypeError):
        write_state({"one": wrong}, tmp_path)


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
@pytest.mark.parametrize("content", [b"", b"{", b"\x80\x04cos\nsystem\n."])
def test_nonsense_is_an_error_of_ours(name: str, content: bytes, tmp_path: Path) -> None:
    write_state({"one": {"tensor": torch.ones(2)}}, tmp_path)
    (tmp_path / name).write_bytes(content)

    with pytest.raises(CheckpointError, match="training state cannot be read"):
        read_state(tmp_path)


def drawn() -> list[float]:
    return [random.random(), float(np.random.rand()), float(torch.rand(())), random.gauss(0, 1)]


def test_random_streams_go_on_where_they_were(tmp_path: Path) -> None:
    random.gauss(0, 1)  # so that half of a pair waits
    np.random.randn()
    write_state({"random": RandomStreams().state()}, tmp_path)
    expected = [drawn(), float(np.random.randn())]
    drawn()

    RandomStreams().restore(read_state(tmp_path)["random"])

    assert [drawn(), float(np.random.randn())] == expected


def test_what_draws_undisturbed_leaves_no_trace() -> None:
    state = RandomStreams().state()

    with undisturbed():
        drawn()

    assert is_same(RandomStreams().state(), state)
