"""What every head can do, so that nobody has to ask of which kind it is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from workbench.data.batching import Targets, WordTargets


class Head(nn.Module, ABC):
    """A task's own layers: from vectors to scores, to a loss, to what is said."""

    @abstractmethod
    def forward(self, vectors: Tensor, targets: Targets | None = None) -> Tensor:
        """Scores, one row for each text or word that the targets are of."""

    @abstractmethod
    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """The loss summed over the labels, in float32; divided by `targets.count` it is the mean.

        Args:
            logits: What `forward` gave.
            targets: The labels.
        """

    @abstractmethod
    def decode(self, logits: Tensor, targets: Targets) -> Tensor:
        """What is predicted, one row for each row of the scores; the labels are not looked at."""


class WordHead(Head):
    """A head that looks at pieces, not at the pooled vector of a text."""

    @abstractmethod
    def vectors(self, hidden: Tensor, targets: WordTargets) -> Tensor:
        """The vector of each word, `(words, width)`, out of `(batch, seq, hidden)`."""
