from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from builders import LABELS, a_model, an_encoded_example
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workbench.config.model import PoolingPart
from workbench.data.batching import Batch, collate, pad
from workbench.inference.predictor import Predictor
from workbench.model.backbone import load_backbone
from workbench.model.building import HeadSettings, build_model
from workbench.model.folder import ModelDescription
from workbench.model.multitask import MultiTaskModel
from workbench.model.pooling import (
    ACTIVATIONS,
    LEARNED_POOLINGS,
    POOLINGS,
    PoolingSettings,
    TextPooling,
)

SINGLE = [PoolingSettings((part,)) for part in (*POOLINGS, *LEARNED_POOLINGS)]
SIDE_BY_SIDE = [PoolingSettings(pair) for pair in combinations(get_args(PoolingPart), 2)]
DRESSED = [
    PoolingSettings(("mean",), normalize=True),
    PoolingSettings(("cls", "attention"), projection=3),
    PoolingSettings(("attention",), projection=7, activation="linear", normalize=True),
]
FAMILY = [*SINGLE, *SIDE_BY_SIDE, *DRESSED]
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 0.0}
"""What is summed in float32 and then rounded to bfloat16 comes out the same to the last bit."""


def a_pooling(settings: PoolingSettings, width: int = 5) -> TextPooling:
    torch.manual_seed(1)
    pooling = TextPooling(width, settings)
    with torch.no_grad():
        for parameter in pooling.parameters():
            parameter.mul_(5.0)  # so that what is learned says something
    return pooling


def pooled_with_gradient(
    pooling: TextPooling, hidden: Tensor, mask: Tensor, rows: slice
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The vectors of some texts, and the gradients of their sum, in hidden and in parameters."""
    hidden = hidden.clone().requires_grad_()
    pooling.zero_grad()
    vectors = pooling(hidden, mask)[rows]
    (vectors * torch.arange(1.0, 1 + vectors.shape[-1])).sum().backward()
    assert hidden.grad is not None
    return (
        vectors.detach(),
        hidden.grad,
        [p.grad for p in pooling.parameters() if p.grad is not None],
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "family",
    [*([one] for one in (*SINGLE, *DRESSED)), SIDE_BY_SIDE],
    ids=lambda family: family[0].words if len(family) == 1 else "side by side",
)
@settings(max_examples=30)
@given(
    data=st.data(),
    length=st.integers(1, 6),
    left=st.integers(0, 4),
    right=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_padding_and_batch_mates_change_neither_vector_nor_gradient(
    family: list[PoolingSettings],
    dtype: torch.dtype,
    data: st.DataObject,
    length: int,
    left: int,
    right: int,
    seed: int,
) -> None:
    one = data.draw(st.sampled_from(family))
    random = torch.Generator().manual_seed(seed)
    # All below 0: max must not fill 0.
    hidden = (torch.randn(1, length, 5, generator=random) - 3.0).to(dtype)
    # The text among rubbish, beside two other texts.
    padded = (1e4 * torch.randn(3, left + length + right, 5, generator=random)).to(dtype)
    padded[1, left : left + length] = hidden[0]
    mask = torch.ones(3, left + length + right, dtype=torch.int64)
    mask[1] = 0
    mask[1, left : left + length] = 1
    pooling = a_pooling(one)

    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        plain = pooled_with_gradient(
            pooling, hidden, torch.ones(1, length, dtype=torch.int64), slice(0, 1)
        )
        pooled = pooled_with_gradient(pooling, padded, mask, slice(1, 2))

    close = {"atol": TOLERANCE[dtype], "rtol": TOLERANCE[dtype]}
    assert torch.allclose(pooled[0], plain[0], **close)
    assert torch.allclose(pooled[1][1, left : left + length], plain[1][0], **close)
    outside = pooled[1].clone()
    outside[1, left : left + length] = 0
    assert not outside.any()
    for mine, alone in zip(pooled[2], plain[2], strict=True):
        assert torch.allclose(mine, alone, atol=1e-4, rtol=1e-4)


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


def test_attention_weighs_pieces_by_their_product_with_the_query() -> None:
    pooling = a_pooling(PoolingSettings(("attention",)), width=4)
    with torch.no_grad():
        pooling.learned["attention"].query.copy_(torch.tensor([2.0, 0.0, 0.0, 0.0]))  # type: ignore[union-attr]  # a module
    hidden = torch.tensor([[[0.0, 1, 0, 0], [1.0, 0, 0, 0], [99.0, 0, 0, 0]]])

    pooled = pooling(hidden, torch.tensor([[1, 1, 0]]))

    second = float(torch.tensor(1.0).sigmoid())  # scores 0 and 2 / sqrt(4)
    assert pooled[0].tolist() == pytest.approx([second, 1 - second, 0, 0])


def test_parts_stand_side_by_side_are_projected_and_then_scaled() -> None:
    hidden, mask = torch.randn(2, 4, 5), torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    pooling = a_pooling(PoolingSettings(("max", "mean"), projection=3, normalize=True))
    assert pooling.projection is not None

    pooled = pooling(hidden, mask)

    both = torch.cat([POOLINGS["max"](hidden, mask), POOLINGS["mean"](hidden, mask)], dim=1)
    dense = torch.tanh(pooling.projection(both))
    assert torch.allclose(pooled, dense / dense.norm(dim=1, keepdim=True), atol=1e-6)
    assert pooling.width == pooled.shape[1] == 3


@pytest.mark.parametrize("one", FAMILY, ids=lambda one: one.words)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_poolings_keep_half_precision_finite(one: PoolingSettings, dtype: torch.dtype) -> None:
    pooling = a_pooling(one, width=3).to(dtype)

    pooled = pooling(torch.randn(2, 4, 3).to(dtype), torch.tensor([[1, 0, 0, 0], [1] * 4]))

    assert pooled.dtype == dtype
    assert pooled.isfinite().all()


@pytest.mark.parametrize("one", [*SINGLE, *DRESSED], ids=lambda one: one.words)
def test_the_vector_of_a_text_is_the_same_alone_and_beside_a_longer_one(
    one: PoolingSettings, bert: Path
) -> None:
    # With a mean that counts padding, 0.39 was the cosine of a text with itself.
    predictor = Predictor(a_model(bert, pooling=one))
    texts = ["Great movie.", "The rain in Turin, which nobody had asked for, went on and on again."]

    alone, beside = predictor.encode(texts[:1])[0], predictor.encode(texts)[0]

    assert np.abs(alone - beside).max() < 1e-5


@pytest.mark.parametrize("one", [*SINGLE, *DRESSED], ids=lambda one: one.words)
def test_more_padding_than_needed_changes_no_vector(one: PoolingSettings, bert: Path) -> None:
    loaded = a_model(bert, pooling=one)
    ids, mask = pad([piece.ids for piece in loaded.tokenizer.pieces(["Great movie."])], 0)
    more = torch.nn.functional.pad(ids, (0, 30)), torch.nn.functional.pad(mask, (0, 30))

    with torch.no_grad():
        plain, padded = loaded.model.encode(ids, mask), loaded.model.encode(*more)

    assert torch.allclose(plain, padded, atol=1e-5)


def test_every_pooling_of_the_settings_is_there() -> None:
    assert set(get_args(PoolingPart)) == {*POOLINGS, *LEARNED_POOLINGS}
    assert set(ACTIVATIONS) == {"tanh", "linear"}


# --- Several tasks ------------------------------------------------------------------------------


def a_batch() -> Batch:
    examples = [
        an_encoded_example(3 + n, text_labels={"mood": n % 3, "length": n % 2}) for n in range(4)
    ]
    return collate(examples, range(4), pad_id=0)


def with_poolings(
    bert: Path, shared: PoolingSettings, **own: PoolingSettings | None
) -> MultiTaskModel:
    loaded = load_backbone(str(bert), max_length=48)
    heads = {
        name: HeadSettings("classification", LABELS[name].names, 0.0, pooling=pooling)
        for name, pooling in own.items()
    }
    return build_model(loaded, heads, pooling=shared, seed=3).eval()


def test_each_task_sees_its_own_pooling_and_the_others_the_shared_one(bert: Path) -> None:
    model = with_poolings(
        bert, PoolingSettings(), mood=PoolingSettings(("cls", "max")), length=None
    )
    batch = a_batch()

    with torch.no_grad():
        logits = model(batch)
        hidden = model.hidden(batch.ids, batch.mask)
        own = torch.cat([POOLINGS[name](hidden, batch.mask) for name in ("cls", "max")], dim=1)

        assert torch.allclose(logits["mood"], model.heads["mood"](own), atol=1e-6)
        shared = POOLINGS["mean"](hidden, batch.mask)
        assert torch.allclose(logits["length"], model.heads["length"](shared), atol=1e-6)


def test_a_model_says_whose_vectors_it_gives_where_tasks_differ() -> None:
    own = HeadSettings("classification", ("a", "b"), 0.0, pooling=PoolingSettings(("cls", "max")))
    shared = HeadSettings("classification", ("a", "b"), 0.0)
    alike = ModelDescription("try", PoolingSettings(), 48, {"mood": shared})
    apart = ModelDescription("try", PoolingSettings(), 48, {"mood": shared, "length": own})

    assert alike.which_vectors == ""
    assert "pooled by mean, but those of length (cls + max)" in apart.which_vectors


def test_tasks_that_share_a_pooling_have_it_computed_once(bert: Path) -> None:
    model = with_poolings(bert, PoolingSettings(("attention",)), mood=None, length=None)
    calls: list[object] = []
    model.pooling.register_forward_hook(lambda *given: calls.append(given))

    model(a_batch())

    assert len(calls) == 1


def test_a_task_more_leaves_the_first_weights_of_the_others_poolings(bert: Path) -> None:
    attention = PoolingSettings(("attention",))
    alone = with_poolings(bert, attention, mood=attention)
    beside = with_poolings(bert, attention, length=attention, mood=attention)

    for name, value in alone.poolings["mood"].state_dict().items():
        assert torch.equal(value, beside.poolings["mood"].state_dict()[name])
    assert torch.equal(
        alone.pooling.learned["attention"].query, beside.pooling.learned["attention"].query
    )
    assert not torch.equal(
        beside.poolings["length"].learned["attention"].query,
        beside.poolings["mood"].learned["attention"].query,
    )


def test_what_a_pooling_learns_is_a_part_of_its_own_at_the_rate_of_the_heads(bert: Path) -> None:
    from workbench.model.parts import parts_of
    from workbench.training.optimizer import Rates

    attention = PoolingSettings(("attention",), projection=4)
    model = with_poolings(bert, attention, mood=attention, length=None)

    rates = Rates(backbone=0.1, heads=0.4, tasks={"mood": 0.7}).of(parts_of(model))

    found = {part.name: (part.role, rate) for part, _, rate in rates}
    assert found["pooling"] == ("pooling", 0.4)
    assert found["pooling mood"] == ("pooling", 0.7)
