"""From a config and label spaces to a model: the only place where modules meet settings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from workbench.config.experiment import ExperimentConfig
from workbench.data.labels import LabelSpace
from workbench.model.backbone import LoadedBackbone
from workbench.model.head_options import HEAD_OPTIONS
from workbench.model.heads import HEADS, Head
from workbench.model.mixing import LayerMix
from workbench.model.multitask import MultiTaskModel
from workbench.model.pooling import PoolingSettings, TextPooling

WORD_KINDS = frozenset({"tagging"})
"""Kinds of task whose heads see the vectors of the pieces; the others see pooled ones."""


@dataclass(frozen=True)
class HeadSettings:
    """What a head is built from, as plain values; a checkpoint keeps it."""

    kind: str
    labels: tuple[str, ...]
    dropout: float
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else the head of this kind takes, by name, as JSON can hold it."""
    pooling: PoolingSettings | None = None
    """How a text becomes the vector that the head sees, if not as by default."""
    layer_mix: bool = False
    """Whether it sees a learned mean of all layers, not the last."""


def head_settings(
    config: ExperimentConfig, labels: Mapping[str, LabelSpace]
) -> dict[str, HeadSettings]:
    """Settings of every task's head, by task."""
    return {
        name: HeadSettings(
            task.kind,
            labels[name].names,
            task.dropout,
            HEAD_OPTIONS[task.kind](task, labels[name]),
            None if config.pooling_of(name) is config.pooling else pooling_settings(config, name),
            task.layer_mix,
        )
        for name, task in config.tasks.items()
    }


def pooling_settings(config: ExperimentConfig, task: str | None = None) -> PoolingSettings:
    """The pooling of a task, or the one that tasks share and texts are encoded with."""
    asked = config.pooling if task is None else config.pooling_of(task)
    return PoolingSettings(
        asked.parts, asked.projection, asked.projection_activation, asked.normalize
    )


def build_model(
    loaded: LoadedBackbone,
    heads: Mapping[str, HeadSettings],
    *,
    pooling: PoolingSettings,
    seed: int,
) -> MultiTaskModel:
    """Put new poolings and heads on a backbone.

    Args:
        loaded: The backbone.
        heads: What each task's head is built from.
        pooling: Of texts, for the tasks that have none of their own.
        seed: With the task's name it seeds what is the task's own, so that adding a task leaves
            the others' first weights as they were.
    """
    hidden_size = loaded.backbone.hidden_size
    with _seeded(seed, "pooling of all"):
        shared = TextPooling(hidden_size, pooling)
    poolings: dict[str, TextPooling] = {}
    made: dict[str, Head] = {}
    for name, settings in heads.items():
        if settings.pooling is not None:
            with _seeded(seed, f"pooling of {name}"):
                poolings[name] = TextPooling(hidden_size, settings.pooling)
        width = poolings.get(name, shared).width
        if settings.kind in WORD_KINDS:
            width = hidden_size
        with _seeded(seed, name):
            made[name] = HEADS[settings.kind](
                width, labels=settings.labels, dropout=settings.dropout, **settings.options
            )
    mixes = {
        name: LayerMix(loaded.backbone.depth + 1)
        for name, settings in heads.items()
        if settings.layer_mix
    }
    return MultiTaskModel(loaded.backbone, made, pooling=shared, poolings=poolings, mixes=mixes)


@contextmanager
def _seeded(seed: int, what: str) -> Iterator[None]:
    """Draw first weights from a stream of their own; what is drawn outside is not moved by it."""
    with torch.random.fork_rng(devices=[]):
        digest = hashlib.sha256(f"{seed}/{what}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:8], "big"))
        yield
