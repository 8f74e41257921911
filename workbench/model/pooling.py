"""From one vector per piece to one vector per text. Padding never counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Pooling = Callable[[Tensor, Tensor], Tensor]
"""From the last layer `(batch, seq, hidden)` and the mask `(batch, seq)` to `(batch, hidden)`."""


@dataclass(frozen=True)
class PoolingSettings:
    """What a text's pooling is built from, as plain values; a checkpoint keeps it."""

    parts: tuple[str, ...] = ("mean",)
    """Names in `POOLINGS` or `LEARNED_POOLINGS`; their vectors stand side by side."""
    projection: int = 0
    """Size of the dense layer after them; 0 for none."""
    activation: str = "tanh"
    """A name in `ACTIVATIONS`, of the dense layer."""
    normalize: bool = False

    @property
    def words(self) -> str:
        """What it does, in a few words: `mean + max, 64 tanh, length 1`."""
        dense = [f"{self.projection} {self.activation}"] if self.projection else []
        length = ["length 1"] if self.normalize else []
        return ", ".join([" + ".join(self.parts), *dense, *length])


class TextPooling(nn.Module):
    """One or several poolings side by side, then perhaps a dense layer, then perhaps length 1.

    Guarantees that padding, its side and its amount change neither a vector nor a gradient.
    """

    def __init__(self, hidden_size: int, settings: PoolingSettings) -> None:
        super().__init__()
        self.settings = settings
        self.learned = nn.ModuleDict(
            {
                name: LEARNED_POOLINGS[name](hidden_size)
                for name in settings.parts
                if name in LEARNED_POOLINGS
            }
        )
        width = hidden_size * len(settings.parts)
        self.projection = nn.Linear(width, settings.projection) if settings.projection else None
        self.width = settings.projection or width
        """Length of a text's vector."""

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """One vector per text.

        Args:
            hidden: Vectors of the pieces, `(batch, seq, hidden)`.
            mask: 1 for a piece, 0 for padding, `(batch, seq)`.

        Returns:
            `(batch, width)`.
        """
        vectors = [
            self.learned[name](hidden, mask)
            if name in self.learned
            else POOLINGS[name](hidden, mask)
            for name in self.settings.parts
        ]
        pooled = vectors[0] if len(vectors) == 1 else torch.cat(vectors, dim=-1)
        if self.projection is not None:
            pooled = ACTIVATIONS[self.settings.activation](self.projection(pooled))
        if self.settings.normalize:
            pooled = nn.functional.normalize(pooled.float(), dim=-1).to(pooled.dtype)
        return pooled


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average the piece vectors of each text, leaving padding out.

    Args:
        hidden: Last layer of the backbone, `(batch, seq, hidden)`.
        mask: 1 for a piece, 0 for padding, `(batch, seq)`.

    Returns:
        One vector per text, `(batch, hidden)`.

    Source: Reimers and Gurevych 2019, Sentence-BERT, section 3.
    """
    total, count = _sum_and_count(hidden, mask)
    return (total / count).to(hidden.dtype)


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
    total, count = _sum_and_count(hidden, mask)
    return (total / count.sqrt()).to(hidden.dtype)


def weighted_mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average the real pieces, the n-th with weight n: for models that read left to right.

    Args:
        hidden: Last layer of the backbone, `(batch, seq, hidden)`.
        mask: 1 for a piece, 0 for padding, `(batch, seq)`.

    Returns:
        One vector per text, `(batch, hidden)`.

    Source: Muennighoff 2022, SGPT, section 3.1.
    """
    places = (mask.cumsum(dim=1) * mask).unsqueeze(-1).float()  # (batch, seq, 1)
    total = (hidden.float() * places).sum(dim=1)  # (batch, hidden)
    return (total / places.sum(dim=1).clamp(min=1.0)).to(hidden.dtype)


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


class AttentionPooling(nn.Module):
    """An average whose weights come from a query that is learned.

    Source: Yang et al. 2016, Hierarchical attention networks, section 2.2, without the layer
    before the query: the backbone is that.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        # Small, so that it begins near to the plain mean.
        self.query = nn.Parameter(0.02 * torch.randn(hidden_size))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """As the functions above; in float32 inside autocast, too."""
        with torch.autocast(hidden.device.type, enabled=False):
            vectors = hidden.float()
            scores = vectors @ self.query.float() / hidden.shape[-1] ** 0.5  # (batch, seq)
            # Before the softmax: a weight of 0 given afterwards would leave the others too small.
            scores = scores.masked_fill(mask == 0, torch.finfo(scores.dtype).min)
            weights = scores.softmax(dim=-1).unsqueeze(-1)  # (batch, seq, 1)
            pooled: Tensor = (vectors * weights).sum(dim=1)
        return pooled.to(hidden.dtype)


def _sum_and_count(hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Sum over the real pieces, `(batch, hidden)`, and their number, `(batch, 1)`, in float32.

    A sum in half precision would depend on how much padding its terms are cut into.
    """
    total = (hidden * mask.unsqueeze(-1).to(hidden.dtype)).sum(dim=1, dtype=torch.float32)
    return total, mask.sum(dim=1, keepdim=True).clamp(min=1).float()


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

LEARNED_POOLINGS: dict[str, type[AttentionPooling]] = {"attention": AttentionPooling}
"""Those with parameters, by name."""

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "linear": lambda values: values,
}
"""What follows a dense layer, by name."""
