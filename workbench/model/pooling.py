"""From one vector per piece to one vector per text. Padding never counts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Pooling = Callable[[Tensor, Tensor], Tensor]
"""From the last layer `(batch, seq, hidden)` and the mask `(batch, seq)` to `(batch, hidden)`."""


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average the piece vectors of each text, leaving padding out.

    Args:
        hidden: Last layer of the backbone, `(batch, seq, hidden)`.
        mask: 1 for a piece, 0 for padding, `(batch, seq)`.

    Returns:
        One vector per text, `(batch, hidden)`.

    Source: Reimers and Gurevych 2019, Sentence-BERT, section 3.
    """
    weights = mask.unsqueeze(-1).to(hidden.dtype)  # (batch, seq, 1)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


def cls_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Take the vector of each text's first piece, wherever padding was put.

    Args:
        hidden: Last layer of the backbone, `(batch, seq, hidden)`.
        mask: 1 for a piece, 0 for padding, `(batch, seq)`.

    Returns:
        One vector per text, `(batch, hidden)`.

    Source: Devlin et al. 2019, BERT, section 3.
    """
    first = mask.argmax(dim=1)  # (batch,)
    return hidden[torch.arange(len(hidden), device=hidden.device), first]


def max_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Take the largest value of each dimension over the real pieces.

    Args:
        hidden: Last layer of the backbone, `(batch, seq, hidden)`.
        mask: 1 for a piece, 0 for padding, `(batch, seq)`.

    Returns:
        One vector per text, `(batch, hidden)`.

    Source: Reimers and Gurevych 2019, Sentence-BERT, section 3.
    """
    lowest = torch.finfo(hidden.dtype).min
    return hidden.masked_fill(mask.unsqueeze(-1) == 0, lowest).amax(dim=1)


POOLINGS: dict[str, Pooling] = {"mean": mean_pool, "cls": cls_pool, "max": max_pool}
