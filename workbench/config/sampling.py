"""Which task the texts of the next batch are drawn for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from workbench.config.base import Settings, applies
from workbench.shares import ShareRule

Strategy = Literal[
    "natural",
    "proportional",
    "uniform",
    "temperature",
    "fixed",
    "annealed",
    "round_robin",
]
PlainStrategy = Literal["proportional", "uniform", "temperature", "fixed"]


class SamplingConfig(Settings):
    """How texts are drawn for the tasks. A text teaches every task that labels it."""

    strategy: Strategy = Field(
        default="natural",
        description=(
            "Which task a text is drawn for. A text that several tasks label is drawn for one of "
            "them and teaches all; where all texts have all labels, no strategy changes what the "
            "tasks see. "
            "natural: every text once in each epoch, as they come. "
            "proportional: by the number of texts, each batch with the same mixture. "
            "uniform: all tasks alike; small ones are repeated within an epoch. "
            "temperature: texts to the power of 1 / temperature, between the two "
            "(Raffel et al. 2020). "
            "fixed: as sampling.shares says. "
            "annealed: from anneal_from to anneal_to over the run (Stickland and Murray 2019). "
            "round_robin: one task after the other."
        ),
    )
    temperature: float = Field(
        default=2.0,
        ge=1.0,
        le=100.0,
        description="Of temperature: 1 is proportional, the larger the nearer to uniform.",
        json_schema_extra=applies(when={"sampling.strategy": ["temperature", "annealed"]}),
    )
    cap: int | None = Field(
        default=None,
        ge=1,
        description="Of temperature: a task counts as if it had so many texts at most.",
        json_schema_extra=applies(when={"sampling.strategy": ["temperature", "annealed"]}),
    )
    shares: dict[str, float] = Field(
        default_factory=dict,
        description="Of fixed: how much of the draws each task gets, in any unit; 1 where none is "
        "given.",
        json_schema_extra=applies(when={"sampling.strategy": ["fixed", "annealed"]}),
    )
    anneal_from: PlainStrategy = Field(
        default="proportional",
        description="How the run begins. "
        "proportional: by the number of texts. uniform: all tasks alike. temperature: between the "
        "two. fixed: as sampling.shares says.",
        json_schema_extra=applies(when={"sampling.strategy": "annealed"}),
    )
    anneal_to: PlainStrategy = Field(
        default="uniform",
        description="How the run ends. "
        "proportional: by the number of texts. uniform: all tasks alike. temperature: between the "
        "two. fixed: as sampling.shares says.",
        json_schema_extra=applies(when={"sampling.strategy": "annealed"}),
    )
    batches: Literal["mixed", "one_task"] = Field(
        default="mixed",
        description="mixed: a batch has texts of several tasks, one forward pass for all; an "
        "update then moves towards all of them. one_task: a batch has texts that were drawn for "
        "one task.",
    )
    epoch: Literal["all", "smallest", "largest"] = Field(
        default="all",
        description="How long an epoch is. all: as many texts as there are. smallest: until the "
        "task that is through first has been seen once; the others are capped. largest: until "
        "every task has been seen once; the others are repeated.",
        json_schema_extra=applies(unless={"sampling.strategy": "natural"}),
    )
    examples_per_epoch: int | None = Field(
        default=None, ge=1, description="So many texts make an epoch, whatever `epoch` says."
    )
    updates_per_epoch: int | None = Field(
        default=None, ge=1, description="So many updates make an epoch, whatever `epoch` says."
    )
    token_budget: int = Field(
        default=0,
        ge=0,
        description="Pieces in a batch, padding included, in place of training.batch_size texts: "
        "batches of short texts then have more of them. An example of two texts that are read one "
        "by one counts as its longer one. 0 = off.",
    )

    @property
    def rule(self) -> ShareRule:
        """How the draws are divided, for the run and for its preview."""
        return ShareRule(
            strategy=self.strategy,
            temperature=self.temperature,
            cap=self.cap,
            fixed=self.shares,
            begin=self.anneal_from,
            end=self.anneal_to,
        )

    @model_validator(mode="after")
    def _shares_are_shares(self) -> SamplingConfig:
        for name, share in self.shares.items():
            if share < 0:
                raise ValueError(f'sampling.shares: "{name}" is below 0; a share is 0 or more')
        uses_fixed = self.strategy == "fixed" or (
            self.strategy == "annealed" and "fixed" in (self.anneal_from, self.anneal_to)
        )
        if self.shares and not uses_fixed:
            raise ValueError(
                f"sampling.shares goes with strategy = fixed, but strategy is {self.strategy}; "
                "set it to fixed, or leave the shares out"
            )
        return self

    @model_validator(mode="after")
    def _the_epoch_has_one_length(self) -> SamplingConfig:
        if self.examples_per_epoch is not None and self.updates_per_epoch is not None:
            raise ValueError(
                "sampling.examples_per_epoch and updates_per_epoch exclude each other; leave one "
                "of them out"
            )
        if self.strategy == "natural" and self.epoch != "all":
            raise ValueError(
                f"sampling.epoch = {self.epoch} needs tasks that are drawn for, but strategy is "
                "natural; set strategy to proportional or another"
            )
        if self.token_budget and self.updates_per_epoch is not None:
            raise ValueError(
                "sampling.updates_per_epoch needs batches of a known number of texts; set "
                "examples_per_epoch, or token_budget to 0"
            )
        return self
