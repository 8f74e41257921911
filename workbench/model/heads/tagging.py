"""One tag per word, from the vector of the word's first piece."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from workbench.data.batching import Targets, WordTargets


class TaggingHead(nn.Module):
    """Dropout and one linear layer over the first piece of each word."""

    def __init__(self, hidden_size: int, *, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden_size, classes)

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits of each tag.

        Args:
            vectors: Vectors of the words, `(words, hidden)`.

        Returns:
            `(words, tags)`.
        """
        logits: Tensor = self.linear(self.dropout(vectors))
        return logits

    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """Cross-entropy, summed over the words; in float32 whatever the logits are.

        Args:
            logits: `(words, tags)`.
            targets: Their tags.

        Returns:
            A scalar, nats.
        """
        assert isinstance(targets, WordTargets)
        return functional.cross_entropy(logits.float(), targets.labels, reduction="sum")
