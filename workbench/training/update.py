"""One optimizer update from one or several micro-batches: the single training step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workbench.data.batching import Batch
from workbench.model.heads import Head
from workbench.training.interference import Interference, look
from workbench.training.optimizer import set_rates, trained_parameters
from workbench.training.reproducibility import TorchState
from workbench.training.run import Run


@dataclass(frozen=True)
class Update:
    """What one update was; the tensors may still be on their way from a GPU."""

    step: int
    losses: Mapping[str, Tensor]
    total_loss: Tensor
    gradient_norm: Tensor
    learning_rates: Mapping[str, float]
    batch: Batch
    weights: Mapping[str, Tensor | float] = field(default_factory=dict)
    interference: Interference | None = None
    task_norms: Mapping[str, Tensor] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    planned_shares: Mapping[str, float] = field(default_factory=dict)


def make_update(run: Run, *batches: Batch) -> Update:
    """Forward, losses, backward, step. Counts `run.step` up.

    Args:
        run: In training mode.
        batches: The micro-batches of the update; the losses are means over all of them.
    """
    optimization = run.config.optimization
    run.unfreezing.start_step(run.step)
    factor = optimization.rate_schedule.factor(run.step, run.total_steps) * run.plateau.factor
    rates = set_rates(run.optimizer, factor)

    counts = _label_counts(batches)
    # Weight 0 means not trained: a zero gradient would still decay the head, and 0 x NaN is NaN.
    trained = {
        task: run.config.tasks[task].weight for task in run.config.trained_tasks if task in counts
    }
    looks = bool(run.looks_every) and (run.step + 1) % run.looks_every == 0 and len(trained) > 1
    run.balance.begin(
        run.step, trained, micro_batches=len(batches), scaler=run.scaler, wants_rows=looks
    )
    random = TorchState(run.arithmetic.device) if run.balance.wants_losses_again else None
    run.optimizer.zero_grad(set_to_none=True)
    for losses in _losses(run, batches, counts):
        run.balance.add(losses)
    balanced = run.balance.finish()
    norm = torch.zeros(())
    if balanced.has_gradient:  # else nothing of what was labelled here moves
        run.scaler.unscale_(run.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(
            trained_parameters(run.optimizer), optimization.max_gradient_norm or math.inf
        )
        run.scaler.step(run.optimizer)
        run.scaler.update()
    run.balance.learn(_losses_again(run, batches, counts, random) if random else {})
    run.step += 1
    drawn = [index for batch in batches for index in batch.indices]
    follows_a_rule = run.sampling.follows_a_rule
    return Update(
        step=run.step,
        losses=balanced.losses,
        total_loss=balanced.total,
        gradient_norm=norm.detach(),
        learning_rates=rates,
        batch=batches[0],
        weights=balanced.weights,
        interference=look(balanced.rows, run.balance.shared) if balanced.rows else None,
        task_norms=balanced.norms,
        shares=run.sampling.drawn(drawn) if follows_a_rule else {},
        planned_shares=run.sampling.planned(run.step / run.total_steps) if follows_a_rule else {},
    )


def _label_counts(batches: Sequence[Batch]) -> dict[str, int]:
    """How many labels of each task the whole update has."""
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update({task: targets.count for task, targets in batch.targets.items()})
    return dict(counts)


def _losses(
    run: Run, batches: Sequence[Batch], counts: Mapping[str, int]
) -> Iterator[dict[str, Tensor]]:
    """What each micro-batch adds to the mean loss of each task that it labels."""
    if run.masks is not None:
        run.masks.start_step(run.step)
    for batch in batches:
        with run.arithmetic.autocast():
            logits = run.loaded.model(batch)
        losses = {}
        for task, scores in logits.items():
            head: Head = run.loaded.model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
            losses[task] = head.loss_sum(scores, batch.targets[task]) / counts[task]
        yield losses


@torch.no_grad()
def _losses_again(
    run: Run, batches: Sequence[Batch], counts: Mapping[str, int], random: TorchState
) -> dict[str, Tensor]:
    """The mean losses of an update after it was made, with the same dropout."""
    random.put_back()
    again: dict[str, Tensor] = {}
    for losses in _losses(run, batches, counts):
        for task, loss in losses.items():
            again[task] = again[task] + loss if task in again else loss
    return again
