"""One label out of several for a text."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from workbench.data.batching import Targets, TextTargets


class ClassificationHead(nn.Module):
    """Dropout and one linear layer over the pooled vector."""

    def __init__(self, hidden_size: int, *, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden_size, classes)

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits of each class.

        Args:
            vectors: Pooled vectors of the labelled texts, `(texts, hidden)`.

        Returns:
            `(texts, classes)`.
        """
        logits: Tensor = self.linear(self.dropout(vectors))
        return logits

    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """Cross-entropy, summed over the texts; in float32 whatever the logits are.

        Args:
            logits: `(texts, classes)`.
            targets: Their labels.

        Returns:
            A scalar, nats.
        """
        assert isinstance(targets, TextTargets)
        return functional.cross_entropy(logits.float(), targets.labels, reduction="sum")
