"""From a config to a run that is ready for its first update: data read, model built."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workbench.config.experiment import ExperimentConfig
from workbench.data.examples import read_corpus
from workbench.data.sampling import SamplingPlan
from workbench.data.token_cache import cached_pieces
from workbench.data.tokenizing import EncodedSplit, PieceMaker, Tokenizer, encode_split
from workbench.events import Event, PhaseStarted, RunStarted, TaskDescribed, Warned
from workbench.model.arithmetic import choose_arithmetic, choose_matrix_backend
from workbench.model.attention import use_our_attention
from workbench.model.building import build_backbone, build_model, head_settings, pooling_settings
from workbench.model.compiling import compile_layers, why_not_compiled
from workbench.model.dropout import make_dropout_cheap
from workbench.model.folder import LoadedModel, ModelDescription
from workbench.model.freezing import GradualUnfreezing, first_steps, freeze, frozen_checksum
from workbench.model.heads import Head, MaskedLmHead
from workbench.model.multitask import MultiTaskModel
from workbench.model.threads import use_allowed_threads
from workbench.model.vocabulary import train_only_occurring_rows
from workbench.paths import cache_folder
from workbench.training.backbone_cautions import backbone_cautions
from workbench.training.balance import Balance, moving
from workbench.training.cautions import cautions
from workbench.training.feature_cache import MEGABYTE, FeatureCache
from workbench.training.forking import take_over_model, take_over_optimizer
from workbench.training.graduation import Graduation
from workbench.training.interference import ConflictWatch, looks_every
from workbench.training.memory import TrainedWeights
from workbench.training.optimizer import Rates, build_optimizer, parameter_table
from workbench.training.reproducibility import seed_everything
from workbench.training.resuming import origin_of, resume
from workbench.training.run import Run


def prepare(
    config: ExperimentConfig,
    folder: Path,
    *,
    resume_from: Path | None = None,
    start_from: Path | None = None,
    keep_optimizer: bool = False,
) -> Generator[Event, None, Run]:
    """Read the data, build the model, go to where a checkpoint is; returns the `Run`."""
    yield PhaseStarted("reading data", 600)
    seed_everything(config.seed)
    arithmetic = choose_arithmetic(config.training.device, config.training.precision)
    if arithmetic.device.type == "cpu":
        use_allowed_threads()
        choose_matrix_backend()
    corpus = read_corpus(config)
    yield PhaseStarted("loading the backbone", 600)
    backbone = build_backbone(config, corpus)
    heads = head_settings(config, corpus.labels)
    pooling = pooling_settings(config)
    model = build_model(backbone, heads, pooling=pooling, seed=config.seed)
    loaded = LoadedModel(
        model,
        backbone.tokenizer,
        ModelDescription(config.name, pooling, backbone.tokenizer.max_length, heads),
        backbone.lora,
    )
    changes = [] if start_from is None else list(take_over_model(loaded, start_from))
    freezing = config.freezing
    frozen = freeze(
        model,
        freezing.mode,
        layers=freezing.layers,
        heads=freezing.heads,
        patterns=freezing.patterns,
    )
    make_pieces: PieceMaker | None = None
    if config.cache.tokens and isinstance(backbone.tokenizer, Tokenizer):
        make_pieces = partial(
            cached_pieces,
            backbone.tokenizer,
            root=cache_folder(),
            most_bytes=config.cache.disk_megabytes * MEGABYTE,
        )
    train_split, dev_split = (
        encode_split(split, backbone.tokenizer, corpus.labels, make_pieces)
        for split in (corpus.train, corpus.dev)
    )
    trainable, total = _count_parameters(model)
    # A model of which nothing is trained is evaluated and saved as it is.
    sampling = _sampling_plan(config, train_split)
    total_steps = sampling.total_steps if trainable else 0
    rates, weight_decay = _rates(config), config.optimization.weight_decay
    begins = first_steps(model, share=freezing.gradual, total_steps=total_steps)
    groups = parameter_table(model, rates=rates, weight_decay=weight_decay, begins=begins)
    encoder = backbone.backbone.encoder
    is_compiled = False
    if config.training.compile:
        yield PhaseStarted("compiling", 3600)
        model.to(arithmetic.device)
        compile_layers(model)
        with arithmetic.autocast():
            why_not = why_not_compiled(model, pad_id=backbone.tokenizer.pad_id)
        is_compiled = why_not is None
        if why_not is not None:
            changes.append(
                f"The backbone is not compiled: {why_not.rstrip('.')}. The run goes on without, "
                "equal but slower; on Linux the usual cause is that no C++ compiler is installed."
            )
    # What makes a CPU quick without a compiler is made of steps that a compiler cannot look into.
    eager_on_cpu = arithmetic.device.type == "cpu" and not is_compiled
    if eager_on_cpu and config.training.packing:
        backbone.backbone.pack_batches(pad_id=backbone.tokenizer.pad_id)
    elif eager_on_cpu:
        use_our_attention(encoder)
    whole = any(isinstance(head, MaskedLmHead) for head in model.heads.values())
    if not whole and config.optimization.optimizer != "adafactor":
        # Guessing pieces looks at the whole vocabulary; Adafactor's step depends on all rows.
        pieces = _pieces_of(train_split, model, backbone.tokenizer.pad_id)
        train_only_occurring_rows(encoder, pieces)
    masks = make_dropout_cheap(model, config.seed) if eager_on_cpu else None
    model.to(arithmetic.device)
    balance = Balance(
        model,
        # A task that weighs nothing may be given a weight while the run is at work.
        tasks=config.trained_tasks if config.weighting.formula else list(config.tasks),
        config=config.weighting,
        seed=config.seed,
        updates_per_epoch=sampling.updates(0),
        device=arithmetic.device,
    )
    every, said_of_looks = looks_every(
        config.instruments.interference_every,
        len(config.trained_tasks),
        sum(parameter.numel() for parameter in moving(balance.shared)),
        arithmetic.device,
    )
    optimizer = build_optimizer(
        model, rates=rates, weight_decay=weight_decay, kind=config.optimization.optimizer
    )
    run = Run(
        config=config,
        folder=folder,
        corpus=corpus,
        train_split=train_split,
        dev_split=dev_split,
        sampling=sampling,
        loaded=loaded,
        arithmetic=arithmetic,
        optimizer=optimizer,
        weights=TrainedWeights(model, optimizer, frozen),
        balance=balance,
        looks_every=every,
        watch=ConflictWatch(
            {name: task.metric for name, task in config.tasks.items()},
            warn_below=config.instruments.warn_below,
        ),
        graduation=Graduation(
            {name: task.metric for name, task in config.tasks.items()},
            {name: config.tasks[name].patience for name in config.trained_tasks},
        ),
        unfreezing=GradualUnfreezing(model, share=freezing.gradual, total_steps=total_steps),
        features=FeatureCache(
            loaded, (train_split, dev_split), settings=config.cache, arithmetic=arithmetic
        ),
        frozen=frozen,
        groups=groups,
        scaler=arithmetic.scaler(),
        masks=masks,
        trainable_parameters=trainable,
        total_parameters=total,
        total_steps=total_steps,
        micro_batch_size=config.training.micro_batch_size,
        origin=origin_of(
            config,
            (train_split, dev_split),
            corpus.labels,
            arithmetic=arithmetic,
            frozen_checksum=frozen_checksum(model, frozen),
        ),
    )
    if resume_from is not None:
        changes = list(resume(run, resume_from))  # what it began with was told then
    elif start_from is not None and keep_optimizer:
        changes.append(take_over_optimizer(run, start_from))
    yield _started(run)
    if said_of_looks:
        yield Warned(said_of_looks)
    for message in [*backbone_cautions(config, backbone), *cautions(run), *changes]:
        yield Warned(message)
    return run


def _started(run: Run) -> RunStarted:
    splits = (run.train_split, run.dev_split)
    return RunStarted(
        total_steps=run.total_steps,
        steps_per_epoch=run.sampling.updates(0) if run.total_steps else 0,
        tasks=tuple(
            TaskDescribed(
                task=name,
                kind=task.kind,
                labels=run.corpus.labels[name].names,
                examples={split.name: len(split.labelled(name)) for split in splits},
                truncated={split.name: split.cut[name] for split in splits},
            )
            for name, task in run.config.tasks.items()
        ),
        device=str(run.arithmetic.device),
        precision=run.arithmetic.precision,
        trainable_parameters=run.trainable_parameters,
        total_parameters=run.total_parameters,
        frozen_checksum=run.origin["frozen"],
        groups=run.groups,
    )


def _sampling_plan(config: ExperimentConfig, split: EncodedSplit) -> SamplingPlan:
    settings = config.sampling
    return SamplingPlan(
        split.lengths,
        split.table.tasks,
        tasks=config.trained_tasks,
        rule=settings.rule,
        batch_size=config.training.batch_size,
        epochs=config.training.epochs,
        seed=config.seed,
        buckets=config.training.length_buckets,
        one_task=settings.batches == "one_task",
        epoch=settings.epoch,
        examples=settings.examples_per_epoch,
        updates=settings.updates_per_epoch,
        token_budget=settings.token_budget,
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


def _pieces_of(split: EncodedSplit, model: MultiTaskModel, pad_id: int) -> Tensor:
    """All pieces that occur in a split or in what heads bring along, and padding."""
    texts = [np.unique(some.flat("ids")) for _, some in split.table.used_pieces.some_at_once()]
    for head in model.heads.values():
        if isinstance(head, Head) and (brought := head.extra_rows()) is not None:
            texts.append(brought[0].flatten().numpy())
    return torch.from_numpy(np.unique(np.concatenate([*texts, np.array([pad_id])])))
