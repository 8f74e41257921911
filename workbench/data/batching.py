"""Several examples padded together: one batch for the backbone, and each head's share of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.data.pieces import CUT, NO_LABEL, WordLabels
from workbench.data.tokenizing import EncodedExample


@dataclass(frozen=True)
class TextTargets:
    """The texts of a batch that one task labels."""

    rows: Tensor
    """Which texts of the batch, `(labelled,)`."""
    labels: Tensor
    """Their labels, `(labelled,)`."""

    @property
    def count(self) -> int:
        """How many labels the mean loss is over."""
        return len(self.labels)


@dataclass(frozen=True)
class WordTargets:
    """The words of a batch that one task tags. Words that were cut off are not among them."""

    rows: Tensor
    """Text of each word, ascending, `(words,)`."""
    positions: Tensor
    """First piece of each word in its text, `(words,)`."""
    lasts: Tensor
    """Last piece of each word, `(words,)`."""
    labels: Tensor
    """Its tag, or `NO_LABEL`, `(words,)`."""
    lengths: tuple[int, ...]
    """How many of the words each text has, for the texts that have some; known without waiting
    for a GPU."""
    count: int
    """How many of the words are annotated: what the mean loss is over."""


Targets = TextTargets | WordTargets


@dataclass(frozen=True)
class Batch:
    """What one forward pass takes."""

    ids: Tensor
    """Word pieces, `(batch, seq)`."""
    mask: Tensor
    """1 for a piece, 0 for padding, `(batch, seq)`."""
    targets: Mapping[str, Targets]
    """By task, for the tasks that label something here."""
    texts: int
    tokens: int
    """Pieces, padding left out."""
    indices: tuple[int, ...]
    """Numbers of the examples in their split."""

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; copies from pinned memory do not wait."""
        if device.type == "cpu":
            return self

        def move(tensor: Tensor) -> Tensor:
            pinned = tensor.pin_memory() if device.type == "cuda" else tensor
            return pinned.to(device, non_blocking=True)

        def moved(given: Targets) -> Targets:
            values = {field.name: getattr(given, field.name) for field in fields(given)}
            tensors = {
                name: move(value) for name, value in values.items() if isinstance(value, Tensor)
            }
            return replace(given, **tensors)  # type: ignore[arg-type]  # its own fields, moved

        return Batch(
            ids=move(self.ids),
            mask=move(self.mask),
            targets={task: moved(given) for task, given in self.targets.items()},
            texts=self.texts,
            tokens=self.tokens,
            indices=self.indices,
        )


def pad(sequences: Sequence[np.ndarray], pad_id: int) -> tuple[Tensor, Tensor]:
    """Pad on the right to the longest.

    Returns:
        The pieces and the mask, both `(batch, seq)`.
    """
    lengths = np.fromiter((len(ids) for ids in sequences), np.int64, len(sequences))
    mask = np.arange(lengths.max())[None, :] < lengths[:, None]
    ids = np.full(mask.shape, pad_id, dtype=np.int64)
    ids[mask] = np.concatenate(sequences)
    return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


def collate(examples: Sequence[EncodedExample], indices: Sequence[int], *, pad_id: int) -> Batch:
    """Make a batch of these examples.

    Args:
        examples: The examples, in order.
        indices: Their numbers in the split, for messages.
        pad_id: The piece that padding is made of.
    """
    ids, mask = pad([example.ids for example in examples], pad_id)
    tasks = dict.fromkeys(task for example in examples for task in example.labels)
    targets = {task: made for task in tasks if (made := _targets(examples, task)) is not None}
    return Batch(
        ids=ids,
        mask=mask,
        targets=targets,
        texts=len(examples),
        tokens=int(mask.sum()),
        indices=tuple(indices),
    )


def _targets(examples: Sequence[EncodedExample], task: str) -> Targets | None:
    labelled = [
        (row, example.labels[task])
        for row, example in enumerate(examples)
        if task in example.labels
    ]
    targets = TARGETS[type(labelled[0][1])](labelled)
    return targets if targets is not None and targets.count else None


def class_targets(labelled: Sequence[tuple[int, int]]) -> TextTargets:
    """One class for each text.

    Args:
        labelled: Number of the text in the batch and its class.
    """
    rows, labels = zip(*labelled, strict=True)
    return TextTargets(torch.tensor(rows), torch.tensor(labels))


def word_targets(words: Sequence[tuple[int, WordLabels]]) -> WordTargets | None:
    """The words of several texts as flat rows; None if all were cut off.

    Args:
        words: Number of the text in the batch, ascending, and its words.
    """
    positions = np.concatenate([label.positions for _, label in words])
    kept = positions != CUT
    if not kept.any():
        return None
    rows = np.repeat([row for row, _ in words], [len(label.positions) for _, label in words])[kept]
    labels = np.concatenate([label.labels for _, label in words])[kept]
    return WordTargets(
        rows=torch.from_numpy(rows),
        positions=torch.from_numpy(positions[kept]),
        lasts=torch.from_numpy(np.concatenate([label.lasts for _, label in words])[kept]),
        labels=torch.from_numpy(labels),
        lengths=tuple(np.unique(rows, return_counts=True)[1].tolist()),
        count=int((labels != NO_LABEL).sum()),
    )


TARGETS: dict[type, Callable[[Sequence[tuple[int, Any]]], Targets | None]] = {
    int: class_targets,
    WordLabels: word_targets,
}
"""By the type of the labels: what a head gets, from pairs of a text's number and its label."""
