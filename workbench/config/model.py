"""Backbone, pooling and freezing: what is trained, before any task is named."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from workbench.config.base import Settings, applies

PoolingPart = Literal[
    "cls", "max", "mean", "mean_sqrt", "weighted_mean", "last", "min", "attention"
]
"""Ways to one vector per text, in the order in which several of them stand side by side."""
PoolingMode = Literal[
    "mean",
    "cls",
    "max",
    "min",
    "mean_sqrt",
    "weighted_mean",
    "last",
    "attention",
    "concat",
]
ProjectionActivation = Literal["tanh", "linear"]
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
    layer: int | None = Field(
        default=None,
        ge=1,
        description="Take the vectors of this layer, counted from 1, and leave out those above: a "
        "smaller and quicker model, often as good on a task of form. All layers if not set.",
    )


_MODE = (
    "mean: average of the real tokens, padding left out; the safe choice "
    "(Reimers and Gurevych 2019). "
    "cls: the first token's vector (Devlin et al. 2019). "
    "max, min: the largest or smallest value per dimension. "
    "mean_sqrt: the sum over the root of the length (Cer et al. 2018). "
    "weighted_mean: later tokens weigh more; for backbones that read left to right "
    "(Muennighoff 2022). "
    "last: the last token's vector; for backbones that read left to right. "
    "attention: an average whose weights are learned, for texts in which a few words decide "
    "(Yang et al. 2016). "
    "concat: several of them side by side, those of modes."
)
_MODES = (
    "What concat puts side by side, such as mean and max. Their order is of no account: they "
    f"always stand as {', '.join(get_args(PoolingPart))}."
)
_PROJECTION = (
    "Size of a dense layer after it, learned at the heads' rate; 0 for none. Makes the vectors "
    "shorter, or several tasks' views of them equal in size."
)
_ACTIVATION = "What follows the dense layer. tanh: as in BERT's own pooler. linear: nothing."
_NORMALIZE = (
    "Scale each vector to length 1, so that a product is a cosine. For vectors to search with; a "
    "classification on them wants a higher head_learning_rate."
)


class PoolingConfig(Settings):
    """How token vectors become one vector per text."""

    mode: PoolingMode = Field(default="mean", description=_MODE)
    modes: tuple[PoolingPart, ...] = Field(
        default=(),
        strict=False,  # TOML and JSON have lists, no tuples
        description=_MODES,
        json_schema_extra=applies(when={"pooling.mode": "concat"}),
    )
    projection: int = Field(default=0, ge=0, le=16384, description=_PROJECTION)
    projection_activation: ProjectionActivation = Field(default="tanh", description=_ACTIVATION)
    normalize: bool = Field(default=False, description=_NORMALIZE)

    @property
    def parts(self) -> tuple[str, ...]:
        """What stands side by side: one mode, or those of concat in their order."""
        if self.mode != "concat":
            return (self.mode,)
        return tuple(part for part in get_args(PoolingPart) if part in self.modes)

    @property
    def is_learned(self) -> bool:
        """Whether it has parameters."""
        return "attention" in self.parts or self.projection > 0

    @model_validator(mode="after")
    def _modes_go_with_concat(self) -> Self:
        if self.mode == "concat" and len(set(self.modes)) < 2:
            raise ValueError(
                "pooling.mode = concat puts several vectors side by side, but pooling.modes has "
                f'{len(set(self.modes))}; set it to two or more, such as ["mean", "max"]'
            )
        if self.mode != "concat" and self.modes:
            raise ValueError(
                f"pooling.modes goes with pooling.mode = concat; now mode is {self.mode}"
            )
        if len(set(self.modes)) < len(self.modes):
            raise ValueError("pooling.modes names one of them twice; name each once")
        return self


class TaskPoolingConfig(PoolingConfig):
    """How a text becomes a vector for one task."""

    mode: Literal["as default", PoolingMode] = Field(  # type: ignore[assignment]  # one word more
        default="as default",
        description=f"as default: the task shares what [pooling] says. Else it has a pooling of "
        f"its own, all of it from here. {_MODE}",
    )

    @model_validator(mode="after")
    def _the_default_is_shared_whole(self) -> Self:
        changed = [
            name
            for name, field in type(self).model_fields.items()
            if name != "mode" and getattr(self, name) != field.default
        ]
        if self.mode == "as default" and changed:
            raise ValueError(
                f"pooling.{changed[0]} is set, but pooling.mode is as default, which takes all "
                "from [pooling]; give the task a pooling.mode of its own"
            )
        return self


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
