"""The two tables of a comparison: what the runs reached, and the settings that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from workbench.operations.comparing import by_owner, metric_owner, settings_by_owner
from workbench.operations.reading import Comparison, MetricRow
from workbench.tui import figures
from workbench.tui.run_names import distinct_names, letter
from workbench.tui.states import state_word
from workbench.tui.visible import visible
from workbench.tui.widgets.table import Column, Row

_MOST_COLUMNS = 6
"""With more runs than this they are the rows of the tables, and what they reached the columns."""
_CELLS_PER_RUN = 20


@dataclass(frozen=True)
class TableContent:
    """What one table shows."""

    columns: list[Column]
    rows: list[Row]


@dataclass(frozen=True)
class ComparisonTables:
    """Both tables: runs are the columns of both, or the rows of both."""

    metrics: TableContent
    settings: TableContent


def in_order(comparison: Comparison, rows: Sequence[MetricRow]) -> list[MetricRow]:
    """Tasks in the order of the first run that has them, a loss after what is reported."""
    return sorted(rows, key=lambda one: _place(comparison, one))


def comparison_tables(
    comparison: Comparison, metrics: Sequence[MetricRow], heading: str, width: int
) -> ComparisonTables:
    """Runs as columns where there is room for it, else as rows.

    Args:
        comparison: The runs and how their settings differ.
        metrics: What the runs reached, in the order to be shown.
        heading: What the metrics are of.
        width: Cells of the screen.
    """
    has_room = len(comparison.runs) * _CELLS_PER_RUN <= width - 20
    if len(comparison.runs) <= _MOST_COLUMNS and (has_room or len(comparison.runs) <= 3):
        return _runs_as_columns(comparison, metrics, heading)
    return _runs_as_rows(comparison, metrics, heading)


def _runs_as_columns(
    comparison: Comparison, metrics: Sequence[MetricRow], heading: str
) -> ComparisonTables:
    names = [
        Column(f"{letter(slot)} {name}", is_right=True, smallest=9, title_keeps_end=True)
        for slot, name in enumerate(distinct_names(comparison.runs))
    ]
    rows = [
        Row("state", (Content("state"), *(state_word(run.state) for run in comparison.runs))),
        Row("selection", (Content("selection"), *_selections(comparison))),
    ]
    shared, owned = by_owner(metrics, lambda one: metric_owner(comparison.runs, one))
    for one in shared:
        cells = [
            _winner(figures.metric(value), at == one.best) for at, value in enumerate(one.values)
        ]
        rows.append(_metric_row(one, cells))
    for owner, own in owned.items():
        rows.append(_only_in(names, owner))
        rows += [
            _metric_row(one, _alone(names, owner, figures.metric(one.values[owner]))) for one in own
        ]
    # Both tables have one first column, so that a run's values stand above each other.
    common, owned_settings = settings_by_owner(comparison)
    keys = [key for key, _ in common]
    keys += [key for held in owned_settings.values() for key, _ in held.chosen]
    width = max([27, *map(len, keys)])
    settings = [
        Row(key, (Content(visible(key)), *(Content(visible(text)) for text in values)))
        for key, values in common
    ]
    for owner, held in owned_settings.items():
        settings.append(_only_in(names, owner))
        settings += [
            Row(key, (Content(visible(key)), *_alone(names, owner, visible(value))))
            for key, value in held.chosen
        ]
        if held.as_default:
            others = f"{held.as_default} as by default"
            settings.append(
                Row(f"others in {owner}", (Content("others"), *_alone(names, owner, others)))
            )
    none = Row("", (Content("none: same settings"), *(Content() for _ in names)))
    return ComparisonTables(
        TableContent([Column(heading.ljust(width), smallest=12), *names], rows),
        TableContent(
            [Column("settings that differ".ljust(width), smallest=12), *names], settings or [none]
        ),
    )


def _metric_row(one: MetricRow, cells: Sequence[Content]) -> Row:
    label = Content.assemble((f"{visible(one.task)} ", ""), (visible(one.metric), ""))
    return Row(f"{one.task}/{one.metric}", (label, *cells))


def _only_in(names: Sequence[Column], owner: int) -> Row:
    """The line above what one run alone has."""
    words = Content.styled(f"only in {names[owner].title}", "$foreground 65%")
    return Row(f"only in {owner}", (words, *(Content() for _ in names)))


def _alone(names: Sequence[Column], owner: int, text: str) -> list[Content]:
    """Cells of which one has something to say."""
    return [Content(text if slot == owner else "") for slot, _ in enumerate(names)]


def _runs_as_rows(
    comparison: Comparison, metrics: Sequence[MetricRow], heading: str
) -> ComparisonTables:
    """Many runs: a line each with what they reached, and one with what sets them apart."""
    # What several runs have comes first: where there is no room, the last columns are left out.
    shared, owned = by_owner(metrics, lambda one: metric_owner(comparison.runs, one))
    metrics = [*shared, *(one for own in owned.values() for one in own)]
    names = distinct_names(comparison.runs)
    labels = [
        Content.assemble((f"{letter(slot)} ", "bold"), name) for slot, name in enumerate(names)
    ]
    width = max([len(heading), *(label.cell_length for label in labels)])
    selections = _selections(comparison)
    reached = TableContent(
        [
            Column(heading.ljust(width), smallest=14, keeps_end=True),
            Column("selection", is_right=True),
            *(
                Column(visible(f"{row.task} {row.metric}"), importance=at + 1, is_right=True,
                       smallest=9)
                for at, row in enumerate(metrics)
            ),
            Column("state", importance=len(metrics) + 1),
        ],
        [
            Row(
                run.record.id,
                (
                    labels[slot],
                    selections[slot],
                    *(
                        _winner(figures.metric(row.values[slot]), slot == row.best)
                        for row in metrics
                    ),
                    state_word(run.state),
                ),
            )
            for slot, run in enumerate(comparison.runs)
        ],
    )  # fmt: skip
    settings = TableContent(
        [
            Column("settings that differ".ljust(width), smallest=14, keeps_end=True),
            *(
                Column(visible(key), importance=at + 1, smallest=8)
                for at, (key, _) in enumerate(comparison.settings)
            ),
        ],
        [
            Row(
                run.record.id,
                (
                    labels[slot],
                    *(Content(visible(values[slot])) for _, values in comparison.settings),
                ),
            )
            for slot, run in enumerate(comparison.runs)
        ],
    )
    return ComparisonTables(reached, settings)


def _place(comparison: Comparison, row: MetricRow) -> tuple[int, bool, str]:
    order = list(dict.fromkeys(task for run in comparison.runs for task in run.tasks))
    at = order.index(row.task) if row.task in order else len(order)
    return at, row.metric == "loss", row.metric


def _winner(text: str, is_best: bool) -> Content:
    """A value, set off by a star if no other run has a better one."""
    if is_best:
        return Content.assemble(("★ ", "$text-success"), (text, "bold $text-success"))
    return Content(text)


def _selections(comparison: Comparison) -> list[Content]:
    values = [run.selection for run in comparison.runs]
    rules = {
        (run.record.config.selection.model_dump_json(), frozenset(run.tasks))
        for run in comparison.runs
    }
    known = [value for value in values if value is not None]
    # Values of different rules, or of other tasks, measure different things: none of them wins.
    top = max(known) if len(known) > 1 and len(rules) == 1 else None
    return [_winner(figures.metric(value), value == top and top is not None) for value in values]
