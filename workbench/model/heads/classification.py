"""One label out of several for a text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from workbench.data.batching import Targets, TextTargets
from workbench.model.heads.text_head import TextHead


class ClassificationHead(TextHead):
    """Logits of each class."""

    class_weights: Tensor | None

    def __init__(
        self,
        vector_size: int,
        *,
        labels: Sequence[str],
        dropout: float,
        hidden_size: int = 0,
        pair: str | None = None,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        focal_gamma: float = 0.0,
    ) -> None:
        super().__init__(
            vector_size,
            outputs=len(labels),
            dropout=dropout,
            hidden_size=hidden_size,
            pair=pair,
        )
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma
        weights = None if class_weights is None else torch.tensor(list(class_weights))
        self.register_buffer("class_weights", weights, persistent=False)

    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """Cross-entropy, summed over the texts; in float32 whatever the logits are.

        With class weights a text counts as much as its label's weight, and the sum is not
        divided by the weights: a text's pull does not depend on the texts beside it. The focal
        factor is `(1 - p) ** gamma`, p being the probability of the right label.

        Args:
            logits: `(texts, classes)`.
            targets: Their labels.

        Returns:
            A scalar, nats.

        Source: Szegedy et al. 2016, Rethinking the Inception architecture, section 7 (smoothing);
        Lin et al. 2017, Focal loss for dense object detection.
        """
        assert isinstance(targets, TextTargets)
        logits = logits.float()
        losses = functional.cross_entropy(
            logits,
            targets.labels,
            weight=self.class_weights,
            label_smoothing=self.label_smoothing,
            reduction="none",
        )
        if self.focal_gamma:
            right = logits.softmax(dim=-1).gather(1, targets.labels.unsqueeze(1)).squeeze(1)
            # The base is kept off 0, where the derivative of a root is infinite.
            losses = losses * (1.0 - right).clamp(min=1e-6) ** self.focal_gamma
        return losses.sum()

    def decode(self, logits: Tensor, targets: Targets) -> Tensor:
        """The likeliest label of each text, `(texts,)`."""
        return logits.argmax(dim=-1)
