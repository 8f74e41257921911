"""A number for a text."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from workbench.data.batching import Targets, TextTargets
from workbench.model.heads.text_head import TextHead


class RegressionHead(TextHead):
    """A number in standard deviations of train, said in the unit that the labels have.

    So the loss of a score from 0 to 100 is not ten thousand times that of one from 0 to 1.
    """

    def __init__(
        self,
        vector_size: int,
        *,
        labels: Sequence[str],
        dropout: float,
        mean: float,
        std: float,
        hidden_size: int = 0,
        pair: str | None = None,
        huber_delta: float = 0.0,
    ) -> None:
        super().__init__(
            vector_size, outputs=1, dropout=dropout, hidden_size=hidden_size, pair=pair
        )
        self.mean, self.std = mean, std
        self.huber_delta = huber_delta

    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """Squared error in standard deviations, summed over the texts; in float32.

        With a delta, Huber's loss times two, which is the squared error below the delta.

        Args:
            logits: `(texts, 1)`.
            targets: The numbers, in their own unit.

        Source: Huber 1964, Robust estimation of a location parameter.
        """
        assert isinstance(targets, TextTargets)
        right = (targets.labels - self.mean) / self.std
        guess = logits.float().squeeze(1)
        if self.huber_delta:
            return 2.0 * functional.huber_loss(
                guess, right, delta=self.huber_delta, reduction="sum"
            )
        return functional.mse_loss(guess, right, reduction="sum")

    def in_unit(self, logits: Tensor) -> Tensor:
        """Standard deviations as numbers in the labels' unit."""
        return logits.float() * self.std + self.mean

    def decode(self, logits: Tensor, targets: Targets) -> Tensor:
        """The number of each text in the labels' unit, `(texts,)`."""
        return self.in_unit(logits).squeeze(1)
