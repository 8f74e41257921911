from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from workbench.model import attention
from workbench.model.attention import NAME, use_our_attention
from workbench.model.backbone import Backbone, load_backbone
from workbench.model.dropout import CheapDropout, make_dropout_cheap
from workbench.model.packing import Layout, find_packing

FAMILIES = ("bert", "roberta", "electra", "distilbert")


def a_batch(lengths: list[int], *, pad_id: int = 0, left: bool = False) -> tuple[Tensor, Tensor]:
    """Random pieces of texts of these lengths, and their mask."""
    generator = torch.Generator().manual_seed(sum(lengths))
    ids = torch.full((len(lengths), max(lengths)), pad_id)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        place = slice(-length, None) if left else slice(length)
        ids[row, place] = torch.randint(5, 60, (length,), generator=generator)
        mask[row, place] = 1
    return ids, mask


def gradients(backbone: Backbone, ids: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The real vectors and the gradients of a function of them."""
    backbone.zero_grad()
    hidden = backbone(ids, mask)[mask.bool()]
    (hidden.sin() * torch.arange(hidden.shape[-1])).sum().backward()
    found = {name: p.grad for name, p in backbone.named_parameters() if p.grad is not None}
    return hidden.detach(), {name: grad.clone() for name, grad in found.items()}


def modern_bert(local_attention: int = 8) -> Any:
    """An encoder with rotary positions and windows of 4 pieces to either side, by default."""
    torch.manual_seed(3)
    config = transformers.ModernBertConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        local_attention=local_attention,
        global_attn_every_n_layers=2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        cls_token_id=1,
        sep_token_id=2,
        attn_implementation="sdpa",
    )
    return transformers.ModernBertModel(config).eval()


# --- The same results ---------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=8)
@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_packed_and_padded_batches_give_the_same_vectors_and_gradients(
    family: str, backbones: Callable[[str], Path], lengths: list[int]
) -> None:
    loaded = load_backbone(str(backbones(family)), max_length=48)
    backbone, pad_id = loaded.backbone.eval(), loaded.tokenizer.pad_id
    ids, mask = a_batch(lengths, pad_id=pad_id)

    vectors, expected = gradients(backbone, ids, mask)
    assert backbone.pack_batches(pad_id=pad_id)
    packed, found = gradients(backbone, ids, mask)

    torch.testing.assert_close(packed, vectors, rtol=1e-4, atol=1e-4)
    assert found.keys() == expected.keys()
    largest = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in found.items():
        # Some gradients are 0 but for rounding, as the query's where a text has one piece.
        scale = expected[name].abs().max() + 1e-3 * largest
        assert (gradient - expected[name]).abs().max() <= 1e-4 * scale, name


def test_windows_of_attention_are_those_of_the_padded_batch() -> None:
    encoder = modern_bert()
    backbone = Backbone(encoder)
    ids, mask = a_batch([3, 25, 12])
    vectors, _ = gradients(backbone, ids, mask)

    assert backbone.pack_batches(pad_id=0)
    packed, _ = gradients(backbone, ids, mask)

    torch.testing.assert_close(packed, vectors, rtol=1e-4, atol=1e-4)


def test_padding_on_the_left_is_left_out_too(bert: Path) -> None:
    backbone = load_backbone(str(bert), max_length=48).backbone.eval()
    assert backbone.pack_batches(pad_id=0)
    right, left = a_batch([4, 9, 2]), a_batch([4, 9, 2], left=True)

    with torch.no_grad():
        found = [backbone(ids, mask)[mask.bool()] for ids, mask in (right, left)]

    torch.testing.assert_close(*found)


def test_texts_longer_than_the_fused_kernel_waits_for_are_the_same(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = load_backbone(str(bert), max_length=48).backbone.eval()
    assert backbone.pack_batches(pad_id=0)
    ids, mask = a_batch([4, 20])
    with torch.no_grad():
        short = backbone(ids, mask)
        monkeypatch.setattr("workbench.model.attention.LONG", 8)
        long = backbone(ids, mask)

    torch.testing.assert_close(short[mask.bool()], long[mask.bool()])


def test_dropout_in_a_packed_batch_has_the_right_rate(bert: Path) -> None:
    loaded = load_backbone(str(bert), max_length=48)
    backbone = loaded.backbone
    backbone.pack_batches(pad_id=0)
    make_dropout_cheap(backbone, 5).start_step(1)
    assert any(isinstance(module, CheapDropout) for module in backbone.modules())
    ids, mask = a_batch([20] * 40)

    with torch.no_grad():
        expected = backbone.eval()(ids, mask)
        found = torch.stack([backbone.train()(ids, mask) for _ in range(30)])

    assert not torch.equal(found[0], found[1])
    # The mean over many draws is near to the vectors without dropout, and far nearer than one.
    assert (found.mean(0) - expected).norm() < 0.5 * (found[0] - expected).norm()


# --- Where it is not to be had ------------------------------------------------------------------


@pytest.mark.parametrize("local_attention", [8, 128])
def test_an_encoder_whose_windows_are_others_packed_is_not_packed(
    local_attention: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = modern_bert(local_attention)
    assert use_our_attention(encoder)
    assert find_packing(encoder, pad_id=0) is not None
    seen = attention._seen

    monkeypatch.setattr(
        attention, "_seen", lambda layout, window: seen(layout, window and window + 1)
    )

    assert find_packing(encoder, pad_id=0) is None


def test_an_encoder_whose_windows_are_too_wide_to_be_tried_is_not_packed() -> None:
    encoder = modern_bert(4096)
    assert use_our_attention(encoder)

    assert find_packing(encoder, pad_id=0) is None


class Averaging(nn.Module):
    """An encoder whose vectors depend on all that stands in its row."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(64, 8)
        self.config = transformers.BertConfig()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.table

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, position_ids: Any = None
    ) -> Any:
        vectors = self.table(input_ids)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        weights = mask.unsqueeze(-1).float()
        mean = (vectors * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True)
        return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=vectors + mean)


def test_an_encoder_that_cannot_tell_packed_texts_apart_is_not_packed() -> None:
    assert find_packing(Averaging(), pad_id=0) is None


def test_an_encoder_without_the_interface_is_padded(backbones: Callable[[str], Path]) -> None:
    config = transformers.MPNetConfig(
        vocab_size=64,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    backbone = Backbone(transformers.MPNetModel(config).eval())

    assert not backbone.pack_batches(pad_id=1)
    ids, mask = a_batch([3, 5], pad_id=1)
    assert backbone(ids, mask).shape == (2, 5, 32)


def test_our_attention_alone_gives_what_the_librarys_gives(bert: Path) -> None:
    backbone = load_backbone(str(bert), max_length=48).backbone.eval()
    ids, mask = a_batch([3, 20, 12])
    with torch.no_grad():
        expected = backbone(ids, mask)
        assert use_our_attention(backbone.encoder)
        found = backbone(ids, mask)

    assert backbone.config._attn_implementation == NAME
    torch.testing.assert_close(found[mask.bool()], expected[mask.bool()], rtol=1e-4, atol=1e-5)


# --- Layout -------------------------------------------------------------------------------------


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), heads=st.integers(1, 3))
def test_what_is_laid_out_by_head_comes_back(lengths: list[int], heads: int) -> None:
    _, mask = a_batch(lengths)
    layout = Layout(mask)
    values = torch.randn(1, heads, sum(lengths), 2)

    padded = layout.by_head(values)
    back = layout.by_piece(padded)

    assert padded.shape == (len(lengths), heads, max(lengths), 2)
    torch.testing.assert_close(back, values.transpose(1, 2))
    vectors = torch.randn(sum(lengths), 4)
    torch.testing.assert_close(layout.pack(layout.unpack(vectors)), vectors)
