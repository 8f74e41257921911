"""The table of runs: one line a run, or one line for all seeds of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from textual.content import Content

from workbench.operations.folding import Fold
from workbench.operations.reading import RunSummary
from workbench.tui import columns, figures
from workbench.tui.charts.sparkline import sparkline
from workbench.tui.preferences import DEFAULT_COLUMNS
from workbench.tui.states import state_colour, state_word
from workbench.tui.visible import visible
from workbench.tui.widgets.table import Column, Table

_IMPORTANCE = {"state": 0, "name": 0, "progress": 0, "best": 1, "took": 2, "loss": 3, "started": 4,
               "metrics": 5, "tags": 6, "tasks": 7, "id": 8}  # fmt: skip
"""Which of the columns that are shown unasked give way first on a narrow screen."""
_SMALLEST = {"name": 18, "metrics": 40, "tasks": 10, "tags": 8, "note": 12, "source": 8}
_BAR_CELLS = 6
_SPARK_CELLS = 8


@dataclass(frozen=True)
class RunLine:
    """What one row shows."""

    fold: Fold
    keys: tuple[str, ...]
    """Columns, from left to right."""
    is_part: bool = False
    """Whether it is one seed of the fold above it."""

    @cached_property
    def key(self) -> str:
        """The run's id; for several seeds the fold's own, which is no run's."""
        return f"{FOLD}{self.fold.key}" if len(self.fold.runs) > 1 else self.fold.key

    @cached_property
    def cells(self) -> tuple[Content, ...]:
        """Made when the row comes into view."""
        return tuple(_cell(self, key) for key in self.keys)


FOLD = "seeds of "


class RunTable(Table):
    """Runs with a cursor and marks, by run id."""

    def __init__(self) -> None:
        self._shown: tuple[tuple[str, ...], str] = ((), "")
        super().__init__(_columns(DEFAULT_COLUMNS, ""), id="runs")

    def show_lines(self, lines: Sequence[RunLine], keys: tuple[str, ...], sort: str) -> None:
        """Show these lines, in this order, with these columns."""
        shown = (keys, sort)
        self.show(lines, columns=_columns(keys, sort) if shown != self._shown else None)
        self._shown = shown


def _columns(keys: Sequence[str], sort: str) -> tuple[Column, ...]:
    by, arrow = sort.removeprefix("-"), "▼" if sort.startswith("-") else "▲"
    return tuple(
        Column(
            columns.heading(key) + (arrow if key == by else ""),
            # What someone chose to see gives way last.
            importance=_IMPORTANCE.get(key, 1),
            is_right=columns.is_right(key),
            smallest=_SMALLEST.get(key, 0),
            keeps_end=key == "name",
        )
        for key in keys
    )


def metric_words(run: RunSummary, *, has_names: bool = True, fold: Fold | None = None) -> Content:
    """`topic accuracy 0.910  entity span_f1 0.712`: what each task reached."""
    parts = []
    for task, config in run.record.config.tasks.items():
        value = run.metrics.get(task, {}).get(config.metric)
        if value is not None:
            name = f"{visible(task)} {config.metric} " if has_names else f"{visible(task)} "
            shown = figures.metric(value)
            shown = shown if has_names else shown.removeprefix("0")
            spread = fold.spread.get(task, {}).get(config.metric) if fold else None
            about = "" if spread is None else f"±{figures.metric(spread).removeprefix('0')}"
            parts.append(
                Content.assemble((name, "$foreground 65%"), shown, (about, "$foreground 65%"))
            )
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


def _cell(line: RunLine, key: str) -> Content:
    run = line.fold.mean
    draw = _DRAWN.get(key)
    if draw is not None:
        return draw(line)
    words = Content(visible(columns.words(run, key)))
    task, _, metric = key.partition(".")
    spread = line.fold.spread.get(task, {}).get(metric)
    if spread is not None:
        return Content.assemble(words, (f" ±{figures.metric(spread)}", "$foreground 65%"))
    return words if columns.is_right(key) and "." in key else words.stylize("$foreground 65%")


def _name(line: RunLine) -> Content:
    run, count = line.fold.mean, len(line.fold.runs)
    if line.is_part:
        return Content.assemble(("  └ ", "$foreground 40%"), f"seed {run.record.config.seed}",
                                (f"  {visible(run.record.name)}", "$foreground 65%"))  # fmt: skip
    star = ("★ ", "$text-accent") if any(one.keeping.starred for one in line.fold.runs) else ""
    seeds = (f" ×{count} seeds", "$text-secondary") if count > 1 else ""
    faint = "$foreground 50%" if run.keeping.archived_at or run.keeping.deleted_at else ""
    return Content.assemble(star, (visible(run.record.name), faint), seeds)


def _best(line: RunLine) -> Content:
    best = Content.styled(figures.metric(line.fold.mean.selection), "bold")
    if line.fold.selection_spread is None:
        return best
    return best + Content.styled(
        f" ±{figures.metric(line.fold.selection_spread)}", "$foreground 65%"
    )


def _state(line: RunLine) -> Content:
    runs = line.fold.runs
    place = runs[0].queue_place
    if len(runs) == 1 and place is not None:
        return state_word(runs[0].state) + Content.styled(f" {place}", "$foreground 65%")
    if len({run.state for run in runs}) == 1:
        return state_word(runs[0].state)
    open_runs = [run for run in runs if not run.state.is_over]
    shown = (open_runs or [run for run in runs if run.state is not runs[0].state])[0].state
    count = sum(run.state is shown for run in runs)
    return state_word(shown) + Content.styled(f" {count}/{len(runs)}", "$foreground 65%")


_DRAWN: dict[str, Callable[[RunLine], Content]] = {
    "state": _state,
    "name": _name,
    "progress": lambda line: progress_words(line.fold.mean),
    "best": _best,
    "loss": lambda line: Content.styled(
        sparkline(line.fold.mean.spark, _SPARK_CELLS),
        "$text-secondary",
    ),
    "metrics": lambda line: metric_words(line.fold.mean, has_names=False, fold=line.fold),
    "star": lambda line: Content.styled(
        "★" if line.fold.mean.keeping.starred else "", "$text-accent"
    ),
}
"""Columns that are more than words."""
