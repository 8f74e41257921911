"""Charts as small multiples that are looked at together.

They share cursor and range; logarithm and smoothing are shared by the charts of one family.
The rows and columns follow the room there is; one chart can fill it all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from textual import on
from textual.containers import VerticalScroll

from workbench.tui.charts.view import View
from workbench.tui.messages import FrozenMessage
from workbench.tui.widgets.chart import Chart

_NARROWEST_CHART = 38
_LOWEST_CHART = 6
_BEST_SHAPE = 4.0
"""Cells of width to one of height, twice as much as on the glass: curves run to the right."""


@dataclass(frozen=True)
class ChartSpec:
    """One chart of the grid."""

    key: str
    """Names the chart among its siblings."""
    title: str
    family: str
    """Charts of one family share logarithm and smoothing."""
    empty_text: str = ""


class GridChart(Chart):
    """A chart whose logarithm and smoothing belong to its family."""

    @dataclass(eq=False)
    class Styled(FrozenMessage):
        """Someone changed how this chart draws."""

        chart: GridChart

    def __init__(self, spec: ChartSpec) -> None:
        super().__init__(spec.title, empty_text=spec.empty_text or None)
        self.key = spec.key
        self.family = spec.family

    def action_toggle_log(self) -> None:
        """Switch the axis, here and in the family."""
        super().action_toggle_log()
        self.post_message(self.Styled(self))

    def action_smooth_more(self) -> None:
        """Smooth more, here and in the family."""
        super().action_smooth_more()
        self.post_message(self.Styled(self))


class ChartGrid(VerticalScroll, can_focus=False, inherit_bindings=False):
    """A grid of charts; each row is filled, so no corner stays empty."""

    DEFAULT_CSS = """
    ChartGrid {
        layout: grid;
        grid-gutter: 0 1;
        padding: 0 1;
        height: 1fr;
        scrollbar-size-vertical: 1;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._specs: tuple[ChartSpec, ...] = ()
        self._zoomed: str | None = None

    @property
    def charts(self) -> list[GridChart]:
        """The charts, in order."""
        return list(self.query_children(GridChart))

    @property
    def zoomed(self) -> str | None:
        """Key of the chart that fills the grid, if one does."""
        return self._zoomed

    async def show_specs(self, specs: Sequence[ChartSpec]) -> None:
        """Hold these charts; the present ones stay if they are the same."""
        if tuple(specs) == self._specs:
            return
        self._specs, self._zoomed = tuple(specs), None
        await self.remove_children()
        await self.mount_all(GridChart(spec) for spec in specs)
        self._arrange()

    def span(self, whole: View | None) -> None:
        """Let all charts show this range when none is chosen: marks then stand in one line."""
        for chart in self.charts:
            chart.whole = whole

    def follow_to(self, before: float, now: float) -> None:
        """Let a zoomed view that reaches to the end of the curves move on with them."""
        for chart in self.charts:
            if chart.view is not None and now > before and chart.view[1] >= before:
                chart.view = (chart.view[0] + now - before, chart.view[1] + now - before)

    def reset_look(self) -> None:
        """Forget where someone looked: the axis counts something else now."""
        for chart in self.charts:
            chart.cursor, chart.view, chart.whole = None, None, None

    def chart(self, key: str) -> GridChart | None:
        """The chart of that key."""
        return next((chart for chart in self.charts if chart.key == key), None)

    def toggle_zoom(self) -> None:
        """Let the focused chart, else the first, fill the grid; or all be seen again."""
        if self._zoomed is not None:
            self._zoomed = None
        else:
            focused = self.screen.focused
            chart = focused if isinstance(focused, GridChart) else next(iter(self.charts), None)
            self._zoomed = chart.key if chart is not None else None
        self._arrange()
        shown = self.chart(self._zoomed) if self._zoomed else None
        if shown is not None:
            shown.focus()

    def step_zoom(self, places: int) -> None:
        """Let the next chart fill the grid, or focus it if none fills it."""
        charts = self.charts
        if not charts:
            return
        focused = self.screen.focused
        at = charts.index(focused) if isinstance(focused, GridChart) and focused in charts else -1
        chart = charts[(at + places) % len(charts)]
        if self._zoomed is not None:
            self._zoomed = chart.key
            self._arrange()
        chart.focus()

    def on_resize(self) -> None:
        """Choose rows and columns for the room."""
        self._arrange()

    def _arrange(self) -> None:
        charts = self.charts
        for chart in charts:
            chart.display = self._zoomed in (None, chart.key)
        shown = [chart for chart in charts if chart.display]
        if not shown or not self.size.width:
            return
        columns, last_span = arrange(len(shown), self.size.width, self.size.height)
        rows = math.ceil(len(shown) / columns)
        is_fitting = self.size.height // rows >= _LOWEST_CHART
        self.styles.grid_size_columns = columns
        self.styles.grid_size_rows = rows
        self.styles.grid_rows = "1fr" if is_fitting else str(_LOWEST_CHART)
        for chart in shown:
            chart.styles.column_span = last_span if chart is shown[-1] else 1

    @on(Chart.Looked)
    def _looked(self, message: Chart.Looked) -> None:
        for chart in self.charts:
            if chart is not message.chart:
                chart.follow(message.look)

    @on(GridChart.Styled)
    def _styled(self, message: GridChart.Styled) -> None:
        message.stop()
        for chart in self.charts:
            if chart.family == message.chart.family:
                chart.log_y = message.chart.log_y
                chart.smoothing = message.chart.smoothing


def arrange(count: int, width: int, height: int) -> tuple[int, int]:
    """Choose the columns so that charts come near to the best shape.

    Args:
        count: Charts to place, at least 1.
        width: Cells available.
        height: Rows available.

    Returns:
        The number of columns, and how many of them the last chart fills, so that no corner is
        empty.
    """

    def misshape(columns: int) -> float:
        rows = math.ceil(count / columns)
        return abs(math.log(width / columns / max(1.0, height / rows) / _BEST_SHAPE))

    most = max(1, min(count, width // _NARROWEST_CHART))
    columns = min(range(1, most + 1), key=lambda some: (misshape(some), -some))
    # The fewest that make so many rows: 4 charts are 2 and 2, not 3 and 1.
    columns = math.ceil(count / math.ceil(count / columns))
    return columns, columns - (count - 1) % columns
