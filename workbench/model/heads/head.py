"""What every head can do, so that nobody has to ask of which kind it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from workbench.data.batching import Targets, WordTargets

if TYPE_CHECKING:
    from workbench.model.backbone import LoadedBackbone


class Head(nn.Module, ABC):
    """A task's own layers: from vectors to scores, to a loss, to what is said."""

    compares_examples = False
    """Whether the loss of an example depends on the others of its batch. Such a loss is measured
    in batches of a fixed size, and micro-batches are other batches."""

    @abstractmethod
    def forward(self, vectors: Tensor, targets: Targets | None = None) -> Tensor:
        """Scores, one row for each text or word that the targets are of."""

    def attach(self, loaded: LoadedBackbone) -> None:
        """Take what is needed of backbone and tokenizer, when the model is put together; most need
        nothing. Layers that are made here begin from the task's own seed, too.
        """

    def extra_rows(self) -> tuple[Tensor, Tensor] | None:
        """Texts of its own, which go through the backbone with each batch; most have none.

        Their pooled vectors come as the argument `extra` of `forward`.

        Returns:
            Pieces and mask, both `(texts, seq)`.
        """
        return None

    @abstractmethod
    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """The loss summed over the labels, in float32; divided by `targets.count` it is the mean.

        Args:
            logits: What `forward` gave.
            targets: The labels.
        """

    def teaches(self, targets: Targets) -> bool:
        """Whether there is anything to learn from these labels; looked at on the CPU."""
        return True

    @abstractmethod
    def decode(self, logits: Tensor, targets: Targets) -> Tensor:
        """What is predicted, one row for each row of the scores.

        Args:
            logits: What `forward` gave.
            targets: Tell a word head the sentences; the labels are not looked at.
        """

    def told(self) -> dict[str, Any]:
        """Options that training changed, for the description that is saved; none by default."""
        return {}


class WordHead(Head):
    """A head that looks at pieces, not at the pooled vector of a text."""

    @abstractmethod
    def vectors(self, hidden: Tensor, targets: WordTargets) -> Tensor:
        """The vector of each word, `(words, width)`, out of `(batch, seq, hidden)`."""
