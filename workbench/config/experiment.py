"""The whole description of an experiment: what the form edits, a preset stores, a run keeps."""

from __future__ import annotations

import re

from pydantic import Field, field_validator, model_validator

from workbench.config.base import Settings
from workbench.config.cache import CacheConfig
from workbench.config.formula import FormulaError, parse_formula, tasks_of
from workbench.config.model import BackboneConfig, FreezingConfig, PoolingConfig
from workbench.config.optimization import OptimizationConfig, ShowcaseConfig, TrainingConfig
from workbench.config.sampling import SamplingConfig
from workbench.config.selection import SelectionConfig
from workbench.config.tasks import PooledTask, TaskConfig
from workbench.config.weighting import InstrumentsConfig, WeightingConfig
from workbench.errors import nearest

_TASK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


class ExperimentConfig(Settings):
    """Everything a run depends on. Two runs of equal configs on one machine learn the same."""

    name: str = Field(
        default="experiment", min_length=1, max_length=80, description="What the run is called."
    )
    seed: int = Field(default=13, ge=0, lt=2**32, description="Seed of all random choices.")
    backbone: BackboneConfig = Field(default_factory=BackboneConfig)
    pooling: PoolingConfig = Field(default_factory=PoolingConfig)
    tasks: dict[str, TaskConfig] = Field(description="The tasks, by name, in order.")
    sampling: SamplingConfig = Field(default_factory=SamplingConfig)
    weighting: WeightingConfig = Field(default_factory=WeightingConfig)
    freezing: FreezingConfig = Field(default_factory=FreezingConfig)
    optimization: OptimizationConfig = Field(default_factory=OptimizationConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    selection: SelectionConfig = Field(default_factory=SelectionConfig)
    instruments: InstrumentsConfig = Field(default_factory=InstrumentsConfig)
    showcase: ShowcaseConfig = Field(default_factory=ShowcaseConfig)
    cache: CacheConfig = Field(default_factory=CacheConfig)

    @property
    def trained_tasks(self) -> list[str]:
        """The tasks whose losses count, in order."""
        named = set(self.tasks)
        if self.weighting.formula is not None:
            named = set(tasks_of(parse_formula(self.weighting.formula, self.tasks)))
        return [name for name, task in self.tasks.items() if task.weight > 0 and name in named]

    def pooling_of(self, task: str) -> PoolingConfig:
        """How a text becomes one vector for a task."""
        settings = self.tasks[task]
        if isinstance(settings, PooledTask) and settings.pooling.mode != "as default":
            return settings.pooling
        return self.pooling

    @field_validator("name")
    @classmethod
    def _name_is_printable(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("the name has control characters in it")
        return name

    @field_validator("tasks")
    @classmethod
    def _tasks_are_named(cls, tasks: dict[str, TaskConfig]) -> dict[str, TaskConfig]:
        if not tasks:
            raise ValueError("there is no task: add a [tasks.NAME] section")
        for name in tasks:
            if not _TASK_NAME.fullmatch(name):
                raise ValueError(
                    f'"{name}" is no task name: a letter, then letters, digits, - or _ (40 at most)'
                )
        if all(task.weight == 0 for task in tasks.values()):
            raise ValueError("every task has weight 0, so nothing would be learned")
        return tasks

    @model_validator(mode="after")
    def _selection_names_tasks(self) -> ExperimentConfig:
        selection = self.selection
        named = [*selection.weights, *selection.baselines, *filter(None, [selection.task])]
        for name in named:
            if name not in self.tasks:
                raise ValueError(
                    f'selection names a task "{name}" that is not there; '
                    f"{nearest(name, self.tasks)}"
                )
        deciding = self.selection.task
        if deciding is not None and not self.tasks[deciding].data.has_dev:
            raise ValueError(f'the task "{deciding}" is to decide, but it has no dev data')
        return self

    @model_validator(mode="after")
    def _frozen_heads_are_there(self) -> ExperimentConfig:
        for name in self.freezing.heads:
            if name not in self.tasks:
                raise ValueError(
                    f'freezing.heads names a task "{name}" that is not there; '
                    f"{nearest(name, self.tasks)}"
                )
        return self

    @model_validator(mode="after")
    def _a_stack_hides_nothing(self) -> ExperimentConfig:
        for name, task in self.tasks.items():
            if task.kind == "masked_lm" and self.backbone.kind == "stack":
                raise ValueError(
                    f'tasks.{name}: kind = "masked_lm" needs a mask, which a stack of words and '
                    "characters has not; leave the task out, or set backbone.kind to transformer"
                )
        return self

    @model_validator(mode="after")
    def _a_stack_has_no_layers_to_mix(self) -> ExperimentConfig:
        for name, task in self.tasks.items():
            if task.layer_mix and self.backbone.kind == "stack":
                raise ValueError(
                    f"tasks.{name}.layer_mix needs layers of one size, which a stack has not; "
                    "set it to false, or backbone.kind to transformer"
                )
        return self

    @model_validator(mode="after")
    def _what_is_compiled_can_be(self) -> ExperimentConfig:
        if not self.training.compile:
            return self
        if self.backbone.kind == "stack":
            raise ValueError(
                "training.compile compiles the layers of a transformer, which a stack has not; "
                "set it to false"
            )
        for name, task in self.tasks.items():
            if task.layer_mix:
                raise ValueError(
                    f"tasks.{name}.layer_mix looks between the layers, where training.compile "
                    "lets nobody look; set one of them to false"
                )
        return self

    @model_validator(mode="after")
    def _adapters_are_not_frozen(self) -> ExperimentConfig:
        mode = self.freezing.mode
        if self.backbone.lora.rank and mode not in ("none", "embeddings", "lowest", "all_but_top"):
            raise ValueError(
                f"backbone.lora.rank trains adapters, which freezing.mode = {mode} keeps frozen; "
                "set mode to none (the backbone stays as it is without it), or rank to 0"
            )
        return self

    @model_validator(mode="after")
    def _the_formula_can_be_read(self) -> ExperimentConfig:
        if self.weighting.formula is not None:
            try:
                parse_formula(self.weighting.formula, self.tasks)
            except FormulaError as error:
                raise ValueError(
                    f"weighting.formula cannot be read, {error}; write task names, numbers, "
                    "+ - * /, parentheses, min, max, mean, sqrt and log"
                ) from None
        return self

    @model_validator(mode="after")
    def _shares_are_of_tasks(self) -> ExperimentConfig:
        shares = self.sampling.shares
        for name in shares:
            if name not in self.tasks:
                raise ValueError(
                    f'sampling.shares names a task "{name}" that is not there; '
                    f"{nearest(name, self.tasks)}"
                )
        if not any(shares.get(name, 1.0) for name in self.trained_tasks):
            raise ValueError(
                "sampling.shares gives every trained task 0, so nothing would be drawn; "
                "give one of them a share"
            )
        return self

    @model_validator(mode="after")
    def _somebody_learns_the_pooling(self) -> ExperimentConfig:
        sharing = [
            task
            for task in self.tasks.values()
            if isinstance(task, PooledTask) and task.pooling.mode == "as default"
        ]
        if self.pooling.is_learned and not sharing:
            raise ValueError(
                "pooling has something to learn (attention or projection), but no task looks at "
                "it; take pooling.mode = mean without projection, or set it in "
                "[tasks.NAME.pooling] of the task that is to have it"
            )
        return self

    @model_validator(mode="after")
    def _a_plateau_is_seen_on_dev(self) -> ExperimentConfig:
        has_dev = any(task.data.has_dev for task in self.tasks.values())
        if self.optimization.schedule == "plateau" and not has_dev:
            raise ValueError(
                "optimization.schedule = plateau looks at dev, but no task has dev data; "
                "name a dev file, or take another schedule"
            )
        return self

    @model_validator(mode="after")
    def _schedule_free_counts_from_the_start(self) -> ExperimentConfig:
        # It counts steps per group, so the first updates of a thawed part would be far too long.
        if self.optimization.optimizer == "schedule_free" and self.freezing.gradual:
            raise ValueError(
                "optimization.optimizer = schedule_free does not go with freezing.gradual; "
                "set gradual to 0, or the optimizer to adamw"
            )
        return self
