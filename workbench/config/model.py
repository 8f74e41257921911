"""Backbone, pooling and freezing: what is trained, before any task is named."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.config.base import Settings

PoolingMode = Literal["mean", "cls", "max"]
FreezingMode = Literal["none", "backbone"]


class BackboneConfig(Settings):
    """The shared pretrained encoder."""

    model: str = Field(
        default="minilm",
        min_length=1,
        description="Alias (minilm), a folder with a transformers model, or a hub id.",
    )
    max_length: int = Field(
        default=128,
        ge=4,
        le=8192,
        description="Longest text in word pieces; what is longer is cut, and the cut is reported.",
    )


class PoolingConfig(Settings):
    """How token vectors become one vector per text."""

    mode: PoolingMode = Field(
        default="mean",
        description=(
            "mean: average of the real tokens (padding left out). "
            "cls: the first token's vector. max: the largest value per dimension."
        ),
    )


class FreezingConfig(Settings):
    """Which parameters do not move."""

    mode: FreezingMode = Field(
        default="none",
        description=(
            "none: everything is trained. backbone: only the heads are trained; "
            "quick, and right when data is scarce or near to what the backbone has seen."
        ),
    )
