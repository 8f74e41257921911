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

from workbench.tui.messages import FrozenMessage
from workbench.tui.widgets.chart import Chart

_NARROWEST_CHART = 38
_LOWEST_CHART = 6


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
        rows = arrange(len(shown), self.size.width)
        columns = math.lcm(*rows)
        is_fitting = self.size.height // len(rows) >= _LOWEST_CHART
        self.styles.grid_size_columns = columns
        self.styles.grid_size_rows = len(rows)
        self.styles.grid_rows = "1fr" if is_fitting else str(_LOWEST_CHART)
        spans = [columns // count for count in rows for _ in range(count)]
        for chart, span in zip(shown, spans, strict=True):
            chart.styles.column_span = span

    @on(Chart.Looked)
    def _looked(self, message: Chart.Looked) -> None:
        message.stop()
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


def arrange(count: int, width: int) -> list[int]:
    """How many charts each row has: as many columns as are wide enough, rows alike.

    Args:
        count: Charts to place, at least 1.
        width: Cells available.
    """
    columns = max(1, min(count, width // _NARROWEST_CHART))
    rows = math.ceil(count / columns)
    at_least, more = divmod(count, rows)
    return [at_least + (row < more) for row in range(rows)]
