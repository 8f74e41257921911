"""One backbone and a head per task: a single forward pass serves them all."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from workbench.data.batching import Batch, TextTargets
from workbench.model.backbone import Backbone
from workbench.model.freezing import is_frozen
from workbench.model.heads import Head, TaggingHead
from workbench.model.pooling import Pooling


class _Heads(nn.ModuleDict):
    """Heads by task. A task may be called `type` or `keys`, which `ModuleDict` itself refuses."""

    def add_module(self, name: str, module: nn.Module | None) -> None:
        self._modules[name] = module  # type: ignore[assignment]  # torch itself puts None there


class MultiTaskModel(nn.Module):
    """The backbone sees each text once; each head sees the texts or words that are its own.

    Guarantees that a frozen part stays in evaluation mode (no dropout) and that nothing is
    recorded for its gradient.
    """

    def __init__(self, backbone: Backbone, heads: Mapping[str, Head], *, pooling: Pooling) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = _Heads(heads)
        self.pooling = pooling

    def train(self, mode: bool = True) -> MultiTaskModel:
        """Set the mode of what is trained; frozen parts stay in evaluation mode.

        A frozen encoder left in training mode still drops out: its vectors then have cosine
        0.95 to its own, so what is learned on them fits another model.
        """
        super().train(mode)
        for part in self.modules() if mode else ():
            # What has no parameters, as a dropout, belongs to what is around it.
            if next(part.parameters(), None) is not None and is_frozen(part):
                part.eval()
        return self

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The last layer, `(batch, seq, hidden)`; without a graph if the backbone is frozen.

        Nothing need be done for that: where no parameter wants a gradient, none is recorded. To
        ask all parameters each time took a third of an update whose features are cached.
        """
        hidden: Tensor = self.backbone(ids, mask)
        return hidden

    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """One vector per text, `(batch, hidden)`."""
        return self.pooling(self.hidden(ids, mask), mask)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Logits of every task that labels something in the batch.

        Returns:
            By task: `(labelled texts, classes)` or `(labelled words, tags)`.
        """
        hidden = self.hidden(batch.ids, batch.mask)  # (batch, seq, hidden)
        pooled: Tensor | None = None
        logits = {}
        for task, targets in batch.targets.items():
            head = self.heads[task]
            if isinstance(targets, TextTargets):
                pooled = self.pooling(hidden, batch.mask) if pooled is None else pooled
                vectors = pooled[targets.rows]  # (labelled texts, hidden)
            else:
                assert isinstance(head, TaggingHead)
                vectors = head.vectors(hidden, targets)  # (labelled words, width)
            logits[task] = head(vectors, targets)
        return logits
