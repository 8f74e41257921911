from __future__ import annotations

from pathlib import Path

import pytest
import torch
from builders import a_model

from workbench.model.attention import use_our_attention
from workbench.model.dropout import CheapDropout, MaskSource, make_dropout_cheap


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_the_share_and_the_scale_are_those_of_dropout(p: float) -> None:
    drop = CheapDropout(p, MaskSource(3)).train()
    values = torch.ones(1000, 401)

    found = drop(values)

    assert (found == 0).float().mean().item() == pytest.approx(p, abs=0.003)
    assert found.mean().item() == pytest.approx(1.0, abs=0.02)
    if p < 1:
        assert found.max().item() == pytest.approx(1 / (1 - p), rel=1e-3)


def test_elements_are_dropped_independently() -> None:
    drop = CheapDropout(0.5, MaskSource(3)).train()
    kept = (drop(torch.ones(400_000)) > 0).float()

    for distance in (1, 2, 3, 4, 401):  # four elements come from one draw
        neighbours = torch.corrcoef(torch.stack([kept[:-distance], kept[distance:]]))

        assert abs(neighbours[0, 1].item()) < 0.01


def test_masks_are_a_function_of_seed_and_step() -> None:
    def mask(seed: int, step: int) -> torch.Tensor:
        source = MaskSource(seed)
        source.start_step(step)
        return CheapDropout(0.5, source).train()(torch.ones(64))

    assert torch.equal(mask(1, 5), mask(1, 5))
    assert not torch.equal(mask(1, 5), mask(1, 6))
    assert not torch.equal(mask(1, 5), mask(2, 5))


def test_two_dropouts_of_one_step_have_masks_of_their_own() -> None:
    source = MaskSource(1)
    first, second = CheapDropout(0.5, source), CheapDropout(0.5, source)

    assert not torch.equal(first(torch.ones(64)), second(torch.ones(64)))


def test_evaluation_drops_nothing() -> None:
    values = torch.randn(5, 7)

    assert torch.equal(CheapDropout(0.5, MaskSource(1)).eval()(values), values)


def test_attention_without_dropout_is_that_of_the_library(bert: Path) -> None:
    loaded = a_model(bert)
    model = loaded.model.eval()
    ids = torch.tensor([[2, 40, 41, 42, 3], [2, 43, 3, 0, 0]])
    mask = (ids != 0).long()
    before = model.encode(ids, mask)

    make_dropout_cheap(model, 1)
    assert use_our_attention(model.backbone.encoder)
    after = model.eval().encode(ids, mask)

    assert torch.allclose(before, after, atol=1e-6)


def test_attention_in_training_differs_from_evaluation_by_its_dropout_alone(bert: Path) -> None:
    model = a_model(bert).model
    ids = torch.tensor([[2, 40, 41, 42, 3], [2, 43, 3, 0, 0]])
    mask = (ids != 0).long()
    make_dropout_cheap(model, 1)
    assert use_our_attention(model.backbone.encoder)
    expected = model.eval().encode(ids, mask)
    for module in model.modules():
        if isinstance(module, CheapDropout):
            module._levels = 1  # one element in 65,536: our own path is taken, nothing is dropped

    found = model.train().encode(ids, mask)

    assert torch.allclose(expected, found, atol=1e-4)
