"""The learning rate over the steps, drawn by the very function that the worker runs."""

from __future__ import annotations

import numpy as np
from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from workbench.config.optimization import OptimizationConfig
from workbench.schedules import rate_factor, warmup_steps
from workbench.tui import figures
from workbench.tui.charts.series import ChartSeries, SeriesRole
from workbench.tui.charts.sparkline import sparkline
from workbench.tui.widgets.chart import Chart

_POINTS = 200
"""Steps that stand for the whole run, whose length is not known before data are read."""
_SPARK_CELLS = 24


def rate_curve(settings: OptimizationConfig) -> tuple[np.ndarray, np.ndarray]:
    """Share of the run in percent, and the factor of the highest rate there."""
    is_share = settings.warmup < 1
    total = _POINTS if is_share else max(_POINTS, int(settings.warmup) * 4)
    factors = [
        rate_factor(settings.schedule, step, total_steps=total, warmup=settings.warmup)
        for step in range(total)
    ]
    return np.arange(total) * 100.0 / total, np.asarray(factors, dtype=np.float64)


def rate_words(settings: OptimizationConfig) -> str:
    """The schedule in words: `up to 2e-5 in the first 10%, then down a line to 0`."""
    highest = figures.rate(settings.learning_rate)
    if settings.head_learning_rate is not None:
        highest += f" (heads {figures.rate(settings.head_learning_rate)})"
    ends = {"constant": "then constant", "linear": "then down a line to 0",
            "cosine": "then down a half cosine to 0"}  # fmt: skip
    if settings.warmup == 0:
        return f"{highest} at once, {ends[settings.schedule]}"
    warm = (
        f"{settings.warmup * 100:g}% of the steps"
        if settings.warmup < 1
        else f"{warmup_steps(settings.warmup, 10**9)} steps"
    )
    return f"up to {highest} in {warm}, {ends[settings.schedule]}"


class RateLine(Static):
    """The rate as a sketch in one row, for the form itself."""

    DEFAULT_CSS = """
    RateLine { height: 3; padding-left: 2; color: $text-muted; }
    """

    def show_settings(self, settings: OptimizationConfig | None) -> None:
        """Draw these settings; nothing while they are not valid."""
        if settings is None:
            self.update(Content("preview               –"))
            return
        _, factors = rate_curve(settings)
        self.update(
            Content.assemble(
                "preview               ", (sparkline(factors, _SPARK_CELLS), "$text-primary"),
                "\n", rate_words(settings),
            )
        )  # fmt: skip


class RateChart(Widget):
    """The rate of each parameter group as curves, for the side of a wide screen."""

    DEFAULT_CSS = """
    RateChart { height: 12; }
    """

    def compose(self) -> ComposeResult:
        """One chart."""
        yield Chart("learning rate", x_label="% of the run",
                    empty_text="shown when the form is valid")  # fmt: skip

    def on_mount(self) -> None:
        """Only to be looked at: the way through the form does not lead here."""
        self.query_one(Chart).can_focus = False

    def show_settings(self, settings: OptimizationConfig | None) -> None:
        """Draw these settings; nothing while they are not valid."""
        if settings is None:
            self.query_one(Chart).show([])
            return
        x, factors = rate_curve(settings)
        groups = [("backbone", settings.learning_rate)]
        if settings.head_learning_rate is not None:
            groups.append(("heads", settings.head_learning_rate))
        self.query_one(Chart).show(
            [
                ChartSeries(label, x, factors * highest, SeriesRole.LINE, slot)
                for slot, (label, highest) in enumerate(groups)
            ]
        )
