"""One optimizer update: the single training step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workbench.data.batching import Batch
from workbench.training.accumulation import label_counts, loss_shares, micro_batches
from workbench.training.memory_limits import halve, is_out_of_memory
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
    indices: tuple[int, ...]
    """Numbers of its examples in train."""
    texts: int
    tokens: int
    skipped: str = ""
    """Why nothing was learned from it, if so."""
    warnings: tuple[str, ...] = ()


@dataclass
class _Gradients:
    """What the passes of an update added up to; the gradients themselves are at the parameters."""

    losses: dict[str, Tensor] = field(default_factory=dict)
    total: Tensor = field(default_factory=lambda: torch.zeros(()))
    texts: int = 0
    tokens: int = 0
    are_there: bool = False


def make_update(run: Run, indices: Sequence[int]) -> Update:
    """Forward, losses, backward, step. Counts `run.step` up.

    Args:
        run: What is trained.
        indices: Numbers of the update's examples in train.

    Raises:
        WorkerError: Memory ran out, and the settings do not say to try with less at a time.
    """
    optimization = run.config.optimization
    factor = optimization.rate_schedule.factor(run.step, run.total_steps) * run.plateau.factor
    run.unfreezing.start_step(run.step)
    rates = set_rates(run.optimizer, factor * run.requests.rate_scale)
    found, warnings = _gradients_that_fit(run, indices)
    run.step += 1
    norm, skipped = torch.zeros(()), ""
    if run.config.training.on_nan == "skip":
        skipped = _what_is_not_finite(found)
    if found.are_there and not skipped:
        run.scaler.unscale_(run.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(
            trained_parameters(run.optimizer), optimization.max_gradient_norm or math.inf
        )
        # The scaler of fp16 leaves an update with such a norm out by itself.
        if run.config.training.on_nan == "skip" and not run.scaler.is_enabled():
            skipped = "" if math.isfinite(norm) else f"The norm of the gradient is {norm.item()}"
        if not skipped:
            run.scaler.step(run.optimizer)
            run.scaler.update()
    if skipped:
        run.skipped += 1
        run.optimizer.zero_grad(set_to_none=True)
    return Update(
        step=run.step,
        losses=found.losses,
        total_loss=found.total,
        gradient_norm=norm.detach(),
        learning_rates=rates,
        indices=tuple(indices),
        texts=found.texts,
        tokens=found.tokens,
        skipped=skipped,
        warnings=tuple(warnings),
    )


def _gradients_that_fit(run: Run, indices: Sequence[int]) -> tuple[_Gradients, list[str]]:
    """The gradients of an update, with smaller micro-batches if need be; and what was said."""
    warnings: list[str] = []
    while True:
        try:
            return _gradients(run, indices), warnings
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Out here the error is gone, and with it what its traceback held on the device.
        run.optimizer.zero_grad(set_to_none=True)
        warnings.append(halve(run, indices))


def _gradients(run: Run, indices: Sequence[int]) -> _Gradients:
    if run.masks is not None:
        run.masks.start_step(run.step)
    run.optimizer.zero_grad(set_to_none=True)
    batches = micro_batches(run, indices)
    counts = label_counts(batches)
    found = _Gradients()
    for batch in batches:
        shares = loss_shares(run, batch.to(run.arithmetic.device), counts)
        # Weight 0 means not trained: a zero gradient would still decay the head, and 0 x NaN is
        # NaN.
        weights = {task: run.weight_of(task) for task in shares}
        weighted = [shares[task] * weight for task, weight in weights.items() if weight > 0]
        if weighted:  # else all that was labelled here was cut off
            total = torch.stack(weighted).sum()
            if total.requires_grad:  # else nothing of what was labelled here moves
                run.scaler.scale(total).backward()  # type: ignore[no-untyped-call]  # torch's is untyped
                found.are_there = True
            found.total = found.total.to(total.device) + total.detach()
        _add(found, shares, batch)
        run.fitted_pieces = max(run.fitted_pieces, batch.ids.numel())
    return found


def _add(found: _Gradients, shares: Mapping[str, Tensor], batch: Batch) -> None:
    for task, share in shares.items():
        before = found.losses.get(task)
        found.losses[task] = share.detach() if before is None else before + share.detach()
    found.texts += batch.texts
    found.tokens += batch.tokens


def _what_is_not_finite(found: _Gradients) -> str:
    """The first loss that is not finite, as a sentence without its end."""
    for task, loss in found.losses.items():
        if not math.isfinite(loss):
            return f'The loss of task "{task}" is {loss.item()}'
    return ""
