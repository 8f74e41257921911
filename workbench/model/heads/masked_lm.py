"""What stands in a gap: a score for every piece of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.data.batching import Targets, WordTargets
from workbench.model.heads.head import WordHead

if TYPE_CHECKING:
    from workbench.model.backbone import LoadedBackbone


class MaskedLmHead(WordHead):
    """A dense layer, and the backbone's own embeddings of pieces to compare with.

    The embeddings are the backbone's, not the head's: they move with it or are frozen with it.
    Only hidden positions are scored, which is what makes a large vocabulary bearable.

    Source: Devlin et al. 2019, BERT, section 3.1; Press and Wolf 2017, Using the output embedding.
    """

    def __init__(self, vector_size: int, *, labels: Sequence[str], dropout: float) -> None:
        super().__init__()
        self.vector_size = vector_size
        self.dropout = nn.Dropout(dropout)
        # In a tuple, so that what belongs to the backbone is not counted as the head's.
        self._embeddings: tuple[Callable[[], Tensor], ...] = ()

    def attach(self, loaded: LoadedBackbone) -> None:
        """Make the layers, of the size of the backbone's embeddings, and look at those."""
        encoder = loaded.backbone.encoder

        def embeddings() -> Tensor:
            weight: Tensor = encoder.get_input_embeddings().weight  # type: ignore[operator]  # of transformers
            return weight

        pieces, size = embeddings().shape
        self.dense = nn.Linear(self.vector_size, size)
        self.norm = nn.LayerNorm(size)
        self.bias = nn.Parameter(torch.zeros(pieces))
        self._embeddings = (embeddings,)

    def vectors(self, hidden: Tensor, targets: WordTargets) -> Tensor:
        """The vectors at the hidden positions, `(hidden pieces, width)`."""
        return hidden[targets.rows, targets.positions]

    def forward(self, vectors: Tensor, targets: Targets | None = None) -> Tensor:
        """Scores of every piece, `(hidden pieces, vocabulary)`."""
        dense = self.norm(functional.gelu(self.dense(self.dropout(vectors))))
        return functional.linear(dense, self._embeddings[0](), self.bias)

    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """Cross-entropy, nats summed over the hidden pieces."""
        assert isinstance(targets, WordTargets)
        return functional.cross_entropy(logits.float(), targets.labels, reduction="sum")

    def decode(self, logits: Tensor, targets: Targets) -> Tensor:
        """The likeliest piece of each gap, `(hidden pieces,)`."""
        return logits.argmax(dim=-1)
