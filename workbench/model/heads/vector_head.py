"""What the heads that compare vectors have in common: the vectors themselves."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn
from torch.nn import functional

from workbench.data.batching import Targets
from workbench.model.heads.head import Head


class VectorHead(Head):
    """Dropout and perhaps a linear layer; then vectors of length 1, whose products are cosines.

    Without the layer there is nothing to learn here: the task trains the backbone alone.
    """

    def __init__(self, vector_size: int, *, dropout: float, hidden_size: int = 0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(vector_size, hidden_size, bias=False) if hidden_size else None

    def unit_vectors(self, vectors: Tensor) -> Tensor:
        """Vectors of length 1, in float32, `(…, width)`."""
        vectors = self.dropout(vectors)
        if self.projection is not None:
            vectors = self.projection(vectors)
        return functional.normalize(vectors.float(), dim=-1)

    @abstractmethod
    def forward(self, vectors: Tensor, targets: Targets | None = None) -> Tensor:
        """What is compared.

        Args:
            vectors: Pooled vectors of the texts that are labelled together,
                `(examples, texts, hidden)`.
            targets: Not needed here.
        """
