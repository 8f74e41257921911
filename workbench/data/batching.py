"""Several examples padded together: one batch for the backbone, and each head's share of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.data.kinds.contrastive import ABSENT, TextKeys
from workbench.data.kinds.multilabel import LabelFlags
from workbench.data.masking import Gaps, MaskedText
from workbench.data.pieces import CUT, NO_LABEL, Pieces, WordLabels
from workbench.data.tokenizing import EncodedExample


@dataclass(frozen=True)
class TextTargets:
    """The texts of a batch that one task labels."""

    rows: Tensor
    """Which rows of the batch, `(labelled,)`; for texts that are read one by one and compared,
    `(labelled, texts)`."""
    labels: Tensor
    """Their labels: a class or a score each, `(labelled,)`; a flag for each label, NaN where it
    is not known, `(labelled, labels)`; a key for each text, `(labelled, texts)`."""
    decisions: int | None = None
    """How many of the flags are known."""

    @property
    def count(self) -> int:
        """How many labels the mean loss is over: the decisions, else the texts."""
        return len(self.labels) if self.decisions is None else self.decisions


@dataclass(frozen=True)
class WordTargets:
    """The words of a batch that one task tags. Words that were cut off are not among them."""

    rows: Tensor
    """Row of each word's text in the batch, `(words,)`."""
    positions: Tensor
    """First piece of each word in its text, `(words,)`."""
    lasts: Tensor
    """Last piece of each word, `(words,)`."""
    labels: Tensor
    """Its tag, or `NO_LABEL`, `(words,)`."""
    lengths: tuple[int, ...]
    """How many of the words each labelled text has, for the texts that have some; known without
    waiting for a GPU."""
    count: int
    """How many of the words are annotated: what the mean loss is over."""


Targets = TextTargets | WordTargets


@dataclass(frozen=True)
class Batch:
    """What one forward pass takes."""

    ids: Tensor
    """Word pieces, `(batch, seq)`; of a stack words with their characters, with a third axis."""
    mask: Tensor
    """1 for a piece, 0 for padding, `(batch, seq)`."""
    targets: Mapping[str, Targets]
    """By task, for the tasks that label something here."""
    texts: int
    """Examples; a row that several of them read is there once."""
    tokens: int
    """Pieces, padding left out."""
    indices: tuple[int, ...]
    """Numbers of the examples in their split."""
    segments: Tensor | None = None
    """Which of two texts each piece is from, `(batch, seq)`; None if no row has two."""

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
            segments=None if self.segments is None else move(self.segments),
        )


def pad(sequences: Sequence[np.ndarray], pad_id: int) -> tuple[Tensor, Tensor]:
    """Pad on the right to the longest.

    Args:
        sequences: Pieces, each `(pieces,)` or `(pieces, columns)`.
        pad_id: What padding is made of.

    Returns:
        The pieces, `(batch, seq)` or `(batch, seq, columns)`, and the mask, `(batch, seq)`.
    """
    lengths = np.fromiter((len(ids) for ids in sequences), np.int64, len(sequences))
    mask = np.arange(lengths.max())[None, :] < lengths[:, None]
    ids = np.full((*mask.shape, *sequences[0].shape[1:]), pad_id, dtype=np.int64)
    ids[mask] = np.concatenate(sequences)
    return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


def collate(
    examples: Sequence[EncodedExample],
    indices: Sequence[int],
    *,
    pad_id: int,
    draw: Sequence[int] = (),
) -> Batch:
    """Make a batch of these examples.

    Args:
        examples: The examples, in order.
        indices: Their numbers in the split, for messages.
        pad_id: The piece that padding is made of.
        draw: Where chance comes from if something is hidden; a run's seed and update in training.
    """
    examples = [_with_hidden(example, draw) for example in examples]
    rows, reads = _different_rows(examples)
    ids, mask = pad([row.ids for row in rows], pad_id)
    tasks = dict.fromkeys(task for example in examples for task in example.labels)
    targets = {
        task: made for task in tasks if (made := _targets(examples, reads, task)) is not None
    }
    return Batch(
        ids=ids,
        mask=mask,
        targets=targets,
        texts=len(examples),
        tokens=int(mask.sum()),
        indices=tuple(indices),
        segments=segments_of(rows, mask),
    )


def _with_hidden(example: EncodedExample, draw: Sequence[int]) -> EncodedExample:
    """The example with pieces hidden, if that is what is learned from it."""
    for task, label in example.labels.items():
        if isinstance(label, MaskedText):
            ids, hidden = label.hide(draw)
            row = replace(example.rows[0], ids=ids)
            return replace(example, rows=(row,), labels={task: hidden})
    return example


def _different_rows(
    examples: Sequence[EncodedExample],
) -> tuple[list[Pieces], list[tuple[int, ...]]]:
    """Every row of some examples once, and for each example the numbers of its own."""
    numbers: dict[tuple[bytes, bytes], int] = {}
    rows: list[Pieces] = []
    reads = []
    for example in examples:
        own = []
        for row in example.rows:
            segments = b"" if row.segments is None else row.segments.tobytes()
            number = numbers.setdefault((row.ids.tobytes(), segments), len(rows))
            if number == len(rows):
                rows.append(row)
            own.append(number)
        reads.append(tuple(own))
    return rows, reads


def segments_of(rows: Sequence[Pieces], mask: Tensor) -> Tensor | None:
    """Which of two texts each piece of padded rows is from; None if no row has two."""
    if not any(row.segments is not None and row.segments.any() for row in rows):
        return None
    segments = np.zeros(mask.shape, dtype=np.int64)
    for number, row in enumerate(rows):
        if row.segments is not None:
            segments[number, : len(row.segments)] = row.segments
    return torch.from_numpy(segments)


def _targets(
    examples: Sequence[EncodedExample], reads: Sequence[tuple[int, ...]], task: str
) -> Targets | None:
    labelled = [
        (tuple(own[at] for at in example.reads.get(task, (0,))), example.labels[task])
        for example, own in zip(examples, reads, strict=True)
        if task in example.labels
    ]
    targets = TARGETS[type(labelled[0][1])](labelled)
    return targets if targets is not None and targets.count else None


Rows = tuple[int, ...]
"""Numbers of the rows in the batch that one example reads for one task."""


def class_targets(labelled: Sequence[tuple[Rows, int]]) -> TextTargets:
    """One class for each text."""
    return TextTargets(_rows_of(labelled), torch.tensor([label for _, label in labelled]))


def score_targets(labelled: Sequence[tuple[Rows, float]]) -> TextTargets:
    """One number for each text."""
    scores = torch.tensor([label for _, label in labelled], dtype=torch.float32)
    return TextTargets(_rows_of(labelled), scores)


def flag_targets(labelled: Sequence[tuple[Rows, LabelFlags]]) -> TextTargets:
    """A flag for each text and label."""
    flags = np.stack([label.flags for _, label in labelled])
    return TextTargets(
        _rows_of(labelled), torch.from_numpy(flags), decisions=int((~np.isnan(flags)).sum())
    )


def key_targets(labelled: Sequence[tuple[Rows, TextKeys]]) -> TextTargets:
    """A key for each of the texts that belong together; `ABSENT` where one has fewer."""
    most = max(len(label.keys) for _, label in labelled)
    rows = [own + (own[0],) * (most - len(own)) for own, _ in labelled]
    keys = [label.keys + (ABSENT,) * (most - len(label.keys)) for _, label in labelled]
    return TextTargets(torch.tensor(rows), torch.tensor(keys))


def _rows_of(labelled: Sequence[tuple[Rows, Any]]) -> Tensor:
    rows = torch.tensor([own for own, _ in labelled])  # (labelled, texts)
    return rows.squeeze(1) if rows.shape[1] == 1 else rows


def word_targets(labelled: Sequence[tuple[Rows, WordLabels]]) -> WordTargets | None:
    """The words of several texts as flat rows; None if all were cut off."""
    sizes = [int((label.positions != CUT).sum()) for _, label in labelled]
    if not any(sizes):
        return None
    kept = np.concatenate([label.positions for _, label in labelled]) != CUT

    def words(of: str) -> np.ndarray:
        found: np.ndarray = np.concatenate([getattr(label, of) for _, label in labelled])[kept]
        return found

    labels = words("labels")
    return WordTargets(
        rows=torch.from_numpy(np.repeat([own[0] for own, _ in labelled], sizes)),
        positions=torch.from_numpy(words("positions")),
        lasts=torch.from_numpy(words("lasts")),
        labels=torch.from_numpy(labels),
        lengths=tuple(size for size in sizes if size),
        count=int((labels != NO_LABEL).sum()),
    )


TARGETS: dict[type, Callable[[Sequence[tuple[Rows, Any]]], Targets | None]] = {
    int: class_targets,
    float: score_targets,
    LabelFlags: flag_targets,
    TextKeys: key_targets,
    WordLabels: word_targets,
    Gaps: word_targets,
}
"""By the type of the labels: what a head gets, from the rows that each example reads and its
label."""
