"""Learning rates and the length and shape of training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from workbench.config.base import Settings, applies
from workbench.schedules import SEED_TABLE, RateSchedule

OptimizerName = Literal["adamw", "adafactor", "schedule_free"]
ScheduleName = Literal[
    "constant",
    "linear",
    "cosine",
    "cosine_restarts",
    "polynomial",
    "inverse_sqrt",
    "slanted_triangular",
    "one_cycle",
    "warmup_stable_decay",
    "plateau",
]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


class OptimizationConfig(Settings):
    """The optimizer and its learning rates, by layer and over the steps."""

    optimizer: OptimizerName = Field(
        default="adamw",
        description=(
            "adamw: the usual choice, two values of state per parameter "
            "(Loshchilov and Hutter 2019). "
            "adafactor: state of rows and columns only, for models that hardly fit; takes the same "
            "rates or somewhat higher ones (Shazeer and Stern 2018). "
            "schedule_free: AdamW that averages its weights in place of a falling rate "
            "(Defazio et al. 2024); wants schedule = constant, a higher rate, and the extra "
            "schedulefree."
        ),
    )
    learning_rate: float = Field(default=2e-5, gt=0.0, le=10.0, description="Highest rate.")
    head_learning_rate: float | None = Field(
        default=None, gt=0.0, le=10.0, description="Highest rate of the heads, if another."
    )
    layer_rates: Literal["uniform", "decay", "table"] = Field(
        default="uniform",
        description=(
            "Rates inside the backbone. uniform: one for all. "
            "decay: each layer has layer_decay times the rate of the one above, the embeddings the "
            "lowest; keeps what the lower layers know (Howard and Ruder 2018). "
            "table: a factor for each layer, from layer_factors."
        ),
        json_schema_extra=applies(unless={"freezing.mode": ["everything", "backbone"]}),
    )
    layer_decay: float = Field(
        default=0.9,
        gt=0.0,
        le=1.0,
        description="Factor from a layer to the one beneath it (layer_rates = decay); "
        "the top layer has it once.",
        json_schema_extra=applies(when={"optimization.layer_rates": "decay"}),
    )
    layer_factors: tuple[float, ...] = Field(
        default=SEED_TABLE,
        min_length=1,
        strict=False,  # TOML and JSON have lists, no tuples
        description="Factors of the layers, lowest first (layer_rates = table); stretched to the "
        "backbone's depth. The embeddings have the first, the heads always 1.",
        json_schema_extra=applies(when={"optimization.layer_rates": "table"}),
    )
    schedule: ScheduleName = Field(
        default="linear",
        description=(
            "After the warm-up. constant: stays. linear: down a line. "
            "cosine: down a half cosine (Loshchilov and Hutter 2017). "
            "cosine_restarts: several of them, each from the top (Loshchilov and Hutter 2017). "
            "polynomial: (1 - share)^power. "
            "inverse_sqrt: one over the root of the steps, for runs without a fixed end "
            "(Vaswani et al. 2017). "
            "slanted_triangular: up and down a line from and to a 32nd (Howard and Ruder 2018). "
            "one_cycle: up and down a half cosine, from a 25th (Smith and Topin 2019). "
            "warmup_stable_decay: constant, then down a line at the end (Hu et al. 2024). "
            "plateau: down by plateau_factor when dev has not become better."
        ),
    )
    warmup: float = Field(
        default=0.1,
        ge=0.0,
        description="Steps in which the rate rises to its highest, beginning at one step's share "
        "of it (one_cycle: at a 25th); below 1 a share of all steps.",
    )
    minimum_rate: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="What the schedule falls to, as a share of the highest rate.",
        json_schema_extra=applies(unless={"optimization.schedule": "constant"}),
    )
    cycles: int = Field(
        default=3,
        ge=1,
        description="How often cosine_restarts begins.",
        json_schema_extra=applies(when={"optimization.schedule": "cosine_restarts"}),
    )
    power: float = Field(
        default=2.0,
        gt=0.0,
        le=10.0,
        description="Exponent of polynomial.",
        json_schema_extra=applies(when={"optimization.schedule": "polynomial"}),
    )
    decay_share: float = Field(
        default=0.2,
        gt=0.0,
        le=1.0,
        description="Share of all steps in which warmup_stable_decay falls.",
        json_schema_extra=applies(when={"optimization.schedule": "warmup_stable_decay"}),
    )
    plateau_factor: float = Field(
        default=0.5,
        gt=0.0,
        lt=1.0,
        description="What plateau multiplies the rate with.",
        json_schema_extra=applies(when={"optimization.schedule": "plateau"}),
    )
    plateau_patience: int = Field(
        default=1,
        ge=0,
        description="Evaluations of dev without a new best that plateau waits for.",
        json_schema_extra=applies(when={"optimization.schedule": "plateau"}),
    )
    weight_decay: float = Field(
        default=0.01,
        ge=0.0,
        description="Decoupled decay; biases, norms and embeddings are left out.",
    )
    max_gradient_norm: float = Field(
        default=1.0, ge=0.0, description="Gradients longer than this are shortened; 0 = never."
    )

    @property
    def rate_schedule(self) -> RateSchedule:
        """The rate over the steps, for the run and for its preview."""
        return RateSchedule(
            name=self.schedule,
            warmup=self.warmup,
            minimum=self.minimum_rate,
            cycles=self.cycles,
            power=self.power,
            decay_share=self.decay_share,
        )

    @model_validator(mode="after")
    def _factors_are_positive(self) -> OptimizationConfig:
        if not all(0 < factor <= 100 for factor in self.layer_factors):
            raise ValueError(
                "optimization.layer_factors must be above 0 and at most 100; to keep layers as "
                "they are use freezing.layers"
            )
        return self

    @model_validator(mode="after")
    def _schedule_free_has_no_schedule(self) -> OptimizationConfig:
        if self.optimizer == "schedule_free" and self.schedule != "constant":
            raise ValueError(
                f'optimizer = "schedule_free" stands in for a falling rate, but schedule is '
                f'"{self.schedule}"; set optimization.schedule = "constant" (the warm-up stays)'
            )
        return self


class TrainingConfig(Settings):
    """How long, in what batches, on what device."""

    epochs: int = Field(default=3, ge=1, description="Passes over the training examples.")
    batch_size: int = Field(default=32, ge=1, description="Texts per optimizer step.")
    evaluations_per_epoch: int = Field(
        default=1, ge=1, description="How often the dev splits are evaluated in each epoch."
    )
    micro_batch_size: int = Field(
        default=0,
        ge=0,
        description="Texts that go through the model at a time; their gradients add up to an "
        "update of batch_size, equal but for rounding; only tasks that compare texts of a batch "
        "see fewer of them. Lower it where memory runs out; 0 for all.",
    )
    on_out_of_memory: Literal["stop", "halve"] = Field(
        default="stop",
        description="stop: say what would fit. halve: try again with half the micro_batch_size, "
        "and keep it; the update stays equal.",
    )
    on_nan: Literal["stop", "skip"] = Field(
        default="stop",
        description="What a loss or gradient that is not finite does. stop: ends the run; the "
        "checkpoints before are intact. skip: leaves the batch out and tells which it was; weights "
        "and optimizer stay as they were, the schedule goes on. On a GPU it waits for the numbers "
        "of every update, which costs some speed.",
    )
    max_skipped_updates: int = Field(
        default=10,
        ge=1,
        description="Updates of a run that may be skipped; one more ends it.",
        json_schema_extra=applies(when={"training.on_nan": "skip"}),
    )
    checkpoint_minutes: float = Field(
        default=0.0,
        ge=0.0,
        description="Save a checkpoint between evaluations, too, when the last one is so old; "
        "for epochs of hours. 0: at evaluations only, and whenever a run stops or pauses.",
    )
    keep_every: int = Field(
        default=0,
        ge=0,
        description="Keep every K-th planned checkpoint for good, with all that is needed to go "
        "on from it. 0: only the best (overall and of each task) and the last.",
    )
    length_buckets: bool = Field(
        default=True,
        description="Batch texts of like length inside a shuffled window: less padding.",
    )
    packing: bool = Field(
        default=True,
        description="On a CPU, compute no padding at all where the backbone allows it: the pieces "
        "of a batch follow one another, only attention sees them by text. Changes no result.",
        json_schema_extra=applies(unless={"training.compile": True}),
    )
    compile: bool = Field(
        default=False,
        description="Compile the backbone's layers (torch.compile; Ansel et al. 2024). Pays on "
        "GPUs for long runs: the first updates take minutes, and again where layers thaw. On a "
        "CPU it gains nothing and stands in for packing. Sums are rounded in another order, and a "
        "resumed run is equal up to that. Without a C++ compiler the run goes on uncompiled.",
        json_schema_extra=applies(unless={"backbone.kind": "stack"}),
    )
    precision: Precision = Field(
        default="auto",
        description="Of the forward pass; weights stay in float32. auto: bf16 on a GPU that has "
        "it, else fp32. fp32: exact. bf16: half the bits, the same range. "
        "fp16: for GPUs without bf16; the loss is scaled (Micikevicius et al. 2018).",
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
