"""One optimizer update from one batch: the single training step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.data.batching import Batch
from workbench.model.heads import Head
from workbench.training.optimizer import set_rates, trained_parameters
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


def make_update(run: Run, batch: Batch) -> Update:
    """Forward, losses, backward, step. Counts `run.step` up."""
    optimization = run.config.optimization
    run.unfreezing.start_step(run.step)
    factor = optimization.rate_schedule.factor(run.step, run.total_steps) * run.plateau.factor
    rates = set_rates(run.optimizer, factor)
    if run.masks is not None:
        run.masks.start_step(run.step)

    with run.arithmetic.autocast(), run.features.given(batch):
        logits = run.loaded.model(batch)
    losses = {}
    for task, scores in logits.items():
        head: Head = run.loaded.model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
        targets = batch.targets[task]
        losses[task] = head.loss_sum(scores, targets) / targets.count
    # Weight 0 means not trained: a zero gradient would still decay the head, and 0 x NaN is NaN.
    weights = {task: run.config.tasks[task].weight for task in losses}
    weighted = [losses[task] * weight for task, weight in weights.items() if weight > 0]

    run.step += 1
    total = norm = torch.zeros(())
    if weighted:  # else all that was labelled here was cut off
        total = torch.stack(weighted).sum()
    if total.requires_grad:  # else nothing of what was labelled here moves
        run.optimizer.zero_grad(set_to_none=True)
        run.scaler.scale(total).backward()  # type: ignore[no-untyped-call]  # torch's is untyped
        run.scaler.unscale_(run.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(
            trained_parameters(run.optimizer), optimization.max_gradient_norm or math.inf
        )
        run.scaler.step(run.optimizer)
        run.scaler.update()
    return Update(
        step=run.step,
        losses={task: loss.detach() for task, loss in losses.items()},
        total_loss=total.detach(),
        gradient_norm=norm.detach(),
        learning_rates=rates,
        batch=batch,
    )
