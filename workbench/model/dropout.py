"""Dropout whose random numbers cost little on a CPU.

torch draws one number after the other for each element there, a tenth of a training step. Here one
64-bit draw serves four elements: another stream of the same distribution. What is dropped is a pure
function of the run's seed and the step, so nothing of it needs to be kept to resume a run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 1 << 16
ATTENTION = "workbench_cpu"
"""Name of the attention function below, as `transformers` knows it."""


class MaskSource:
    """Where the masks of a model come from; all its dropouts share one."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.start_step(0)

    def start_step(self, step: int) -> None:
        """From here on draw what belongs to this step."""
        self._bits = np.random.SFC64([self._seed, step])

    def keep(self, like: Tensor, dropped_levels: int) -> Tensor:
        """Which elements stay: a boolean tensor shaped as `like`."""
        count = like.numel()
        draws = self._bits.random_raw(-(-count // 4)).view(np.int16)[:count]
        bound = dropped_levels - LEVELS // 2
        return (torch.from_numpy(draws) >= bound).view(like.shape)


class CheapDropout(nn.Module):
    """Drops each element with probability `p`, rounded to 1 in 65,536, and scales the rest.

    The expected value of each element is exactly its own, as the scale fits the rounded rate.
    """

    def __init__(self, p: float, source: MaskSource) -> None:
        super().__init__()
        self.p = p
        self._source = source
        self._levels = min(round(p * LEVELS), LEVELS - 1)

    def forward(self, values: Tensor) -> Tensor:
        """Drop in training, pass through in evaluation; any shape."""
        if not self.training or self._levels == 0:
            return values
        keep = self._source.keep(values, self._levels)
        return values * keep.to(values.dtype).mul_(LEVELS / (LEVELS - self._levels))


def make_dropout_cheap(model: nn.Module, encoder: Any, seed: int) -> MaskSource:
    """Exchange the dropouts of a model that trains on a CPU, attention's included.

    Args:
        model: All of it.
        encoder: The `transformers` model inside, whose attention drops out by itself.
        seed: Of the run.

    Returns:
        To be told of each step.
    """
    source = MaskSource(seed)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Dropout:
                setattr(module, name, CheapDropout(child.p, source))
    if _has_plain_attention(encoder):
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import sdpa_mask

        AttentionInterface.register(ATTENTION, _attend)
        AttentionMaskInterface.register(ATTENTION, sdpa_mask)
        encoder.set_attn_implementation(ATTENTION)
    return source


def _has_plain_attention(encoder: Any) -> bool:
    """Whether the encoder takes another attention function, and has a dropout to be replaced."""
    if not getattr(encoder, "_supports_attention_backend", False):
        return False
    return encoder.config._attn_implementation == "sdpa" and any(
        isinstance(getattr(module, "dropout", None), CheapDropout) and hasattr(module, "is_causal")
        for module in encoder.modules()
    )


def _attend(
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
        query: `(batch, heads, seq, head size)`.
        key: The same.
        value: The same.
        attention_mask: True where a position is seen, `(batch, 1, seq, seq)`, or None.
        dropout: 0 in evaluation.
        scaling: Of the scores.
        **kwargs: What other models pass; with any of it the library's own function is used.
    """
    drop = getattr(module, "dropout", None)
    unusual = module.is_causal or kwargs.get("position_bias") is not None
    if not dropout or unusual or not isinstance(drop, CheapDropout):
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **kwargs
        )
        return output, None
    scores = torch.matmul(query, key.transpose(-1, -2))  # (batch, heads, seq, seq)
    scores = scores * (scaling if scaling is not None else query.shape[-1] ** -0.5)
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    weights = drop(functional.softmax(scores, dim=-1))
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), None
