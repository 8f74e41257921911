"""Attention as plain matrix products, with cheap dropout, and for batches without padding.

`transformers` lets any function stand in for the attention of its encoders. At the lengths of
sentences the products that it is made of are quicker on a CPU than torch's fused kernel, which is
made for long texts; those go to torch's still.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workbench.model.dropout import CheapDropout
from workbench.model.packing import LAYOUT, Layout

NAME = "workbench"
"""Of the attention function below, as `transformers` knows it."""
LONG = 256
"""From this many pieces on the fused kernel is used: its memory does not grow with the square."""


def use_our_attention(encoder: Any) -> bool:
    """Have an encoder attend with the function below; whether it can."""
    if not getattr(encoder, "_supports_attention_backend", False):
        return False
    if encoder.config._attn_implementation not in ("sdpa", NAME):
        return False
    if any(getattr(module, "is_causal", False) is True for module in encoder.modules()):
        return False  # it reads left to right, and the library knows best how
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, _mask)
    encoder.set_attn_implementation(NAME)
    return True


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention with the module's own dropout.

    Args:
        module: The attention layer.
        query: `(batch, heads, seq, head size)`; of a packed batch `(1, heads, pieces, head size)`.
        key: The same.
        value: The same.
        attention_mask: True where a position is seen, `(batch, 1, seq, seq)`, or None.
        dropout: 0 in evaluation.
        scaling: Of the scores.
        **kwargs: What other models pass; with any of it the library's own function is used.

    Returns:
        `(batch, seq, heads, head size)`, or `(1, pieces, heads, head size)`.

    Raises:
        ValueError: A packed batch meets a layer that attends in another way.
    """
    layout = LAYOUT.get()
    is_unusual = module.is_causal or kwargs.get("position_bias") is not None
    if layout is not None:
        if is_unusual or attention_mask is not None or key.shape != query.shape:
            raise ValueError("this attention takes no packed batch")
        query, key, value = (layout.by_head(states) for states in (query, key, value))
        attention_mask = _seen(layout, kwargs.get("sliding_window"))
    if is_unusual or query.shape[2] > LONG or not _drops_by_itself(module, dropout):
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **kwargs
        )
    else:
        # Scaled before the product: the query is smaller than the scores.
        query = query * (scaling if scaling is not None else query.shape[-1] ** -0.5)
        scores = torch.matmul(query, key.transpose(-1, -2))  # (batch, heads, seq, seq)
        if attention_mask is not None:
            scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
        weights = functional.softmax(scores, dim=-1)
        if dropout:
            weights = module.dropout(weights)
        output = torch.matmul(weights, value).transpose(1, 2)
    if layout is not None:
        return layout.by_piece(output.transpose(1, 2)), None
    return output.contiguous(), None


def _drops_by_itself(module: Any, dropout: float) -> bool:
    """Whether all dropout that is wanted is the module's own, or none is."""
    return not dropout or isinstance(getattr(module, "dropout", None), CheapDropout)


def _seen(layout: Layout, window: int | None) -> Tensor | None:
    """True where a piece is seen by another of its text, or None if all are."""
    length = layout.mask.shape[1]
    seen = ~layout.unseen if layout.is_ragged else None
    if window is not None and length > window:
        place = torch.arange(length, device=layout.mask.device)
        near = ((place[:, None] - place[None, :]).abs() < window)[None, None]
        seen = near if seen is None else seen & near
    return seen


def _mask(*args: Any, **kwargs: Any) -> Tensor | None:
    """The mask that `attend` is given: none for a packed batch, whose layout says it all."""
    if LAYOUT.get() is not None:
        return None
    from transformers.masking_utils import sdpa_mask

    mask: Tensor | None = sdpa_mask(*args, **kwargs)
    return mask
