"""The values of all charts at their common cursor, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from workbench.tui import figures
from workbench.tui.charts.reading import Values
from workbench.tui.charts.scale import format_place, format_value
from workbench.tui.visible import visible
from workbench.tui.widgets.chart_grid import GridChart
from workbench.tui.widgets.table import Column, Row, Table


class ValueTable(Table):
    """One line a curve: at the cursor, at its end, at its extremes, with the places of these."""

    DEFAULT_CSS = """
    ValueTable {
        display: none;
        height: auto;
        max-height: 45%;
        border-top: solid $border-blurred;
        border-title-color: $text-muted;
    }
    """

    def __init__(self) -> None:
        super().__init__((), is_for_reading=True, id="values")

    def show_charts(self, charts: Sequence[GridChart]) -> None:
        """Show the values of these charts."""
        if not charts:
            return
        cursor, x_label = charts[0].cursor, charts[0].x_label
        at = f"at {x_label} {format_place(cursor)}" if cursor is not None else "at the cursor"
        self.border_title = "values" if cursor is not None else "values · ← → move the cursor"
        rows = [
            Row(f"{chart.key}/{one.letter}", _cells(chart.chart_title, one))
            for chart in charts
            for one in chart.values()
        ]
        self.show(
            rows,
            columns=[
                Column("chart", smallest=10),
                Column("curve", smallest=10),
                Column(at, is_right=True),
                Column("smoothed", importance=2, is_right=True),
                Column("last", importance=1, is_right=True),
                Column("lowest", importance=3, is_right=True),
                Column("highest", importance=4, is_right=True),
            ],
        )


def _cells(title: str, one: Values) -> tuple[Content, ...]:
    return (
        Content.styled(visible(title), "$foreground 65%"),
        Content.assemble((f"{one.letter} ", "bold"), visible(one.label)),
        Content.styled(_value(one.here), "bold"),
        Content(_value(one.smoothed)),
        Content(_value(one.last)),
        _extreme(one.lowest),
        _extreme(one.highest),
    )


def _value(value: float | None) -> str:
    return figures.NOTHING if value is None else format_value(value)


def _extreme(pair: tuple[float, float] | None) -> Content:
    if pair is None:
        return Content(figures.NOTHING)
    return Content.assemble(
        format_value(pair[0]), (f" at {format_place(pair[1])}", "$foreground 65%")
    )
