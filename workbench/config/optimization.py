"""Learning rates and the length and shape of training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.config.base import Settings

ScheduleName = Literal["constant", "linear", "cosine"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


class OptimizationConfig(Settings):
    """AdamW and its learning rate over the steps."""

    learning_rate: float = Field(default=2e-5, gt=0.0, le=10.0, description="Highest rate.")
    head_learning_rate: float | None = Field(
        default=None, gt=0.0, le=10.0, description="Highest rate of the heads, if another."
    )
    schedule: ScheduleName = Field(
        default="linear",
        description="After the warm-up: constant, down a line to 0, or down a half cosine to 0.",
    )
    warmup: float = Field(
        default=0.1,
        ge=0.0,
        description="Steps in which the rate rises from 0; below 1 a share of all steps.",
    )
    weight_decay: float = Field(
        default=0.01,
        ge=0.0,
        description="Decoupled decay; biases, norms and embeddings are left out.",
    )
    max_gradient_norm: float = Field(
        default=1.0, ge=0.0, description="Gradients longer than this are shortened; 0 = never."
    )


class TrainingConfig(Settings):
    """How long, in what batches, on what device."""

    epochs: int = Field(default=3, ge=1, description="Passes over the training examples.")
    batch_size: int = Field(default=32, ge=1, description="Texts per optimizer step.")
    evaluations_per_epoch: int = Field(
        default=1, ge=1, description="How often the dev splits are evaluated in each epoch."
    )
    length_buckets: bool = Field(
        default=True,
        description="Batch texts of like length inside a shuffled window: less padding.",
    )
    precision: Precision = Field(
        default="auto", description="auto: bf16 on a GPU that has it, else fp32."
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="auto (GPU if there is one), cpu, cuda, cuda:0, mps.",
    )


class ShowcaseConfig(Settings):
    """Texts whose vectors and predictions are printed when the run ends."""

    texts: tuple[str, ...] = Field(
        default=(),
        strict=False,  # TOML and JSON have lists, no tuples
        description="Shown with vectors and scores of every task at the end.",
    )
