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
from workbench.data.sampling import steps_per_epoch
from workbench.data.token_cache import cached_pieces
from workbench.data.tokenizing import EncodedSplit, PieceMaker, encode_split
from workbench.events import Event, PhaseStarted, RunStarted, TaskDescribed, Warned
from workbench.model.arithmetic import choose_arithmetic, choose_matrix_backend
from workbench.model.attention import use_our_attention
from workbench.model.backbone import load_backbone
from workbench.model.building import build_model, head_settings, pooling_settings
from workbench.model.dropout import make_dropout_cheap
from workbench.model.folder import LoadedModel, ModelDescription
from workbench.model.freezing import GradualUnfreezing, first_steps, freeze, frozen_checksum
from workbench.model.threads import use_allowed_threads
from workbench.model.vocabulary import train_only_occurring_rows
from workbench.paths import cache_folder
from workbench.training.cautions import cautions
from workbench.training.feature_cache import MEGABYTE, FeatureCache
from workbench.training.optimizer import Rates, build_optimizer, parameter_table
from workbench.training.reproducibility import seed_everything
from workbench.training.run import Run


def prepare(config: ExperimentConfig, folder: Path) -> Generator[Event, None, Run]:
    """Read the data, build the model; returns the `Run`."""
    yield PhaseStarted("reading data", 600)
    seed_everything(config.seed)
    arithmetic = choose_arithmetic(config.training.device, config.training.precision)
    if arithmetic.device.type == "cpu":
        use_allowed_threads()
        choose_matrix_backend()
    corpus = read_corpus(config)
    yield PhaseStarted("loading the backbone", 600)
    backbone = load_backbone(
        config.backbone.model,
        max_length=config.backbone.max_length,
        layer=config.backbone.layer,
    )
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
    make_pieces: PieceMaker = backbone.tokenizer.pieces
    if config.cache.tokens:
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
    total_steps = config.training.epochs * steps_per_epoch(
        len(train_split.examples) if trainable else 0, config.training.batch_size
    )
    rates, weight_decay = _rates(config), config.optimization.weight_decay
    begins = first_steps(model, share=freezing.gradual, total_steps=total_steps)
    groups = parameter_table(model, rates=rates, weight_decay=weight_decay, begins=begins)
    encoder = backbone.backbone.encoder
    on_cpu = arithmetic.device.type == "cpu"
    if on_cpu and config.training.packing:
        backbone.backbone.pack_batches(pad_id=backbone.tokenizer.pad_id)
    elif on_cpu:
        use_our_attention(encoder)
    train_only_occurring_rows(encoder, _pieces_of(train_split, backbone.tokenizer.pad_id))
    masks = make_dropout_cheap(model, config.seed) if on_cpu else None
    model.to(arithmetic.device)
    loaded = LoadedModel(
        model,
        backbone.tokenizer,
        ModelDescription(config.name, pooling, backbone.tokenizer.max_length, heads),
    )
    features = FeatureCache(
        loaded,
        (train_split, dev_split),
        settings=config.cache,
        arithmetic=arithmetic,
    )
    run = Run(
        config=config,
        folder=folder,
        corpus=corpus,
        train_split=train_split,
        dev_split=dev_split,
        loaded=loaded,
        arithmetic=arithmetic,
        optimizer=build_optimizer(
            model,
            rates=rates,
            weight_decay=weight_decay,
            kind=config.optimization.optimizer,
        ),
        unfreezing=GradualUnfreezing(model, share=freezing.gradual, total_steps=total_steps),
        features=features,
        frozen=frozen,
        groups=groups,
        scaler=arithmetic.scaler(),
        masks=masks,
        trainable_parameters=trainable,
        total_parameters=total,
        total_steps=total_steps,
    )
    yield _started(run)
    for message in cautions(run):
        yield Warned(message)
    return run


def _started(run: Run) -> RunStarted:
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
