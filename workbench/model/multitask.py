"""One backbone and a head per task: a single forward pass serves them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.data.batching import Batch, WordTargets
from workbench.model.backbone import Backbone
from workbench.model.freezing import is_frozen
from workbench.model.heads import Head, WordHead
from workbench.model.mixing import LayerMix
from workbench.model.pooling import TextPooling


class _ByTask(nn.ModuleDict):
    """Modules by task. One may be called `type` or `keys`, which `ModuleDict` itself refuses."""

    def add_module(self, name: str, module: nn.Module | None) -> None:
        self._modules[name] = module  # type: ignore[assignment]  # torch itself puts None there


class Encoding:
    """A batch of texts after the backbone: what each task sees of it.

    What several tasks see alike is computed once.
    """

    def __init__(self, model: MultiTaskModel, layers: Sequence[Tensor], mask: Tensor) -> None:
        self._model = model
        self._layers = layers
        self._mask = mask
        self._mixed: dict[str, Tensor] = {}
        self._pooled: dict[tuple[int, str], Tensor] = {}

    def pieces(self, task: str) -> Tensor:
        """The vectors of all pieces, `(batch, seq, hidden)`: the last layer, or the task's mix."""
        if task not in self._model.mixes:
            return self._layers[-1]
        if task not in self._mixed:
            self._mixed[task] = self._model.mixes[task](self._layers)
        return self._mixed[task]

    def texts(self, task: str) -> Tensor:
        """The pooled vectors of all texts, `(batch, width)`."""
        pooling = self._model.pooling_of(task)
        key = (id(pooling), task if task in self._model.mixes else "")
        if key not in self._pooled:
            self._pooled[key] = pooling(self.pieces(task), self._mask)
        return self._pooled[key]


class MultiTaskModel(nn.Module):
    """The backbone sees each text once; each head sees the texts or words that are its own.

    On the way from the backbone to a head a task may mix the layers, and a head of texts sees
    what a pooling makes of them: the one that tasks share, or the task's own.

    Guarantees that a frozen part stays in evaluation mode (no dropout) and that nothing is
    recorded for its gradient.
    """

    def __init__(
        self,
        backbone: Backbone,
        heads: Mapping[str, Head],
        *,
        pooling: TextPooling,
        poolings: Mapping[str, TextPooling] | None = None,
        mixes: Mapping[str, LayerMix] | None = None,
    ) -> None:
        """Put parts together.

        Args:
            backbone: Shared by all.
            heads: By task.
            pooling: Of the tasks that have none of their own, and of `encode`.
            poolings: By task that has its own.
            mixes: By task that reads all layers, not the last alone.
        """
        super().__init__()
        self.backbone = backbone
        self.pooling = pooling
        self.poolings = _ByTask(poolings or {})
        self.mixes = _ByTask(mixes or {})
        self.heads = _ByTask(heads)

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

    def hidden(self, ids: Tensor, mask: Tensor, segments: Tensor | None = None) -> Tensor:
        """The last layer, `(batch, seq, hidden)`; without a graph if the backbone is frozen.

        Nothing need be done for that: where no parameter wants a gradient, none is recorded. To
        ask all parameters each time took a third of an update whose features are cached.
        """
        pairs = () if segments is None else (segments,)
        hidden: Tensor = self.backbone(ids, mask, *pairs)
        return hidden

    @property
    def layer_shares(self) -> dict[str, tuple[float, ...]]:
        """By task that mixes layers, how much of each is in its mean, embeddings first."""
        return {task: mix.shares for task, mix in self.mixes.items() if isinstance(mix, LayerMix)}

    def pooling_of(self, task: str) -> TextPooling:
        """The pooling whose vectors a task's head sees."""
        if task not in self.poolings:
            return self.pooling
        own = self.poolings[task]
        assert isinstance(own, TextPooling)
        return own

    def read(self, ids: Tensor, mask: Tensor, segments: Tensor | None = None) -> Encoding:
        """One forward pass of the backbone; all layers are kept only if a task mixes them."""
        if not self.mixes:
            return Encoding(self, (self.hidden(ids, mask, segments),), mask)
        return Encoding(self, self.backbone.layers(ids, mask, segments), mask)

    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """One vector per text by the shared pooling, `(batch, width)`."""
        vectors: Tensor = self.pooling(self.hidden(ids, mask), mask)
        return vectors

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Logits of every task that labels something in the batch.

        Returns:
            By task: `(labelled texts, …)` or `(labelled words, tags)`.
        """
        ids, mask, segments, extra = self._with_extra_rows(batch)
        encoding = self.read(ids, mask, segments)
        logits = {}
        for task, targets in batch.targets.items():
            head = self.heads[task]
            if isinstance(head, WordHead):
                assert isinstance(targets, WordTargets)
                vectors = head.vectors(encoding.pieces(task), targets)  # (labelled words, width)
            else:
                # (labelled texts, width), of pairs (labelled, 2, width)
                vectors = encoding.texts(task)[targets.rows]
            if task in extra:
                logits[task] = head(vectors, targets, extra=encoding.texts(task)[extra[task]])
            else:
                logits[task] = head(vectors, targets)
        return logits

    def _with_extra_rows(
        self, batch: Batch
    ) -> tuple[Tensor, Tensor, Tensor | None, dict[str, slice]]:
        """The batch's pieces, mask and segments with the texts that heads bring, and their rows."""
        ids, mask = [batch.ids], [batch.mask]
        places: dict[str, slice] = {}
        rows = len(batch.ids)
        for task in batch.targets:
            head = self.heads[task]
            assert isinstance(head, Head)
            brought = head.extra_rows()
            if brought is not None:
                ids.append(brought[0])
                mask.append(brought[1])
                places[task] = slice(rows, rows + len(brought[0]))
                rows += len(brought[0])
        if not places:
            return batch.ids, batch.mask, batch.segments, places
        longest = max(part.shape[1] for part in mask)
        segments = None
        if batch.segments is not None:
            own = [torch.zeros_like(part) for part in mask[1:]]
            segments = _joined([batch.segments, *own], longest)
        # What pads the shorter of them is masked; a piece of the row itself is one that is known.
        return _padded_with_itself(ids, longest), _joined(mask, longest), segments, places


def _joined(parts: Sequence[Tensor], length: int) -> Tensor:
    """Rows below each other, padded on the right with zeros to one length."""
    columns = (0, 0) * (parts[0].ndim - 2)  # of a stack
    return torch.cat(
        [functional.pad(part, (*columns, 0, length - part.shape[1])) for part in parts]
    )


def _padded_with_itself(parts: Sequence[Tensor], length: int) -> Tensor:
    """Rows below each other, each padded on the right with its own first piece."""
    return torch.cat(
        [
            torch.cat(
                [part, part[:, :1].expand(-1, length - part.shape[1], *part.shape[2:])], dim=1
            )
            for part in parts
        ]
    )
