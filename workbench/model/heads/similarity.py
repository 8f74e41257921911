"""Two texts whose vectors are to be as near as their score says."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from workbench.data.batching import Targets, TextTargets
from workbench.model.heads.vector_head import VectorHead


class SimilarityHead(VectorHead):
    """The cosine of the two vectors."""

    def __init__(
        self,
        vector_size: int,
        *,
        labels: Sequence[str],
        dropout: float,
        lowest: float,
        highest: float,
        pair: str,
        hidden_size: int = 0,
        loss: str = "cosine",
        scale: float = 20.0,
    ) -> None:
        super().__init__(vector_size, dropout=dropout, hidden_size=hidden_size)
        assert pair == "two"  # one vector has nothing to be compared with
        self.lowest, self.highest = lowest, highest
        self.scale = scale
        self.compares_examples = loss == "cosent"

    def forward(self, vectors: Tensor, targets: Targets | None = None) -> Tensor:
        """Cosines, `(pairs,)`, of vectors `(pairs, 2, hidden)`."""
        first, second = self.unit_vectors(vectors).unbind(dim=1)
        return (first * second).sum(dim=1)

    def teaches(self, targets: Targets) -> bool:
        """A comparison of pairs needs two that are not equally near."""
        assert isinstance(targets, TextTargets)
        return not self.compares_examples or len(set(targets.labels.tolist())) > 1

    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """The loss summed over the pairs; in float32.

        cosine: the square of what the cosine differs from the score, scaled to 0 to 1. cosent:
        nats by which pairs of pairs are in the wrong order, over the whole batch, and so many
        times that as there are pairs, so that the mean is the batch's.

        Args:
            logits: Cosines, `(pairs,)`.
            targets: The scores, in their own unit.

        Source: Reimers and Gurevych 2019, Sentence-BERT, section 3; Su 2022, CoSENT.
        """
        assert isinstance(targets, TextTargets)
        cosines = logits.float()
        if not self.compares_examples:
            right = (targets.labels - self.lowest) / (self.highest - self.lowest)
            return functional.mse_loss(cosines, right, reduction="sum")
        # How much nearer the pair of the row is than that of the column, `(pairs, pairs)`.
        excess = self.scale * (cosines.unsqueeze(1) - cosines.unsqueeze(0))
        is_less = targets.labels.unsqueeze(1) < targets.labels.unsqueeze(0)
        wrong = excess.masked_fill(~is_less, -torch.inf).flatten()
        return len(cosines) * torch.logsumexp(torch.cat([wrong, wrong.new_zeros(1)]), dim=0)

    def decode(self, logits: Tensor, targets: Targets) -> Tensor:
        """The cosines, `(pairs,)`."""
        return logits.float()
