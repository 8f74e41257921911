"""What the heads that label a text, or two, have in common: the layers from vector to scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.data.batching import Targets
from workbench.model.heads.head import Head

PAIR_WIDTH = 4
"""How many times as wide as one vector the comparison of two is."""


def compare(vectors: Tensor) -> Tensor:
    """Two vectors as one: u, v, what they differ by, and their product.

    Args:
        vectors: `(pairs, 2, hidden)`.

    Returns:
        `(pairs, 4 * hidden)`.

    Source: Conneau et al. 2017, Supervised learning of universal sentence representations,
    section 3.1.
    """
    first, second = vectors.unbind(dim=1)
    return torch.cat([first, second, (first - second).abs(), first * second], dim=1)


class TextHead(Head):
    """Dropout, perhaps a hidden layer, and a linear layer over the vector of a text or of two.

    Two texts that are read as one have one vector; read one by one they are compared.
    """

    def __init__(
        self,
        vector_size: int,
        *,
        outputs: int,
        dropout: float,
        hidden_size: int = 0,
        pair: str | None = None,
    ) -> None:
        super().__init__()
        self.pair = pair
        width = vector_size * (PAIR_WIDTH if pair == "two" else 1)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(width, hidden_size) if hidden_size else None
        self.linear = nn.Linear(hidden_size or width, outputs)

    def forward(self, vectors: Tensor, targets: Targets | None = None) -> Tensor:
        """Scores of each text or pair.

        Args:
            vectors: Pooled vectors of the labelled texts, `(texts, hidden)`, or
                `(texts, 2, hidden)`.
            targets: Not needed here.

        Returns:
            `(texts, outputs)`.
        """
        if self.pair == "two":
            vectors = compare(vectors)
        vectors = self.dropout(vectors)
        if self.hidden is not None:
            vectors = self.dropout(functional.gelu(self.hidden(vectors)))
        logits: Tensor = self.linear(vectors)
        return logits
