"""How the losses of the tasks, or their gradients, become one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from workbench.config.base import Settings, applies

WeightingMethod = Literal[
    "sum",
    "mean",
    "uncertainty",
    "dwa",
    "random",
    "geometric",
    "imtl_l",
    "famo",
    "stch",
    "gradnorm",
    "formula",
]
AggregationMethod = Literal[
    "sum",
    "pcgrad",
    "gradvac",
    "graddrop",
    "mgda",
    "cagrad",
    "imtl_g",
    "aligned_mtl",
    "upgrad",
    "fairgrad",
]


class WeightingConfig(Settings):
    """How the losses, or the gradients, of the tasks become one. Static weights are the tasks'."""

    method: WeightingMethod = Field(
        default="sum",
        description=(
            "How losses become one; each task's own `weight` multiplies what the method gives. "
            "sum: added up as they are: static weights. "
            "mean: the sum over the number of tasks in the update, so that a task more does not "
            "lengthen the step. "
            "uncertainty: weights learned as one over each task's variance (Kendall et al. 2018). "
            "dwa: tasks whose loss falls slowly weigh more (Liu et al. 2019, section 3.2). "
            "random: drawn anew for each update, a strong baseline (Lin et al. 2022). "
            "geometric: the geometric mean, whatever the losses' sizes (Chennupati et al. 2019). "
            "imtl_l: learned scales that bring all losses to one size (Liu et al. 2021). "
            "famo: weights such that all losses fall at one rate; costs a forward pass more "
            "(Liu et al. 2023). "
            "stch: a smooth maximum, so that the worst task decides (Lin et al. 2024). "
            "gradnorm: weights such that gradients have like norms, slow tasks larger ones; costs "
            "a little backward pass per task (Chen et al. 2018). "
            "formula: your own, in weighting.formula."
        ),
    )
    formula: str | None = Field(
        default=None,
        max_length=1000,
        description="Of method = formula: task names, numbers, + - * /, parentheses, min, max, "
        'mean, sqrt, log, such as "question + 0.5 * entity". A task that it does not name is not '
        "trained; the tasks' own weights do not count, but for 0, which takes a task out. A task "
        "that an update does not label is left out.",
        json_schema_extra=applies(when={"weighting.method": "formula"}),
    )
    learning_rate: float = Field(
        default=0.025,
        gt=0.0,
        le=10.0,
        description="Of what uncertainty, imtl_l, famo and gradnorm learn; their own optimizer "
        "(Adam), without schedule and decay.",
        json_schema_extra=applies(
            when={"weighting.method": ["uncertainty", "imtl_l", "famo", "gradnorm"]}
        ),
    )
    temperature: float = Field(
        default=2.0,
        gt=0.0,
        le=100.0,
        description="Of dwa: the larger, the more alike the weights.",
        json_schema_extra=applies(when={"weighting.method": "dwa"}),
    )
    period: int = Field(
        default=0,
        ge=0,
        description="Of dwa: updates over which a loss is averaged before it is compared; 0 = an "
        "epoch, as in the paper, which says little in a run of three.",
        json_schema_extra=applies(when={"weighting.method": "dwa"}),
    )
    smoothness: float = Field(
        default=0.1,
        gt=0.0,
        le=100.0,
        description="Of stch: the smaller, the nearer to the maximum, the larger, the nearer to "
        "the mean.",
        json_schema_extra=applies(when={"weighting.method": "stch"}),
    )
    asymmetry: float = Field(
        default=1.5,
        ge=0.0,
        le=10.0,
        description="Of gradnorm: how much more a task gets that learns slowly; 0 for equal norms.",
        json_schema_extra=applies(when={"weighting.method": "gradnorm"}),
    )
    gradients: AggregationMethod = Field(
        default="sum",
        description=(
            "How the tasks' gradients on the shared parameters become one; heads keep their own. "
            "Compare methods with match_norm, since their steps differ up to eightfold in length. "
            "sum: one backward pass for all; the others need one, and a copy of the shared "
            "gradient, per task. "
            "pcgrad: what points against another task is projected away (Yu et al. 2020). "
            "gradvac: brings cosines up to their running mean (Wang et al. 2021). "
            "graddrop: per value, one sign is drawn and kept (Chen et al. 2020). "
            "mgda: the shortest mean of them, which hurts no task (Sener and Koltun 2018). "
            "cagrad: near to the mean, best for the worst task (Liu et al. 2021). "
            "imtl_g: equal projections on all tasks (Liu et al. 2021). "
            "aligned_mtl: principal directions scaled alike (Senushkin et al. 2023). "
            "upgrad: each made harmless to the others, then averaged (Quinton and Rey 2024). "
            "fairgrad: equal gains by a notion of fairness (Ban and Ji 2024)."
        ),
    )
    match_norm: bool = Field(
        default=False,
        description="Give the combined gradient the length of the plain sum, so that methods are "
        "compared at one step size, not by it.",
        json_schema_extra=applies(unless={"weighting.gradients": "sum"}),
    )
    last_layers: int = Field(
        default=0,
        ge=0,
        description="Combine by the method only in so many of the backbone's top layers, and what "
        "is above them; add up plainly below: several times cheaper. 0 = everywhere.",
        json_schema_extra=applies(unless={"weighting.gradients": "sum"}),
    )
    caution: float = Field(
        default=0.4,
        ge=0.0,
        lt=1.0,
        description="Of cagrad: how far it may go from the mean; 0 is the mean.",
        json_schema_extra=applies(when={"weighting.gradients": "cagrad"}),
    )
    fairness: float = Field(
        default=1.0,
        gt=0.0,
        le=10.0,
        description="Of fairgrad: 1 for proportional fairness (as Nash-MTL), larger for the worst "
        "task.",
        json_schema_extra=applies(when={"weighting.gradients": "fairgrad"}),
    )
    smoothing: float = Field(
        default=0.01,
        gt=0.0,
        le=1.0,
        description="Of gradvac: how quickly the running mean of the cosines follows.",
        json_schema_extra=applies(when={"weighting.gradients": "gradvac"}),
    )

    @model_validator(mode="after")
    def _a_formula_goes_with_its_method(self) -> WeightingConfig:
        if (self.method == "formula") != (self.formula is not None):
            raise ValueError('weighting.formula and weighting.method = "formula" go together')
        return self

    @model_validator(mode="after")
    def _restrictions_need_a_method(self) -> WeightingConfig:
        for name in ("match_norm", "last_layers"):
            if getattr(self, name) and self.gradients == "sum":
                raise ValueError(
                    f"weighting.{name} is for a method that combines gradients, but "
                    "weighting.gradients is sum; choose another, or leave it out"
                )
        return self


class InstrumentsConfig(Settings):
    """What is measured while a run trains, beside its losses."""

    interference_every: int | None = Field(
        default=None,
        ge=0,
        description="Updates between two looks at how the tasks' gradients stand to one another: "
        "norms and cosines on the shared parameters, by layer. Left out: so seldom that it costs "
        "under 3 % of the time. 0 = never, at no cost at all.",
    )
    warn_below: float = Field(
        default=-0.1,
        ge=-1.0,
        le=0.0,
        description="A pair of tasks is warned of when the mean cosine of its recent looks stays "
        "below this while the dev metric of one of them falls.",
    )
