"""The learning rate over the steps, drawn by the very function that the worker runs."""

from __future__ import annotations

import numpy as np
from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from workbench.config.optimization import OptimizationConfig
from workbench.plan import Plan
from workbench.schedules import layer_factors, warmup_steps
from workbench.tui import figures
from workbench.tui.charts.series import LETTERS, ChartSeries, SeriesRole
from workbench.tui.charts.sparkline import sparkline
from workbench.tui.widgets.chart import Chart

_POINTS = 200
"""Steps that stand for the whole run, whose length is not known before data are read."""
_SPARK_CELLS = 24
_MOST_LINES = 6


def rate_curve(settings: OptimizationConfig) -> tuple[np.ndarray, np.ndarray]:
    """Share of the run in percent, and the factor of the highest rate there."""
    is_share = settings.warmup < 1
    total = _POINTS if is_share else max(_POINTS, int(settings.warmup) * 4)
    schedule = settings.rate_schedule
    factors = [schedule.factor(step, total) for step in range(total)]
    return np.arange(total) * 100.0 / total, np.asarray(factors, dtype=np.float64)


def rate_words(settings: OptimizationConfig) -> str:
    """The schedule in words: `up to 2e-5 in the first 10%, then down a line to 0`."""
    highest = figures.rate(settings.learning_rate)
    if settings.head_learning_rate is not None:
        highest += f" (heads {figures.rate(settings.head_learning_rate)})"
    ending = _ending(settings)
    if settings.warmup == 0:
        return f"{highest} at once, {ending}"
    warm = (
        f"{settings.warmup * 100:g}% of the steps"
        if settings.warmup < 1
        else f"{warmup_steps(settings.warmup, 10**9)} steps"
    )
    return f"up to {highest} in {warm}, {ending}"


def _ending(settings: OptimizationConfig) -> str:
    """What the rate does after the warm-up, in words."""
    low = f"{settings.minimum_rate * 100:g}%" if settings.minimum_rate else "0"
    words = {
        "constant": "then constant",
        "linear": f"then down a line to {low}",
        "cosine": f"then down a half cosine to {low}",
        "cosine_restarts": f"then {settings.cycles} times down a half cosine to {low}",
        "polynomial": f"then to {low} as what is left to the power {settings.power:g}",
        "inverse_sqrt": "then one over the root of the steps",
        "slanted_triangular": f"then down a line to {low if settings.minimum_rate else 'a 32nd'}",
        "one_cycle": f"then down a half cosine to {low}",
        "warmup_stable_decay": f"then constant, in the last {settings.decay_share * 100:g}% "
        f"down a line to {low}",
        "plateau": f"then times {settings.plateau_factor:g} after more than "
        f"{settings.plateau_patience} evaluations without a new best",
    }
    return words[settings.schedule]


def rate_groups(settings: OptimizationConfig) -> list[tuple[str, float]]:
    """Parameter groups with their highest rates; how many layers there are is not known here."""
    rate, heads = settings.learning_rate, settings.head_learning_rate
    if settings.layer_rates == "uniform":
        return [("backbone", rate)] + ([("heads", heads)] if heads is not None else [])
    factors = layer_factors(
        settings.layer_rates,
        len(settings.layer_factors),
        decay=settings.layer_decay,
        table=settings.layer_factors,
    )
    groups = [("top layer", rate * factors[-1])]
    if settings.layer_rates == "table":
        groups.append(("lowest layer", rate * factors[1]))
    return [*groups, ("heads", heads if heads is not None else rate)]


class RateLine(Static):
    """The rate as a sketch in one row, for the form itself."""

    DEFAULT_CSS = """
    RateLine { height: auto; padding-left: 2; color: $text-muted; }
    """

    def show_settings(self, settings: OptimizationConfig | None) -> None:
        """Draw these settings; nothing while they are not valid."""
        if settings is None:
            self.update(Content("preview                –"))
            return
        _, factors = rate_curve(settings)
        sketch = sparkline(factors.tolist(), _SPARK_CELLS)
        self.update(
            Content.assemble(
                "preview                ", (sketch, "$text-primary"),
                "\n", rate_words(settings),
            )
        )  # fmt: skip


class RateChart(Widget):
    """The rate of each part that has one of its own, as curves."""

    DEFAULT_CSS = """
    RateChart { height: 12; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._words = ""

    def compose(self) -> ComposeResult:
        """One chart; of what its axis is, is known when there is a plan."""
        yield Chart("learning rate", x_label="% of the run",
                    empty_text="shown when the form is valid")  # fmt: skip

    def on_mount(self) -> None:
        """Only to be looked at: the way through the form does not lead here."""
        self.query_one(Chart).can_focus = False

    @property
    def words(self) -> str:
        """The same in words."""
        return self._words

    def show_settings(self, settings: OptimizationConfig | None, plan: Plan | None = None) -> None:
        """Draw these settings; nothing while they are not valid.

        Args:
            settings: The rates and their schedule.
            plan: Of the same form: with it the parts are those of the model, thawing included.
        """
        if settings is None:
            self._words = ""
            self.query_one(Chart).show([])
            return
        lines = planned_rates(settings, plan) if plan is not None else expected_rates(settings)
        named = (
            f"{letter}  {label}: up to {figures.rate(float(y.max(initial=0.0)))}"
            for letter, (label, _, y) in zip(LETTERS, lines, strict=False)
        )
        self._words = "\n".join([rate_words(settings), "", *named])
        self.query_one(Chart).show(
            [
                ChartSeries(label, x, y, SeriesRole.LINE, slot)
                for slot, (label, x, y) in enumerate(lines)
            ]
        )


Line = tuple[str, np.ndarray, np.ndarray]
"""Name, share of the run in percent, rate there."""


def expected_rates(settings: OptimizationConfig) -> list[Line]:
    """The rates as far as they are known without the model."""
    x, factors = rate_curve(settings)
    return [(label, x, factors * highest) for label, highest in rate_groups(settings)]


def planned_rates(settings: OptimizationConfig, plan: Plan) -> list[Line]:
    """The rate of each part of the model; parts that are treated alike are one line."""
    if not plan.total_steps:
        return []
    steps = np.unique(np.linspace(0, plan.total_steps - 1, _POINTS * 2).astype(int))
    schedule = settings.rate_schedule
    factors = np.array([schedule.factor(int(step), plan.total_steps) for step in steps])
    alike: dict[tuple[float, int], list[str]] = {}
    for part in reversed(plan.parts):
        if part.trained:
            alike.setdefault((part.rate, part.first_step), []).append(part.name)
    groups = list(alike.items())
    if len(groups) > _MOST_LINES:  # the ends and some between tell as much, and can be told apart
        places = np.linspace(0, len(groups) - 1, _MOST_LINES).round().astype(int)
        groups = [groups[place] for place in places]
    return [
        (
            names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}",
            steps * 100.0 / plan.total_steps,
            np.where(steps + 1 < first_step, 0.0, factors * rate),
        )
        for (rate, first_step), names in groups
    ]
