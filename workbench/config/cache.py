"""What is computed once and kept, for later epochs and for other runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.config.base import Settings

FeaturePrecision = Literal["fp32", "fp16"]


class CacheConfig(Settings):
    """What is computed once and kept, for later epochs and for other runs."""

    features: bool = Field(
        default=True,
        description="Compute what the frozen part of the backbone makes of a text once, not in "
        "every epoch; other runs with the same frozen part and texts find it on the disk. "
        "Changes no result, as long as they are kept as fp32.",
    )
    features_precision: FeaturePrecision = Field(
        default="fp32",
        description="How features are kept. fp32: exactly. fp16: in half the room, rounded to "
        "three digits; for corpora whose features fill the disk.",
    )
    tokens: bool = Field(
        default=True,
        description="Keep the word pieces of the texts on the disk, so that later runs with the "
        "same texts, tokenizer and max_length find them there. Changes no result.",
    )
    rows: bool = Field(
        default=True,
        description="Keep the texts and labels of files above 4 MB on the disk as they were "
        "parsed, so that later runs with the same file need not parse it; it also keeps them out "
        "of memory. Changes no result.",
    )
    memory_megabytes: int = Field(
        default=2048,
        ge=0,
        description="Features up to this size are held in memory; larger ones are read from the "
        "disk as they are needed.",
    )
    disk_megabytes: int = Field(
        default=20480,
        ge=0,
        description="What the whole cache may hold on the disk; what was not used for the longest "
        "time goes first. 0 = nothing is kept beyond the run.",
    )
