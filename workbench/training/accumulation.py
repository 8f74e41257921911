"""An update in several passes: micro-batches whose losses and gradients add up to the whole.

The loss of a task is its sum over its count across the *whole* update, never a mean of means: the
labels of all micro-batches are counted before the first pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor

from workbench.data.batching import Batch, collate
from workbench.model.heads import Head
from workbench.training.run import Run


def micro_batches(run: Run, indices: Sequence[int]) -> list[Batch]:
    """The batches of one update, on the CPU: one, or as many as `run.micro_batch_size` wants.

    Args:
        run: Knows the examples.
        indices: Numbers of the update's examples in train.
    """
    if not indices:
        return []
    size = run.micro_batch_size or len(indices)
    parts = -(-len(indices) // size)
    bounds = [len(indices) * part // parts for part in range(parts + 1)]
    return [
        collate(
            [run.train_split.examples[index] for index in indices[begin:end]],
            indices[begin:end],
            pad_id=run.loaded.tokenizer.pad_id,
            draw=(run.config.seed, run.step),
        )
        for begin, end in pairwise(bounds)
    ]


def label_counts(batches: Sequence[Batch]) -> dict[str, int]:
    """How many labels of each task the whole update has."""
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update({task: targets.count for task, targets in batch.targets.items()})
    return dict(counts)


def loss_shares(run: Run, batch: Batch, counts: Mapping[str, int]) -> dict[str, Tensor]:
    """What a micro-batch adds to the mean loss of each task that it labels.

    Args:
        run: Its model is applied, in its precision.
        batch: On the CPU, where its texts are recognised without waiting for a GPU.
        counts: Labels of each task in the whole update.

    Returns:
        Scalars by task, nats; their sums over the micro-batches are the tasks' mean losses.
    """
    moved = batch.to(run.arithmetic.device)
    with run.arithmetic.autocast(), run.features.given(batch):
        logits = run.loaded.model(moved)
    shares = {}
    for task, scores in logits.items():
        head: Head = run.loaded.model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
        shares[task] = head.loss_sum(scores, moved.targets[task]) / counts[task]
    return shares
