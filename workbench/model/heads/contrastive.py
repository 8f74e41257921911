"""Texts that belong together, told from the others of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from workbench.data.batching import Targets, TextTargets
from workbench.data.kinds.contrastive import ABSENT
from workbench.model.heads.vector_head import VectorHead


class ContrastiveHead(VectorHead):
    """The vectors of a text, of the one that belongs to it, and of some that do not.

    Every second text of the batch is a candidate for each first one, and so are all negatives.
    What is known to belong to it as well, or is the text itself, is left out: it is no mistake.

    Source: Henderson et al. 2017, Efficient natural language response suggestion, section 4.4.
    """

    compares_examples = True

    def __init__(
        self,
        vector_size: int,
        *,
        labels: Sequence[str],
        dropout: float,
        pair: str,
        hidden_size: int = 0,
        scale: float = 20.0,
        symmetric: bool = False,
    ) -> None:
        super().__init__(vector_size, dropout=dropout, hidden_size=hidden_size)
        assert pair == "two"  # one vector has nothing to be compared with
        self.scale = scale
        self.symmetric = symmetric

    def forward(self, vectors: Tensor, targets: Targets | None = None) -> Tensor:
        """Vectors of length 1, `(examples, texts, width)`."""
        return self.unit_vectors(vectors)

    def teaches(self, targets: Targets) -> bool:
        """Some text needs another candidate beside those that are right."""
        assert isinstance(targets, TextTargets)
        keys = targets.labels
        directions = [keys, _other_way(keys)] if self.symmetric else [keys]
        return any(bool(((~known_mates(one)).sum(dim=1) > 1).any()) for one in directions)

    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """Cross-entropy of the right text among the candidates, summed; in float32, nats.

        Args:
            logits: Vectors of length 1, `(examples, texts, width)`.
            targets: The texts' keys.
        """
        assert isinstance(targets, TextTargets)
        keys, vectors = targets.labels, logits.float()
        losses = self._losses(vectors, keys)
        if self.symmetric:
            losses = (losses + self._losses(_other_way(vectors), _other_way(keys))) / 2
        return losses.sum()

    def _losses(self, vectors: Tensor, keys: Tensor) -> Tensor:
        """Of each first text, `(examples,)`."""
        candidates = torch.cat([vectors[:, 1], vectors[:, 2:].flatten(0, 1)])
        scores = self.scale * vectors[:, 0] @ candidates.T  # (examples, candidates)
        right = torch.arange(len(scores), device=scores.device)
        left_out = known_mates(keys)
        return functional.cross_entropy(
            scores.masked_fill(left_out, -torch.inf), right, reduction="none"
        )

    def decode(self, logits: Tensor, targets: Targets) -> Tensor:
        """The vectors, `(examples, texts, width)`."""
        return logits.float()


def _other_way(texts: Tensor) -> Tensor:
    """Each second text as the one that is asked for its first, `(examples, 2, …)`."""
    return texts[:, torch.tensor([1, 0], device=texts.device)]


def known_mates(keys: Tensor) -> Tensor:
    """Which candidates are no negatives of which first text.

    Args:
        keys: Of the texts that belong together, and of negatives, `(examples, texts)`.

    Returns:
        `(examples, candidates)`: True for what is absent, equal to the text itself, or known to
        belong to it from any example; never for the example's own second text. The candidates
        are all second texts, then all negatives.
    """
    first, second, others = keys[:, 0], keys[:, 1], keys[:, 2:].flatten()
    candidates = torch.cat([second, others])
    # Whether one example's second text belongs to another's first as well.
    is_mate = first.unsqueeze(1) == first.unsqueeze(0)  # (examples, examples)
    known = (is_mate.unsqueeze(2) & (second.view(1, -1, 1) == candidates.view(1, 1, -1))).any(1)
    known |= first.unsqueeze(1) == candidates.unsqueeze(0)
    known |= (candidates == ABSENT).unsqueeze(0)
    own = torch.arange(len(keys), device=keys.device)
    known[own, own] = False
    return known
