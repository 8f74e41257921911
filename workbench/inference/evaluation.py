"""Loss and predictions of a model on a labelled split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from workbench.data.batching import TARGETS, Batch, TextTargets, collate
from workbench.data.labels import LabelSpace
from workbench.data.tokenizing import EncodedExample, EncodedSplit
from workbench.inference.kinds import ANSWERS
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
    """Mean per label, in the task's unit (nats per text or word)."""
    expected: list[Any] = field(default_factory=list)
    """Of each labelled example what `AnswerKind.compared` makes of its label."""
    predicted: list[Any] = field(default_factory=list)
    """The same of what the head decoded."""


GROUP = 64
"""Examples that are compared with each other, at most; see `Head.compares_examples`."""


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

    The model is in evaluation mode inside, and as before afterwards.

    Returns:
        By task that labels something in the split.
    """
    was_training = model.training
    model.eval()
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    decoded: dict[str, dict[int, NDArray[Any]]] = {}
    compared: dict[str, dict[int, NDArray[Any]]] = {}
    with arithmetic.weights_cast_once():
        for indices in length_sorted_batches(split.lengths):
            examples = [split.examples[index] for index in indices]
            on_cpu = collate(examples, indices.tolist(), pad_id=pad_id)
            batch = on_cpu.to(arithmetic.device)
            with arithmetic.autocast(), given(on_cpu):
                logits = model(batch)
            for task, scores in logits.items():
                targets = batch.targets[task]
                head: Head = model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
                counts[task] = counts.get(task, 0) + targets.count
                if not head.compares_examples:
                    sums[task] = sums.get(task, 0.0) + head.loss_sum(scores, targets).item()
                for kept, values in (
                    (decoded, head.decode(scores, targets)),
                    *([(compared, scores.float())] if head.compares_examples else []),
                ):
                    shares = share_out(labels[task].kind, task, examples, values.cpu().numpy())
                    kept.setdefault(task, {}).update(
                        (int(indices[row]), share) for row, share in shares.items()
                    )
    for task, scores_of in compared.items():
        sums[task] = _loss_in_groups(model.heads[task], task, split, scores_of)  # type: ignore[arg-type]  # ModuleDict is untyped
    model.train(was_training)
    return {
        task: _task_predictions(labels[task], split, decoded[task], sums[task] / counts[task])
        for task in labels
        if task in sums
    }


def share_out(
    kind: str, task: str, examples: Sequence[EncodedExample], values: NDArray[Any]
) -> dict[int, NDArray[Any]]:
    """What belongs to each example of a batch, of what its task's head gave for all.

    Args:
        kind: Of the task.
        task: Its name.
        examples: Of the batch, in order.
        values: One row for each text or word.

    Returns:
        By number of the example in the batch, for those that the task labels.
    """
    labelled = [(row, one.labels[task]) for row, one in enumerate(examples) if task in one.labels]
    ends = np.cumsum([ANSWERS[kind].rows_of(label) for _, label in labelled])
    parts = np.split(values, ends[:-1])
    return {row: part for (row, _), part in zip(labelled, parts, strict=True)}


def _loss_in_groups(
    head: Head, task: str, split: EncodedSplit, scores_of: Mapping[int, NDArray[Any]]
) -> float:
    """The summed loss of a head that compares examples: so many at a time, in their order.

    The batches above are made by length, and would make the loss depend on it. Such a loss looks
    at scores only, so it is computed on the CPU.
    """
    total = 0.0
    part = split.table.parts[task]
    order = sorted(scores_of)
    for group in np.array_split(order, -(-len(order) // GROUP)):
        labelled = [((0,), part.labels.at(int(part.row_of[index]))) for index in group]
        targets = TARGETS[type(labelled[0][1])](labelled)
        assert isinstance(targets, TextTargets)
        scores = [torch.as_tensor(scores_of[index][0]) for index in group]
        if scores[0].ndim:  # vectors, of as many texts as the example or its batch mates had
            most = targets.labels.shape[1]
            scores = [functional.pad(one[:most], (0, 0, 0, most - len(one))) for one in scores]
        total += head.loss_sum(torch.stack(scores), targets).item()
    return total


def _task_predictions(
    space: LabelSpace,
    split: EncodedSplit,
    decoded: Mapping[int, NDArray[Any]],
    loss: float,
) -> TaskPredictions:
    result, kind = TaskPredictions(loss), ANSWERS[space.kind]
    nothing = np.zeros(0, np.int64)
    part = split.table.parts[space.task]
    for index in split.labelled(space.task).tolist():
        label = part.labels.at(int(part.row_of[index]))
        # Nothing is found for a text of whose batch no word that was kept is annotated.
        expected, predicted = kind.compared(space, label, decoded.get(index, nothing))
        result.expected.append(expected)
        result.predicted.append(predicted)
    return result
