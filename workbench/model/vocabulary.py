"""An embedding of which only the rows that occur in the training texts are trained.

A run sees a few thousand of the 30,000 or 250,000 pieces of a vocabulary. The others never get a
gradient, and without weight decay AdamW leaves them as they are; to move only the rows that occur
learns the very same and saves their gradients, optimizer states and memory. Not so with Adafactor,
which takes means over all of a matrix: there the embedding stays whole.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

WORTH_IT = 0.6
"""Above this share of rows that occur, the plain embedding is as good."""


class OccurringRows(nn.Module):
    """Stands in for an `nn.Embedding`; its saved state is that of the whole embedding.

    Any row may be looked up; only the occurring ones are trained.
    """

    whole: Tensor
    rows: Tensor
    places: Tensor

    def __init__(self, whole: nn.Embedding, rows: Tensor) -> None:
        """Train `rows` of an embedding.

        Args:
            whole: The embedding.
            rows: Numbers of the rows to train, each once, `(rows,)`.
        """
        super().__init__()
        self.trained = nn.Parameter(whole.weight.detach()[rows].clone())
        self.register_buffer("whole", whole.weight.detach())
        self.register_buffer("rows", rows)
        places = torch.full((len(whole.weight),), -1, dtype=torch.int64)
        places[rows] = torch.arange(len(rows))
        self.register_buffer("places", places)
        self._padding = int(places[whole.padding_idx]) if whole.padding_idx is not None else -1

    def forward(self, ids: Tensor) -> Tensor:
        """Look pieces up, `(batch, seq)` to `(batch, seq, hidden)`."""
        places = self.places[ids]
        padding = self._padding if self._padding >= 0 else None
        if self.training:
            return functional.embedding(places, self.trained, padding_idx=padding)
        trained = functional.embedding(places.clamp(min=0), self.trained)
        others = functional.embedding(ids, self.whole)
        return torch.where((places >= 0).unsqueeze(-1), trained, others)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        weight = self.whole.clone()
        weight[self.rows] = self.trained.detach()
        destination[f"{prefix}weight"] = weight


def train_only_occurring_rows(encoder: Any, ids: Tensor) -> None:
    """Exchange a trained encoder's embedding of pieces, if that saves something.

    Args:
        encoder: A `transformers` encoder, not yet given to an optimizer; any other is left alone.
        ids: All pieces of the training texts, in any order, padding's included.
    """
    if not hasattr(encoder, "get_input_embeddings"):  # a stack knows no other words anyway
        return
    whole = encoder.get_input_embeddings()
    rows = torch.unique(ids)
    is_plain = type(whole) is nn.Embedding and whole.weight.requires_grad
    if is_plain and whole.max_norm is None and len(rows) <= WORTH_IT * len(whole.weight):
        encoder.set_input_embeddings(OccurringRows(whole, rows))
