"""Loss and predictions of a model on a labelled split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from workbench.data.batching import Batch, collate
from workbench.data.labels import LabelSpace
from workbench.data.schemes import UNANNOTATED
from workbench.data.tokenizing import CUT, NO_LABEL, EncodedSplit, WordLabels
from workbench.model.arithmetic import Arithmetic
from workbench.model.heads import Head
from workbench.model.multitask import MultiTaskModel

Giving = Callable[[Batch], AbstractContextManager[None]]
"""What a forward pass of a batch runs in, so that the backbone is given what is known of it."""


def nothing_given(batch: Batch) -> AbstractContextManager[None]:
    """For a forward pass that computes everything."""
    return nullcontext()


TOKENS_PER_BATCH = 4096
"""Pieces, padding included. Evaluation needs no gradients, so batches may be large; larger
ones gain nothing on a CPU."""


@dataclass
class TaskPredictions:
    """What one task's head said of a split, example by example."""

    loss: float = 0.0
    """Mean nats per label (text or word)."""
    expected: list[list[str]] = field(default_factory=list)
    """Labels of each labelled text: one, or one per word (`UNANNOTATED` where there is none)."""
    predicted: list[list[str]] = field(default_factory=list)


def length_sorted_batches(lengths: np.ndarray, budget: int = TOKENS_PER_BATCH) -> list[np.ndarray]:
    """Batches of like length with at most `budget` pieces each, padding included."""
    order = np.argsort(lengths, kind="stable")
    batches: list[np.ndarray] = []
    begin = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - begin) * lengths[order[end]] > budget:
            batches.append(order[begin:end])
            begin = end
    return batches


@torch.no_grad()
def predict_split(
    model: MultiTaskModel,
    split: EncodedSplit,
    labels: Mapping[str, LabelSpace],
    *,
    pad_id: int,
    arithmetic: Arithmetic,
    given: Giving = nothing_given,
) -> dict[str, TaskPredictions]:
    """Run a model over a split.

    The model is in evaluation mode inside, and as before afterwards. A word whose pieces were
    cut off is predicted `O` (or the first label, where there is no `O`), so that cutting costs.

    Returns:
        By task that labels something in the split.
    """
    was_training = model.training
    model.eval()
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    guesses: dict[int, dict[str, list[int]]] = {}
    for indices in length_sorted_batches(split.lengths):
        examples = [split.examples[index] for index in indices]
        batch = collate(examples, indices.tolist(), pad_id=pad_id).to(arithmetic.device)
        with arithmetic.autocast(), given(batch):
            logits = model(batch)
        for task, scores in logits.items():
            targets = batch.targets[task]
            head: Head = model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
            sums[task] = sums.get(task, 0.0) + head.loss_sum(scores, targets).item()
            counts[task] = counts.get(task, 0) + targets.count
            _collect(guesses, indices, task, targets.rows, head.decode(scores, targets))
    model.train(was_training)
    return {
        task: _task_predictions(task, split, labels[task], guesses, sums[task] / counts[task])
        for task in labels
        if task in sums
    }


def _collect(
    guesses: dict[int, dict[str, list[int]]],
    indices: np.ndarray,
    task: str,
    rows: Tensor,
    decoded: Tensor,
) -> None:
    for row, guess in zip(rows.tolist(), decoded.tolist(), strict=True):
        guesses.setdefault(int(indices[row]), {}).setdefault(task, []).append(guess)


def _task_predictions(
    task: str,
    split: EncodedSplit,
    space: LabelSpace,
    guesses: Mapping[int, Mapping[str, list[int]]],
    loss: float,
) -> TaskPredictions:
    missing = space.names.index("O") if "O" in space.names else 0
    result = TaskPredictions(loss)
    for index, example in enumerate(split.examples):
        label = example.labels.get(task)
        if label is None:
            continue
        found = iter(guesses.get(index, {}).get(task, []))
        if isinstance(label, WordLabels):
            # Nothing is found for a text of which no word that was kept is annotated.
            numbers = [
                missing if at == CUT else next(found, missing) for at in label.positions.tolist()
            ]
            expected = [
                UNANNOTATED if number == NO_LABEL else space.names[number]
                for number in label.labels.tolist()
            ]
        else:
            numbers, expected = [next(found)], [space.names[label]]
        result.expected.append(expected)
        result.predicted.append([space.names[number] for number in numbers])
    return result
