"""Any number of labels for a text: each a decision of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workbench.data.batching import Targets, TextTargets
from workbench.model.heads.text_head import TextHead


class MultilabelHead(TextHead):
    """A logit for each label, and the probability from which on it is given.

    The thresholds are saved with the weights; `told` shows them to who reads `model.json`.
    """

    positive_weights: Tensor | None
    thresholds: Tensor

    def __init__(
        self,
        vector_size: int,
        *,
        labels: Sequence[str],
        dropout: float,
        hidden_size: int = 0,
        pair: str | None = None,
        positive_weights: Sequence[float] | None = None,
        tuning: str = "fixed",
        thresholds: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            vector_size,
            outputs=len(labels),
            dropout=dropout,
            hidden_size=hidden_size,
            pair=pair,
        )
        self.tuning = tuning
        weights = None if positive_weights is None else torch.tensor(list(positive_weights))
        self.register_buffer("positive_weights", weights, persistent=False)
        self.register_buffer(
            "thresholds", torch.tensor(list(thresholds or [0.5] * len(labels)), dtype=torch.float32)
        )

    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """Binary cross-entropy, summed over the decisions that are known; in float32.

        With positive weights a decision counts so often where the label applies.

        Args:
            logits: `(texts, labels)`.
            targets: Their flags.

        Returns:
            A scalar, nats. Divided by the decisions it does not grow with the number of labels.
        """
        assert isinstance(targets, TextTargets)
        known = ~targets.labels.isnan()
        losses = functional.binary_cross_entropy_with_logits(
            logits.float(),
            targets.labels.nan_to_num(0.0),
            pos_weight=self.positive_weights,
            reduction="none",
        )
        return losses.where(known, 0.0).sum()

    def decode(self, logits: Tensor, targets: Targets) -> Tensor:
        """Probabilities, and 1 where they reach the threshold: `(texts, 2, labels)`."""
        probabilities = logits.float().sigmoid()
        return torch.stack([probabilities, (probabilities >= self.thresholds).float()], dim=1)

    def set_thresholds(self, thresholds: Sequence[float]) -> None:
        """Give labels from these probabilities on, one for each label."""
        with torch.no_grad():
            self.thresholds.copy_(torch.tensor(list(thresholds), dtype=torch.float32))

    def told(self) -> dict[str, Any]:
        """The thresholds."""
        return {"thresholds": self.thresholds.tolist()}
