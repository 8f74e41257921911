"""Classes from a handful of examples: by what their names mean, or by who is near to whom.

Both heads work on directions: vectors are scaled to length 1, so that a product is a cosine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.data.batching import Targets, TextTargets, pad
from workbench.data.tokenizing import AnyTokenizer
from workbench.model.heads.head import Head

if TYPE_CHECKING:
    from workbench.model.backbone import LoadedBackbone

FIRST_SCALE = 20.0
"""What cosines are multiplied with before the softmax, to begin with."""


class MatchingHead(Head):
    """The likeliest class is the one whose description is nearest to the text.

    Descriptions go through the same backbone and pooling as the texts, so a class that training
    has never shown needs a description and nothing else. Only the scale is the head's own.

    Source: Yin et al. 2019, Benchmarking zero-shot text classification; Halder et al. 2020,
    Task-aware representation of sentences.
    """

    ids: Tensor
    mask: Tensor

    def __init__(
        self,
        vector_size: int,
        *,
        labels: Sequence[str],
        dropout: float,
        descriptions: Sequence[str],
    ) -> None:
        super().__init__()
        if len(descriptions) != len(labels):
            raise ValueError(f"{len(labels)} labels, but {len(descriptions)} descriptions")
        self.descriptions = tuple(descriptions)
        self.dropout = nn.Dropout(dropout)
        self.log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))
        self.log_scale.no_decay = True  # type: ignore[attr-defined]  # read by the optimizer's groups
        # Made anew from the descriptions at loading.
        self.register_buffer("ids", torch.zeros(0, 0, dtype=torch.int64), persistent=False)
        self.register_buffer("mask", torch.zeros(0, 0, dtype=torch.int64), persistent=False)

    def attach(self, loaded: LoadedBackbone) -> None:
        """Cut the descriptions into pieces, `(classes, seq)`."""
        self._cut(loaded.tokenizer)

    def _cut(self, tokenizer: AnyTokenizer) -> None:
        pieces = [found.ids for found in tokenizer.pieces(self.descriptions)]
        ids, mask = pad(pieces, tokenizer.pad_id)
        self.ids, self.mask = ids.to(self.ids.device), mask.to(self.mask.device)

    def describe(self, descriptions: Sequence[str], tokenizer: AnyTokenizer) -> None:
        """Take other classes, known from training or not."""
        self.descriptions = tuple(descriptions)
        self._cut(tokenizer)

    def extra_rows(self) -> tuple[Tensor, Tensor]:
        """The descriptions' pieces and their mask, `(classes, seq)`."""
        return self.ids, self.mask

    def forward(
        self, vectors: Tensor, targets: Targets | None = None, extra: Tensor | None = None
    ) -> Tensor:
        """Scaled cosines.

        Args:
            vectors: Pooled vectors of the texts, `(texts, width)`.
            targets: Not needed here.
            extra: Those of the descriptions, `(classes, width)`.

        Returns:
            `(texts, classes)`.
        """
        assert extra is not None
        with torch.autocast(vectors.device.type, enabled=False):
            texts = functional.normalize(self.dropout(vectors).float(), dim=-1)
            classes = functional.normalize(extra.float(), dim=-1)
            return self.log_scale.exp() * texts @ classes.T

    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """Cross-entropy, nats summed over the texts."""
        assert isinstance(targets, TextTargets)
        return functional.cross_entropy(logits.float(), targets.labels, reduction="sum")

    def decode(self, logits: Tensor, targets: Targets) -> Tensor:
        """The nearest class of each text, `(texts,)`."""
        return logits.argmax(dim=-1)


class FittedHead(Head):
    """Draws texts of a class together and others apart; classes are then told by a fitted layer.

    What moves in training is the backbone alone. The linear layer has no gradient: before the
    model is looked at it is fitted, by logistic regression, on the vectors of the training texts.

    Source: Tunstall et al. 2022, Efficient few-shot learning without prompts (SetFit); the loss
    is that of Khosla et al. 2020, Supervised contrastive learning, equation 2.
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self, vector_size: int, *, labels: Sequence[str], dropout: float, temperature: float
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.compares_examples = True
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("weight", torch.zeros(len(labels), vector_size))
        self.register_buffer("bias", torch.zeros(len(labels)))

    def train(self, mode: bool = True) -> FittedHead:
        """Examples are compared with each other in training only."""
        self.compares_examples = mode
        return super().train(mode)

    def teaches(self, targets: Targets) -> bool:
        """Two texts of a class are needed."""
        assert isinstance(targets, TextTargets)
        return len(targets.labels) > len(set(targets.labels.tolist()))

    def fitted_on(self, vectors: Tensor) -> Tensor:
        """What the linear layer is fitted on, `(texts, width)`."""
        return functional.normalize(vectors.float(), dim=-1)

    def set_layer(self, weight: Tensor, bias: Tensor) -> None:
        """Take a fitted layer, `(classes, width)` and `(classes,)`."""
        self.weight.copy_(weight)
        self.bias.copy_(bias)

    def forward(self, vectors: Tensor, targets: Targets | None = None) -> Tensor:
        """In training the directions, `(texts, width)`; else logits, `(texts, classes)`."""
        if self.training:
            return self.fitted_on(self.dropout(vectors))
        with torch.autocast(vectors.device.type, enabled=False):
            return functional.linear(self.fitted_on(vectors), self.weight, self.bias)

    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """In training the contrastive loss, else cross-entropy; nats summed over the texts.

        A text that has no other of its class in the batch adds nothing.

        Args:
            logits: What `forward` gave.
            targets: The classes.
        """
        assert isinstance(targets, TextTargets)
        logits = logits.float()
        if not self.training:
            return functional.cross_entropy(logits, targets.labels, reduction="sum")
        itself = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        alike = (targets.labels.unsqueeze(1) == targets.labels.unsqueeze(0)) & ~itself
        with torch.autocast(logits.device.type, enabled=False):
            cosines = logits @ logits.T / self.temperature  # (texts, texts)
        cosines = cosines.masked_fill(itself, torch.finfo(cosines.dtype).min)
        shares = cosines - cosines.logsumexp(dim=1, keepdim=True)
        means = (shares * alike).sum(dim=1) / alike.sum(dim=1).clamp(min=1)
        return -means.sum()

    def decode(self, logits: Tensor, targets: Targets) -> Tensor:
        """The likeliest class of each text, `(texts,)`."""
        return logits.argmax(dim=-1)


def few_shot_head(vector_size: int, *, method: str, **options: object) -> Head:
    """The head of a method: `matching` or `contrastive`."""
    heads: dict[str, type[MatchingHead] | type[FittedHead]] = {
        "matching": MatchingHead,
        "contrastive": FittedHead,
    }
    return heads[method](vector_size, **options)  # type: ignore[arg-type]  # as head_options made them
