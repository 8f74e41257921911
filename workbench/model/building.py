"""From a config and label spaces to a model: the only place where modules meet settings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from workbench.config.experiment import ExperimentConfig
from workbench.data.examples import Corpus, Split
from workbench.data.labels import LabelSpace
from workbench.data.word_tokenizing import WordTokenizer
from workbench.model.backbone import LoadedBackbone, Sizes, load_backbone
from workbench.model.head_options import HEAD_OPTIONS
from workbench.model.heads import HEADS, Head, WordHead
from workbench.model.lora import LoraSettings, add_adapters, target_modules
from workbench.model.mixing import LayerMix
from workbench.model.multitask import MultiTaskModel
from workbench.model.pooling import PoolingSettings, TextPooling
from workbench.model.stack import StackBackbone, StackSettings
from workbench.model.stack_building import VocabularySettings, build_stack


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

    @property
    def pair(self) -> str | None:
        """How it reads two texts, joint or two; None for a head that reads one."""
        found: str | None = self.options.get("pair")
        return found


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


def build_backbone(config: ExperimentConfig, corpus: Corpus) -> LoadedBackbone:
    """The backbone that an experiment asks for, as it is before training.

    Args:
        config: The experiment.
        corpus: Its texts; a stack takes its vocabulary from them.

    Raises:
        CheckpointError: Its files are absent or cannot be read.
        ConfigError: It is named wrongly, has not the layers that are asked for, or is to have
            adapters without peft.
        DataError: A file of word vectors cannot be read.
    """
    asked = config.backbone
    if asked.kind == "stack":
        return LoadedBackbone(*_build_stack(config, corpus))
    sizes = Sizes(asked.hidden_size, asked.layers, asked.attention_heads)
    loaded = load_backbone(
        asked.model,
        max_length=asked.max_length,
        layer=asked.layer,
        random=None if asked.pretrained else sizes,
        seed=config.seed,
    )
    if not asked.lora.rank:
        return loaded
    encoder = loaded.backbone.encoder
    lora = LoraSettings(
        rank=asked.lora.rank,
        alpha=asked.lora.alpha,
        dropout=asked.lora.dropout,
        modules=target_modules(encoder, asked.lora.targets, asked.lora.modules),
    )
    add_adapters(encoder, lora, seed=config.seed)
    return replace(loaded, lora=lora)


def _build_stack(config: ExperimentConfig, corpus: Corpus) -> tuple[StackBackbone, WordTokenizer]:
    asked = config.backbone
    words, characters, rnn = asked.words, asked.characters, asked.rnn
    return build_stack(
        StackSettings(
            asked.embeddings,
            word_size=words.size,
            vectors_trained=words.trained,
            character_size=characters.size,
            character_vector=characters.vector_size,
            character_width=characters.width,
            rnn=rnn.cell,
            rnn_size=rnn.hidden_size,
            rnn_layers=rnn.layers,
            bidirectional=rnn.bidirectional,
            dropout=asked.dropout,
        ),
        VocabularySettings(
            max_length=asked.max_length,
            min_count=words.min_count,
            lowercase=words.lowercase,
            characters_per_word=characters.max_length,
            vectors_file=Path(words.file) if words.file else None,
            first_rows=words.first_rows,
        ),
        train=_texts(corpus.train),
        others=_texts(corpus.dev),
        seed=config.seed,
    )


def _texts(split: Split) -> list[str]:
    """Every text of a split, those of pairs one by one."""
    rows = [row for example in split.examples for row in example.inputs[0]]
    return [text for row in rows for text in ((row,) if isinstance(row, str) else row)]


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
        kind = HEADS[settings.kind]
        sees_pieces = isinstance(kind, type) and issubclass(kind, WordHead)
        width = hidden_size if sees_pieces else poolings.get(name, shared).width
        with _seeded(seed, name):
            made[name] = kind(
                width, labels=settings.labels, dropout=settings.dropout, **settings.options
            )
            made[name].attach(loaded)
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
