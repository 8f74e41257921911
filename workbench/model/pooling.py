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


def min_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Take the smallest value of each dimension over the real pieces.

    Args:
        hidden: Last layer of the backbone, `(batch, seq, hidden)`.
        mask: 1 for a piece, 0 for padding, `(batch, seq)`.

    Returns:
        One vector per text, `(batch, hidden)`.

    Source: De Boom et al. 2016, Representation learning for very short texts, section 3.
    """
    highest = torch.finfo(hidden.dtype).max
    return hidden.masked_fill(mask.unsqueeze(-1) == 0, highest).amin(dim=1)


def mean_sqrt_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Add up the real pieces and divide by the square root of their number.

    Longer texts get longer vectors, but less so than by a sum.

    Args:
        hidden: Last layer of the backbone, `(batch, seq, hidden)`.
        mask: 1 for a piece, 0 for padding, `(batch, seq)`.

    Returns:
        One vector per text, `(batch, hidden)`.

    Source: Cer et al. 2018, Universal Sentence Encoder, section 3.1.
    """
    weights = mask.unsqueeze(-1).to(hidden.dtype)  # (batch, seq, 1)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0).sqrt()


def weighted_mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average the real pieces, the n-th with weight n: for models that read left to right.

    Args:
        hidden: Last layer of the backbone, `(batch, seq, hidden)`.
        mask: 1 for a piece, 0 for padding, `(batch, seq)`.

    Returns:
        One vector per text, `(batch, hidden)`.

    Source: Muennighoff 2022, SGPT, section 3.1.
    """
    places = (mask.cumsum(dim=1) * mask).unsqueeze(-1).to(hidden.dtype)  # (batch, seq, 1)
    return (hidden * places).sum(dim=1) / places.sum(dim=1).clamp(min=1.0)


def last_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Take the vector of each text's last piece, wherever padding was put.

    Args:
        hidden: Last layer of the backbone, `(batch, seq, hidden)`.
        mask: 1 for a piece, 0 for padding, `(batch, seq)`.

    Returns:
        One vector per text, `(batch, hidden)`.

    Source: Neelakantan et al. 2022, Text and code embeddings by contrastive pre-training.
    """
    last = mask.shape[1] - 1 - mask.flip(dims=[1]).argmax(dim=1)  # (batch,)
    return hidden[torch.arange(len(hidden), device=hidden.device), last]


POOLINGS: dict[str, Pooling] = {
    "mean": mean_pool,
    "cls": cls_pool,
    "max": max_pool,
    "min": min_pool,
    "mean_sqrt": mean_sqrt_pool,
    "weighted_mean": weighted_mean_pool,
    "last": last_pool,
}
"""By name, as in the config."""
