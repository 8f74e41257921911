"""The table of runs: one line a run, drawn from its summary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from textual.content import Content

from workbench.operations.reading import RunSummary
from workbench.tui import figures
from workbench.tui.charts.sparkline import sparkline
from workbench.tui.states import state_colour, state_word
from workbench.tui.visible import visible
from workbench.tui.widgets.table import Column, Row, Table

_COLUMNS = (
    Column("state"),
    Column("run", smallest=14),
    Column("progress"),
    Column("best", importance=1, is_right=True),
    Column("loss", importance=3),
    Column("dev metrics at best", importance=5, smallest=40),
    Column("tasks", importance=7, smallest=10),
    Column("started", importance=4, is_right=True),
    Column("took", importance=2, is_right=True),
    Column("id", importance=8),
)
_BAR_CELLS = 6
_SPARK_CELLS = 8


class RunTable(Table):
    """Runs with a cursor and marks, by run id."""

    def __init__(self) -> None:
        super().__init__(_COLUMNS, id="runs")

    def show_runs(self, runs: Sequence[RunSummary]) -> None:
        """Show these runs, in this order."""
        self.show([Row(run.record.id, _cells(run)) for run in runs])


def metric_words(run: RunSummary, *, has_names: bool = True) -> Content:
    """`topic accuracy 0.910  entity span_f1 0.712`: what each task reached."""
    parts = []
    for task, config in run.record.config.tasks.items():
        value = run.metrics.get(task, {}).get(config.metric)
        if value is not None:
            name = f"{visible(task)} {config.metric} " if has_names else f"{visible(task)} "
            shown = figures.metric(value)
            shown = shown if has_names else shown.removeprefix("0")
            parts.append(Content.assemble((name, "$foreground 65%"), shown))
    return Content("  ").join(parts)


def best_words(run: RunSummary, width: int | None = None) -> Content:
    """The selection value, where it is from, and what each task reached there.

    Args:
        run: The run.
        width: Cells there are; the names of the metrics, then the step go if they do not fit.
    """
    if run.selection is None:
        return Content.styled("no evaluation yet", "$foreground 65%")
    where = f" at step {run.best_step}" if run.best_step else ""
    best = Content.assemble(
        ("best ", "$foreground 65%"), (figures.metric(run.selection), "bold $text-success")
    )
    at_step, short = Content.styled(where, "$foreground 65%"), metric_words(run, has_names=False)
    gap = Content("   ")
    for words in (best + at_step + gap + metric_words(run), best + at_step + gap + short):
        if width is None or words.cell_length <= width:
            return words
    return best + gap + short


def progress_words(run: RunSummary, width: int = _BAR_CELLS) -> Content:
    """A bar and the percentage."""
    part = figures.share(run.step, run.total_steps)
    done, open_part = figures.progress_bar(part, width)
    return Content.assemble(
        (done, state_colour(run.state)),
        (open_part, "$foreground 40%"),
        f" {figures.percent(part):>4}",
    )


def _cells(run: RunSummary) -> tuple[Content, ...]:
    spark = sparkline(np.asarray(run.spark, dtype=np.float64), _SPARK_CELLS)
    return (
        state_word(run.state),
        Content(visible(run.record.name)),
        progress_words(run),
        Content.styled(figures.metric(run.selection), "bold"),
        Content.styled(spark, "$text-secondary"),
        metric_words(run, has_names=False),
        Content.styled(visible(", ".join(run.tasks)), "$foreground 65%"),
        Content.styled(figures.moment(run.record.created_at), "$foreground 65%"),
        Content.styled(figures.duration(run.seconds), "$foreground 65%"),
        Content.styled(visible(run.record.id), "$foreground 65%"),
    )
