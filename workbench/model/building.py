"""From a config and label spaces to a model: the only place where modules meet settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from workbench.config.experiment import ExperimentConfig
from workbench.data.labels import LabelSpace
from workbench.model.backbone import LoadedBackbone
from workbench.model.head_options import HEAD_OPTIONS
from workbench.model.heads import HEADS, Head
from workbench.model.multitask import MultiTaskModel
from workbench.model.pooling import POOLINGS


@dataclass(frozen=True)
class HeadSettings:
    """What a head is built from, as plain values; a checkpoint keeps it."""

    kind: str
    labels: tuple[str, ...]
    dropout: float
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else the head of this kind takes, by name, as JSON can hold it."""


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
        )
        for name, task in config.tasks.items()
    }


def build_model(
    loaded: LoadedBackbone, heads: Mapping[str, HeadSettings], *, pooling: str, seed: int
) -> MultiTaskModel:
    """Put new heads on a backbone.

    Args:
        loaded: The backbone.
        heads: What each task's head is built from.
        pooling: A name in `POOLINGS`.
        seed: With the task's name it seeds the task's head, so that adding a task leaves the
            others' first weights as they were.
    """
    made: dict[str, Head] = {}
    for name, settings in heads.items():
        with torch.random.fork_rng(devices=[]):
            digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
            torch.manual_seed(int.from_bytes(digest[:8], "big"))
            made[name] = HEADS[settings.kind](
                loaded.backbone.hidden_size,
                labels=settings.labels,
                dropout=settings.dropout,
                **settings.options,
            )
    return MultiTaskModel(loaded.backbone, made, pooling=POOLINGS[pooling])
