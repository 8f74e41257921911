from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from builders import a_model
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.batching import pad
from workbench.inference.predictor import Predictor
from workbench.model.pooling import POOLINGS


@pytest.mark.parametrize("mode", POOLINGS)
@given(
    length=st.integers(1, 6),
    left=st.integers(0, 4),
    right=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_padding_its_side_and_its_amount_do_not_change_the_pooled_vector(
    mode: str, length: int, left: int, right: int, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    hidden = torch.randn(2, length, 5, generator=random) - 3.0  # all below 0: max must not fill 0
    rubbish = 1e4 * torch.randn(2, left + length + right, 5, generator=random)
    padded = rubbish.clone()
    padded[:, left : left + length] = hidden
    mask = torch.zeros(2, left + length + right, dtype=torch.int64)
    mask[:, left : left + length] = 1

    plain = POOLINGS[mode](hidden, torch.ones(2, length, dtype=torch.int64))
    pooled = POOLINGS[mode](padded, mask)

    assert torch.allclose(pooled, plain, atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("mean", [2.0, 1.0]),
        ("cls", [1.0, -1.0]),
        ("max", [3.0, 3.0]),
        ("min", [1.0, -1.0]),
        ("mean_sqrt", [4.0 / 2**0.5, 2.0 / 2**0.5]),
        ("weighted_mean", [7.0 / 3.0, 5.0 / 3.0]),
        ("last", [3.0, 3.0]),
    ],
)
def test_poolings_compute_what_they_say(mode: str, expected: list[float]) -> None:
    hidden = torch.tensor([[[1.0, -1.0], [3.0, 3.0], [9.0, 9.0]]])

    pooled = POOLINGS[mode](hidden, torch.tensor([[1, 1, 0]]))

    assert pooled[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("mode", POOLINGS)
def test_no_gradient_reaches_padding(mode: str) -> None:
    hidden = torch.randn(2, 4, 3, requires_grad=True)
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])

    POOLINGS[mode](hidden, mask).sum().backward()

    assert hidden.grad is not None
    assert hidden.grad[0, 2:].abs().sum() == 0


@pytest.mark.parametrize("mode", POOLINGS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_poolings_keep_half_precision_finite(mode: str, dtype: torch.dtype) -> None:
    pooled = POOLINGS[mode](torch.randn(2, 4, 3).to(dtype), torch.tensor([[1, 0, 0, 0], [1] * 4]))

    assert pooled.dtype == dtype
    assert pooled.isfinite().all()


@pytest.mark.parametrize("mode", POOLINGS)
def test_the_vector_of_a_text_is_the_same_alone_and_beside_a_longer_one(
    mode: str, bert: Path
) -> None:
    # With the seed's mean, 0.39 was the cosine of a text with itself.
    predictor = Predictor(a_model(bert, pooling=mode))
    texts = ["Great movie.", "The rain in Turin, which nobody had asked for, went on and on again."]

    alone, beside = predictor.encode(texts[:1])[0], predictor.encode(texts)[0]

    assert np.abs(alone - beside).max() < 1e-5


@pytest.mark.parametrize("mode", POOLINGS)
def test_more_padding_than_needed_changes_no_vector(mode: str, bert: Path) -> None:
    loaded = a_model(bert, pooling=mode)
    ids, mask = pad([piece.ids for piece in loaded.tokenizer.pieces(["Great movie."])], 0)
    more = torch.nn.functional.pad(ids, (0, 30)), torch.nn.functional.pad(mask, (0, 30))

    with torch.no_grad():
        plain, padded = loaded.model.encode(ids, mask), loaded.model.encode(*more)

    assert torch.allclose(plain, padded, atol=1e-5)
