"""A run, from a config to its events. Read this first.

`train` yields what happens and does nothing else that anybody could see, but for the
checkpoints that it writes into the run's folder: it prints nothing, opens no database and
knows of no screen. It works the same in a notebook:

    for event in train(config, folder=Path("runs/try")):
        print(event)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workbench.config.experiment import ExperimentConfig
from workbench.data.batching import Batch, collate
from workbench.data.examples import Corpus, read_corpus
from workbench.data.sampling import epoch_batches, steps_per_epoch
from workbench.data.tokenizing import EncodedSplit, encode_split
from workbench.errors import WorkerError
from workbench.events import (
    CheckpointRemoved,
    CheckpointSaved,
    EvaluationFinished,
    Event,
    LayersMixed,
    ParameterGroup,
    PhaseStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    TaskDescribed,
    Warned,
)
from workbench.model.arithmetic import Arithmetic, choose_arithmetic, choose_matrix_backend
from workbench.model.building import build_backbone, build_model, head_settings, pooling_settings
from workbench.model.dropout import MaskSource, make_dropout_cheap
from workbench.model.folder import LoadedModel, ModelDescription
from workbench.model.freezing import (
    GradualUnfreezing,
    first_steps,
    freeze,
    frozen_checksum,
    is_frozen,
)
from workbench.model.heads import Head
from workbench.model.vocabulary import train_only_occurring_rows
from workbench.schedules import Plateau
from workbench.training.advice import backbone_warnings
from workbench.training.checkpoint import checkpoint_name, remove_checkpoint, save_checkpoint
from workbench.training.evaluation import evaluate
from workbench.training.optimizer import (
    Rates,
    build_optimizer,
    parameter_table,
    set_rates,
    trained_parameters,
    weights_to_train,
    weights_to_use,
)
from workbench.training.reproducibility import seed_everything
from workbench.training.selection import selection_value
from workbench.training.showcase import compute_showcase

STEPS_PER_BLOCK_ON_GPU = 20
"""Losses stay on a GPU for this many updates and are fetched together: reading a value waits
for all work queued before it. On a CPU it costs nothing, so there each update is looked at."""
BLOCK_SECONDS = 1.0
"""A block ends after this time even if it has fewer updates: slow ones are to be seen, too."""


def train(
    config: ExperimentConfig,
    *,
    folder: Path,
    should_stop: Callable[[], str | None] = lambda: None,
) -> Iterator[Event]:
    """Run an experiment.

    Args:
        config: What to do, with the paths of its files absolute or relative to the current
            folder.
        folder: The run's folder; checkpoints go beneath it.
        should_stop: Asked once per update: None, "stop" (evaluate, save a checkpoint and
            leave) or "stop now" (leave at once).

    Yields:
        Events, in the order in which things happen; `RunFinished` is the last.

    Raises:
        WorkbenchError: The data, the backbone or the device cannot be used, or a loss is not
            finite.
    """
    begin = time.perf_counter()
    run = yield from _prepare(config, folder)
    stopped = yield from _train_epochs(run, should_stop)
    if config.showcase.texts and stopped != "stop now":
        yield PhaseStarted("showcase", 60)
        yield compute_showcase(run.best_or_last, config.showcase.texts, run.arithmetic)
    yield RunFinished(
        step=run.step,
        stopped=stopped is not None,
        frozen_checksum=frozen_checksum(run.loaded.model, run.frozen),
        seconds=time.perf_counter() - begin,
    )


@dataclass
class _Run:
    """What a run holds while it trains."""

    config: ExperimentConfig
    folder: Path
    corpus: Corpus
    train_split: EncodedSplit
    dev_split: EncodedSplit
    loaded: LoadedModel
    arithmetic: Arithmetic
    optimizer: torch.optim.Optimizer
    unfreezing: GradualUnfreezing
    frozen: frozenset[str]
    """Names of the parameters that never move."""
    groups: tuple[ParameterGroup, ...]
    scaler: torch.amp.GradScaler
    masks: MaskSource | None
    """Where dropout's masks come from, if not from torch."""
    trainable_parameters: int
    total_parameters: int
    total_steps: int
    step: int = 0
    plateau: Plateau = field(default_factory=Plateau)
    """What the evaluations of dev have done to the rate."""
    best_selection: float | None = None
    checkpoints: list[int] = field(default_factory=list)
    """Steps of the checkpoints that are there, oldest first."""
    best_step: int | None = None

    @property
    def best_or_last(self) -> Path:
        """Model folder of the best checkpoint, or of the last where nothing was selected."""
        step = self.best_step if self.best_step is not None else self.checkpoints[-1]
        return self.folder / checkpoint_name(step) / "model"


def _prepare(config: ExperimentConfig, folder: Path) -> Generator[Event, None, _Run]:
    """Read the data, build the model; returns the `_Run`."""
    yield PhaseStarted("reading data", 600)
    seed_everything(config.seed)
    arithmetic = choose_arithmetic(config.training.device, config.training.precision)
    if arithmetic.device.type == "cpu":
        choose_matrix_backend()
    corpus = read_corpus(config)
    yield PhaseStarted("loading the backbone", 600)
    backbone = build_backbone(config)
    heads = head_settings(config, corpus.labels)
    pooling = pooling_settings(config)
    model = build_model(backbone, heads, pooling=pooling, seed=config.seed)
    freezing = config.freezing
    frozen = freeze(
        model,
        freezing.mode,
        layers=freezing.layers,
        heads=freezing.heads,
        patterns=freezing.patterns,
    )
    train_split, dev_split = (
        encode_split(split, backbone.tokenizer, corpus.labels)
        for split in (corpus.train, corpus.dev)
    )
    trainable, total = _count_parameters(model)
    # A model of which nothing is trained is evaluated and saved as it is.
    total_steps = config.training.epochs * steps_per_epoch(
        len(train_split.examples) if trainable else 0, config.training.batch_size
    )
    rates, weight_decay = _rates(config), config.optimization.weight_decay
    begins = first_steps(model, share=freezing.gradual, total_steps=total_steps)
    groups = parameter_table(model, rates=rates, weight_decay=weight_decay, begins=begins)
    encoder = backbone.backbone.encoder
    train_only_occurring_rows(encoder, _pieces_of(train_split, backbone.tokenizer.pad_id))
    on_cpu = arithmetic.device.type == "cpu"
    masks = make_dropout_cheap(model, encoder, config.seed) if on_cpu else None
    model.to(arithmetic.device)
    run = _Run(
        config=config,
        folder=folder,
        corpus=corpus,
        train_split=train_split,
        dev_split=dev_split,
        loaded=LoadedModel(
            model,
            backbone.tokenizer,
            ModelDescription(config.name, pooling, backbone.tokenizer.max_length, heads),
        ),
        arithmetic=arithmetic,
        optimizer=build_optimizer(
            model,
            rates=rates,
            weight_decay=weight_decay,
            kind=config.optimization.optimizer,
        ),
        unfreezing=GradualUnfreezing(model, share=freezing.gradual, total_steps=total_steps),
        frozen=frozen,
        groups=groups,
        scaler=arithmetic.scaler(),
        masks=masks,
        trainable_parameters=trainable,
        total_parameters=total,
        total_steps=total_steps,
    )
    yield _started(run)
    for message in (*backbone_warnings(config, backbone), *_warnings(run)):
        yield Warned(message)
    return run


def _train_epochs(
    run: _Run, should_stop: Callable[[], str | None]
) -> Generator[Event, None, str | None]:
    """All updates, with the evaluations between them; returns why it ended early, or None."""
    config = run.config.training
    if run.total_steps == 0:
        yield from _evaluate_and_save(run)
        return None
    per_epoch = run.total_steps // config.epochs
    evaluations = _evaluation_steps(per_epoch, config.evaluations_per_epoch)
    on_gpu = run.arithmetic.device.type != "cpu"
    reader = _BlockReader(STEPS_PER_BLOCK_ON_GPU if on_gpu else 1)
    yield PhaseStarted("training", 120)
    run.loaded.model.train()
    weights_to_train(run.optimizer)
    for epoch in range(config.epochs):
        batches = epoch_batches(
            run.train_split.lengths,
            batch_size=config.batch_size,
            seed=run.config.seed,
            epoch=epoch,
            buckets=config.length_buckets,
        )
        for number, indices in enumerate(batches, start=1):
            begin = time.perf_counter()
            examples = [run.train_split.examples[index] for index in indices]
            batch = collate(examples, indices.tolist(), pad_id=run.loaded.tokenizer.pad_id)
            update = _update(run, batch.to(run.arithmetic.device))
            reader.add(update, epoch + number / per_epoch, begin)
            why = should_stop()
            due = number in evaluations
            if why or due or reader.is_full:
                yield from reader.read(run)
            if why == "stop now":
                return why
            if why or due:
                yield from _evaluate_and_save(run)
                if why:
                    # Who asks at the last update gets a whole run.
                    return why if run.step < run.total_steps else None
                weights_to_train(run.optimizer)
                yield PhaseStarted("training", 120)
    return None


@dataclass(frozen=True)
class _Update:
    """What one update was; the tensors may still be on their way from a GPU."""

    step: int
    losses: Mapping[str, Tensor]
    total_loss: Tensor
    gradient_norm: Tensor
    learning_rates: Mapping[str, float]
    batch: Batch


def _update(run: _Run, batch: Batch) -> _Update:
    """One optimizer update from one batch: the single training step."""
    optimization = run.config.optimization
    run.unfreezing.start_step(run.step)
    factor = optimization.rate_schedule.factor(run.step, run.total_steps) * run.plateau.factor
    rates = set_rates(run.optimizer, factor)
    if run.masks is not None:
        run.masks.start_step(run.step)

    with run.arithmetic.autocast():
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
    return _Update(
        step=run.step,
        losses={task: loss.detach() for task, loss in losses.items()},
        total_loss=total.detach(),
        gradient_norm=norm.detach(),
        learning_rates=rates,
        batch=batch,
    )


class _BlockReader:
    """Fetches the numbers of several updates at once and makes events of them."""

    def __init__(self, block: int) -> None:
        self._block = block
        self._begin = 0.0
        self._waiting: list[tuple[_Update, float]] = []

    @property
    def is_full(self) -> bool:
        is_old = time.perf_counter() - self._begin >= BLOCK_SECONDS
        return len(self._waiting) >= self._block or (bool(self._waiting) and is_old)

    def add(self, update: _Update, epoch: float, begin: float) -> None:
        """Take an update that began at `begin` on `time.perf_counter`."""
        if not self._waiting:
            self._begin = begin
        self._waiting.append((update, epoch))

    def read(self, run: _Run) -> Iterator[Event]:
        """Yield the waiting updates.

        Raises:
            WorkerError: A loss is not finite; the updates up to it have been yielded.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        # A GPU has only been told what to do so far. Its time is what passes until the last
        # number is there, and the updates of a block have equal shares of it.
        waiting[-1][0].gradient_norm.item()
        seconds = (time.perf_counter() - self._begin) / len(waiting)
        for update, epoch in waiting:
            losses = {task: loss.item() for task, loss in update.losses.items()}
            yield StepFinished(
                step=update.step,
                epoch=epoch,
                losses=losses,
                total_loss=update.total_loss.item(),
                learning_rates=update.learning_rates,
                gradient_norm=update.gradient_norm.item(),
                texts=update.batch.texts,
                tokens=update.batch.tokens,
                seconds=seconds,
            )
            for task, loss in losses.items():
                if not math.isfinite(loss):
                    raise _not_finite(run, update, f'The loss of task "{task}" is {loss}')
            norm = update.gradient_norm.item()
            # The scaler of fp16 leaves such an update out by itself; else it spoils the weights.
            if not math.isfinite(norm) and not run.scaler.is_enabled():
                raise _not_finite(run, update, f"The norm of the gradient is {norm}")


def _evaluate_and_save(run: _Run) -> Iterator[Event]:
    """Evaluate dev, save a checkpoint, keep the best and the last."""
    selection = None
    weights_to_use(run.optimizer)
    if run.dev_split.examples:
        yield PhaseStarted("evaluating", 1800)
        begin = time.perf_counter()
        metrics = evaluate(run.loaded, run.dev_split, run.corpus.labels, run.arithmetic)
        selection = selection_value(run.config, metrics)
        yield EvaluationFinished(
            step=run.step,
            split="dev",
            metrics=metrics,
            selection=selection,
            seconds=time.perf_counter() - begin,
        )
        for task, found in metrics.items():
            if not math.isfinite(found["loss"]):
                raise WorkerError(
                    f'The dev loss of task "{task}" is {found["loss"]} after step {run.step}.',
                    where=f"[tasks.{task}]",
                    next_step="lower optimization.learning_rate; the checkpoints written before "
                    "are intact",
                )
        if run.config.optimization.schedule == "plateau":
            run.plateau = run.plateau.after(
                selection,
                reduce_by=run.config.optimization.plateau_factor,
                patience=run.config.optimization.plateau_patience,
                minimum=run.config.optimization.minimum_rate,
            )
    if shares := run.loaded.model.layer_shares:
        yield LayersMixed(run.step, shares)
    yield PhaseStarted("saving", 600)
    size = save_checkpoint(run.folder, run.step, run.loaded)
    # An equal value does not replace the best: of two alike, the earlier is kept.
    is_best = selection is not None and (
        run.best_selection is None or selection > run.best_selection
    )
    if is_best:
        run.best_selection, run.best_step = selection, run.step
    yield CheckpointSaved(
        step=run.step,
        folder=checkpoint_name(run.step),
        is_best=is_best,
        selection=selection,
        bytes=size,
    )
    for step in [step for step in run.checkpoints if step not in (run.best_step, run.step)]:
        remove_checkpoint(run.folder, step)
        run.checkpoints.remove(step)
        yield CheckpointRemoved(step)
    if run.step not in run.checkpoints:
        run.checkpoints.append(run.step)


def _evaluation_steps(per_epoch: int, evaluations: int) -> frozenset[int]:
    """After which batches of an epoch dev is evaluated; the last is always one."""
    evaluations = min(evaluations, per_epoch)
    return frozenset(round(per_epoch * part / evaluations) for part in range(1, evaluations + 1))


def _started(run: _Run) -> RunStarted:
    splits = (run.train_split, run.dev_split)
    return RunStarted(
        total_steps=run.total_steps,
        steps_per_epoch=run.total_steps // run.config.training.epochs,
        tasks=tuple(
            TaskDescribed(
                task=name,
                kind=task.kind,
                labels=run.corpus.labels[name].names,
                examples={
                    split.name: sum(name in example.labels for example in split.examples)
                    for split in splits
                },
                truncated={split.name: split.cut[name] for split in splits},
            )
            for name, task in run.config.tasks.items()
        ),
        device=str(run.arithmetic.device),
        precision=run.arithmetic.precision,
        trainable_parameters=run.trainable_parameters,
        total_parameters=run.total_parameters,
        frozen_checksum=frozen_checksum(run.loaded.model, run.frozen),
        groups=run.groups,
    )


def _rates(config: ExperimentConfig) -> Rates:
    """The highest rates that the settings ask for."""
    asked = config.optimization
    return Rates(
        backbone=asked.learning_rate,
        heads=asked.head_learning_rate or asked.learning_rate,
        tasks={
            name: task.learning_rate
            for name, task in config.tasks.items()
            if task.learning_rate is not None
        },
        layers=asked.layer_rates,
        decay=asked.layer_decay,
        table=asked.layer_factors,
    )


def _count_parameters(model: torch.nn.Module) -> tuple[int, int]:
    """Trained parameters, and all."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad), sum(p.numel() for p in parameters)


def _pieces_of(split: EncodedSplit, pad_id: int) -> Tensor:
    """All pieces that occur in a split, and padding."""
    texts = [example.ids for example in split.examples]
    return torch.from_numpy(np.unique(np.concatenate([*texts, np.array([pad_id])])))


def _warnings(run: _Run) -> Iterator[str]:
    """What a person should know of the data before the first step."""
    for place, rows in run.corpus.unlabelled.items():
        yield f"{place}: {rows} row(s) have no label and are left out of this task."
    yield from run.corpus.notes
    for split in (run.train_split, run.dev_split):
        for task, texts in split.cut.items():
            if texts:
                longest = run.loaded.tokenizer.max_length
                advice = (
                    "Raise backbone.max_length to keep them."
                    if longest == run.config.backbone.max_length
                    else "The backbone takes no longer ones."
                )
                yield (
                    f"{task}/{split.name}: {texts} text(s) are longer than {longest} pieces and "
                    f"were cut; words that were cut off count as missed. {advice}"
                )
    for name, settings in run.config.tasks.items():
        if not settings.data.has_dev:
            yield f"{name} has no dev data: it has no part in choosing the best checkpoint."
    yield from _freezing_warnings(run)


def _freezing_warnings(run: _Run) -> Iterator[str]:
    """What follows from what is frozen, where it is easily overlooked."""
    if run.trainable_parameters == 0:
        yield "Everything is frozen: the run evaluates and saves the model, and learns nothing."
        return
    model = run.loaded.model
    for name, head in model.heads.items():
        if is_frozen(head):
            yield (
                f"The head of {name} is frozen as it began, with random weights; the backbone is "
                "frozen, too, so nothing of this task is learned."
                if is_frozen(model.backbone)
                else f"The head of {name} is frozen while the backbone moves under it: the two "
                "drift apart, and its metrics may fall in the course of the run."
            )


def _not_finite(run: _Run, update: _Update, what: str) -> WorkerError:
    places = [run.train_split.examples[index].place for index in update.batch.indices]
    names = ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
    return WorkerError(
        f"{what} at step {update.step}.",
        where=f"the batch of examples {list(update.batch.indices)}: {names}",
        next_step="lower optimization.learning_rate, set max_gradient_norm = 1.0 or precision = "
        '"fp32"; the checkpoints written before are intact',
    )
