"""The share of each task in what is drawn over a run, by the very function that draws."""

from __future__ import annotations

import numpy as np
from textual.app import ComposeResult
from textual.widget import Widget

from workbench.config.experiment import ExperimentConfig
from workbench.plan import Plan
from workbench.shares import share_curves
from workbench.tui.charts.series import LETTERS, ChartSeries, SeriesRole
from workbench.tui.widgets.chart import Chart

_POINTS = 100


def planned_curves(config: ExperimentConfig, plan: Plan) -> dict[str, list[float]]:
    """By task that is trained, its share of the draws in percent at even moments of the run."""
    sizes = {
        task.name: task.examples.get("train", 0)
        for task in plan.tasks
        if config.tasks[task.name].weight > 0
    }
    curves = share_curves(config.sampling.rule, sizes, _POINTS)
    return {task: [share * 100 for share in shares] for task, shares in curves.items()}


class ShareChart(Widget):
    """One curve a task."""

    DEFAULT_CSS = """
    ShareChart { height: 10; margin-top: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._words = ""

    def compose(self) -> ComposeResult:
        """One chart."""
        yield Chart("share of the draws in %", x_label="% of the run",
                    empty_text="shown when the plan is there")  # fmt: skip

    def on_mount(self) -> None:
        """Only to be looked at."""
        self.query_one(Chart).can_focus = False

    @property
    def words(self) -> str:
        """The same in words."""
        return self._words

    def show_plan(self, config: ExperimentConfig | None, plan: Plan | None) -> None:
        """Draw the shares; nothing while the sizes of the tasks are not known.

        Args:
            config: What the form says.
            plan: Of the same form.
        """
        curves = planned_curves(config, plan) if config is not None and plan is not None else {}
        x = np.linspace(0.0, 100.0, _POINTS)
        self._words = "\n".join(
            f"{letter}  {task}: {_from_to(shares)} of the draws"
            for letter, (task, shares) in zip(LETTERS, curves.items(), strict=False)
        )
        self.query_one(Chart).show(
            [
                ChartSeries(task, x, np.asarray(shares), SeriesRole.LINE, slot)
                for slot, (task, shares) in enumerate(curves.items())
            ]
        )


def _from_to(shares: list[float]) -> str:
    first, last = f"{shares[0]:.0f}%", f"{shares[-1]:.0f}%"
    return first if first == last else f"{first} to {last}"
