"""A mean of all layers whose weights are learned: which of them a task reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LayerMix(nn.Module):
    """Softmax weights over the layers, the embeddings included, times one factor.

    Begins as the plain mean. Its values are outside weight decay, which would draw it back there.

    Source: Peters et al. 2018, Deep contextualized word representations, equation 1.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(layers))
        self.scale = nn.Parameter(torch.ones(()))
        for parameter in self.parameters():
            parameter.no_decay = True  # type: ignore[attr-defined]  # read by the optimizer's groups

    @property
    def shares(self) -> tuple[float, ...]:
        """How much of each layer is in the mean, embeddings first; their sum is 1."""
        shares: list[float] = self.weights.detach().float().softmax(dim=0).tolist()
        return tuple(shares)

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """Mix the layers.

        Args:
            layers: Embeddings, then each layer, each `(batch, seq, hidden)`.

        Returns:
            `(batch, seq, hidden)`.
        """
        shares = self.weights.float().softmax(dim=0)
        mixed = torch.zeros((), device=shares.device)
        for share, layer in zip(shares, layers, strict=True):
            mixed = mixed + share * layer
        return (self.scale * mixed).to(layers[-1].dtype)
