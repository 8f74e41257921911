"""What a person should know of backbone and pooling together, before the first step."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.config.experiment import ExperimentConfig
from workbench.config.tasks import PooledTask
from workbench.model.backbone import LoadedBackbone
from workbench.model.sources import sentence_encoder_of

OF_LAST = frozenset({"last", "weighted_mean", "attention"})
"""Poolings that can give the last token, which alone has read the whole text, its weight."""


def backbone_cautions(config: ExperimentConfig, loaded: LoadedBackbone) -> Iterator[str]:
    """Poolings and lengths that a backbone is not made for.

    Args:
        config: What was asked for.
        loaded: What was loaded for it.
    """
    poolings = {
        name: config.pooling_of(name).parts
        for name, task in config.tasks.items()
        if isinstance(task, PooledTask)
    }
    if loaded.backbone.reads_left_to_right:
        unfit = [name for name, parts in poolings.items() if not OF_LAST & set(parts)]
        if unfit:
            yield (
                f"{config.backbone.words_for_it} reads left to right, so only the last token knows "
                f'the whole text; {", ".join(unfit)} would do better with pooling.mode = "last".'
            )
    if not config.backbone.pretrained or not loaded.source:
        return
    meant = sentence_encoder_of(loaded.source)
    if meant is None:
        return
    others = [name for name, parts in poolings.items() if parts != meant.pooling]
    if meant.pooling and others:
        yield (
            f"{config.backbone.model} was trained to be pooled by {' + '.join(meant.pooling)}; "
            f"{', '.join(others)} will have to learn another way."
        )
    if meant.has_dense:
        yield f"The dense layer after {config.backbone.model} is not part of the backbone."
    if meant.max_length is not None and loaded.tokenizer.max_length > meant.max_length:
        yield (
            f"{config.backbone.model} is meant for texts of up to {meant.max_length} pieces; "
            f"max_length is {loaded.tokenizer.max_length}."
        )
