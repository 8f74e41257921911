"""Which checkpoint is the best."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from workbench.config.base import Settings, applies, names


class SelectionConfig(Settings):
    """The rule that picks the best checkpoint, from the dev metrics."""

    rule: Literal["mean", "worst", "task", "gain"] = Field(
        default="mean",
        description="mean: weighted mean of the tasks' metrics. worst: the lowest of them. "
        "task: one task's metric. gain: mean relative gain over what each task reaches alone "
        "(Maninis et al. 2019), from selection.baselines.",
    )
    task: str | None = Field(
        default=None,
        description="The task that decides (rule = task).",
        json_schema_extra=applies(when={"selection.rule": "task"}) | names("task"),
    )
    weights: dict[str, float] = Field(
        default_factory=dict,
        description="Weights of the mean by task; 1 where none is given.",
        json_schema_extra=applies(when={"selection.rule": "mean"}),
    )

    baselines: dict[str, float] = Field(
        default_factory=dict,
        description="By task, what its metric reaches when it is trained alone (rule = gain); "
        "`mtl-workbench baselines` finds it out.",
        json_schema_extra=applies(when={"selection.rule": "gain"}),
    )

    @model_validator(mode="after")
    def _baselines_are_above_zero(self) -> SelectionConfig:
        for name, value in self.baselines.items():
            if value <= 0:
                raise ValueError(
                    f'selection.baselines: "{name}" is {value:g}, to which nothing can be related; '
                    "leave it out, or take another rule"
                )
        if self.rule == "gain" and not self.baselines:
            raise ValueError(
                'selection.rule = "gain" needs selection.baselines; run `mtl-workbench baselines` '
                "to find them out"
            )
        return self

    @model_validator(mode="after")
    def _task_goes_with_its_rule(self) -> SelectionConfig:
        if (self.rule == "task") != (self.task is not None):
            raise ValueError('selection.task and selection.rule = "task" go together')
        return self
