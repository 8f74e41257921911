"""Backbone, pooling and freezing: what is trained, before any task is named."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from workbench.config.base import Settings, applies

PoolingMode = Literal["mean", "cls", "max", "min", "mean_sqrt", "weighted_mean", "last"]
FreezingMode = Literal[
    "none",
    "everything",
    "backbone",
    "embeddings",
    "lowest",
    "all_but_top",
    "norms_only",
    "biases_only",
]


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
            "mean: average of the real tokens, padding left out (Reimers and Gurevych 2019). "
            "cls: the first token's vector (Devlin et al. 2019). "
            "max, min: the largest or smallest value per dimension. "
            "mean_sqrt: the sum over the root of the length (Cer et al. 2018). "
            "weighted_mean: later tokens weigh more; for backbones that read left to right "
            "(Muennighoff 2022). "
            "last: the last token's vector; for backbones that read left to right."
        ),
    )


class FreezingConfig(Settings):
    """Which parameters do not move: those of the mode, of the named heads and of the patterns."""

    mode: FreezingMode = Field(
        default="none",
        description=(
            "none: all is trained; the best figures where there is enough data, and the dearest. "
            "everything: nothing is learned; the run evaluates and saves the model as it is, to "
            "have a floor to compare with. "
            "backbone: only the heads are trained; several times quicker, hard to overfit, right "
            "where labels are scarce or the texts near to what the backbone has seen; the tasks "
            "cannot help each other then. "
            "embeddings: words that training does not show keep their vectors beside those it "
            "does; saves memory, costs little. "
            "lowest: the embeddings and the lowest freezing.layers layers, which hold what is "
            "general about language; quicker, as no gradient goes below them. "
            "all_but_top: only the top freezing.layers layers and the heads are trained; between "
            "backbone and none in cost and in fit. "
            "norms_only: of the backbone only the norms are trained; a few thousand values per "
            "layer that shift all of it, little memory, no quicker. "
            "biases_only: only its biases (BitFit, Ben Zaken et al. 2022); near to full training "
            "where data is scarce; wants a rate ten times higher."
        ),
    )
    layers: int = Field(
        default=0,
        ge=0,
        description="How many layers lowest freezes, or all_but_top leaves to be trained.",
        json_schema_extra=applies(when={"freezing.mode": ["lowest", "all_but_top"]}),
    )
    heads: tuple[str, ...] = Field(
        default=(),
        strict=False,  # TOML and JSON have lists, no tuples
        description="Tasks whose heads do not move, whatever the mode. Keeps what such a head says "
        "while others learn; but it drifts from a backbone that moves under it, which draws a "
        "warning.",
        json_schema_extra=applies(unless={"freezing.mode": "everything"}),
    )
    patterns: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="Names of parameters that do not move either, with * for any text, as "
        "*.attention.*; one that fits nothing is an error.",
        json_schema_extra=applies(unless={"freezing.mode": "everything"}),
    )
    gradual: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="Share of the run in which the backbone thaws, from its top layer down; the "
        "heads learn first, so that they do not upset it (Howard and Ruder 2018). 0 = at once. "
        "What is frozen otherwise stays so.",
        json_schema_extra=applies(unless={"freezing.mode": ["everything", "backbone"]}),
    )

    @model_validator(mode="after")
    def _layers_go_with_their_modes(self) -> FreezingConfig:
        if (self.mode in ("lowest", "all_but_top")) != (self.layers > 0):
            raise ValueError(
                "freezing.layers goes with freezing.mode = lowest or all_but_top, which need it; "
                f"now mode is {self.mode} and layers {self.layers}"
            )
        return self

    @model_validator(mode="after")
    def _there_is_something_to_thaw(self) -> FreezingConfig:
        if self.gradual and self.mode in ("everything", "backbone"):
            raise ValueError(
                f"freezing.gradual thaws the backbone, which freezing.mode = {self.mode} keeps "
                "frozen; set mode to none, or gradual to 0"
            )
        return self
