"""The chart: curves with axes, legend, events and a cursor, from 20x5 cells to a full screen.

`workbench.tui.charts` draws; this widget keeps what was chosen, repaints only the cells that
changed, and tells its parent where someone looks, so that several charts can look there together.
Left out: reading data, and the exact rows behind a zoom; the parent has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import RenderResult
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.events import Click, Show
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from workbench.tui.charts import canvas as inks
from workbench.tui.charts.canvas import Canvas
from workbench.tui.charts.frame import DEFAULT_EMPTY_TEXT, FrameText, compose_frame
from workbench.tui.charts.plot import Nothing, Plot, PlotOptions, draw_plot
from workbench.tui.charts.reading import (
    Curve,
    Values,
    nearest_place,
    next_place,
    smooth_curves,
    summarise,
    values_of,
    x_range,
)
from workbench.tui.charts.series import COLOUR_SLOTS, LETTERS, ChartEvent, ChartSeries
from workbench.tui.charts.view import View, pan, reach, zoom

SMOOTHING_STEPS = (0.0, 0.3, 0.6, 0.9, 0.97, 0.99)
LARGEST_SMOOTHING = 0.99
PAN_SHARE = 0.25
FAINT_SHARE = 0.42
"""How much of its colour a raw curve keeps over the background."""


@dataclass(frozen=True, slots=True)
class ChartLook:
    """Where someone looks: what charts that move together have in common."""

    cursor: float | None
    """Place on the x axis, or None for the last values."""
    view: View | None
    """Range of x, or None for all, following what arrives."""


class Chart(Widget, can_focus=True):
    """Guarantees that a change repaints no cell outside the changed part of its row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move_cursor(-1)", "Cursor", id="chart.cursor-left",
                tooltip="Read the values one column to the left"),
        Binding("right", "move_cursor(1)", "Cursor", id="chart.cursor-right", show=False,
                tooltip="Read the values one column to the right"),
        Binding("ctrl+left", "move_cursor(-10)", "Cursor", id="chart.cursor-far-left", show=False,
                tooltip="Read the values ten columns to the left"),
        Binding("ctrl+right", "move_cursor(10)", "Cursor", id="chart.cursor-far-right", show=False,
                tooltip="Read the values ten columns to the right"),
        Binding("escape", "hide_cursor", "Hide cursor", id="chart.cursor-hide", show=False,
                tooltip="Show the last values again"),
        Binding("plus,equals_sign", "zoom(1)", "Zoom", key_display="+", id="chart.zoom-in",
                tooltip="Show half the range, around the cursor"),
        Binding("minus", "zoom(-1)", "Zoom out", id="chart.zoom-out", show=False,
                tooltip="Show twice the range"),
        Binding("shift+left", "pan(-1)", "Pan", id="chart.pan-left", show=False,
                tooltip="Move the zoomed range to the left"),
        Binding("shift+right", "pan(1)", "Pan", id="chart.pan-right", show=False,
                tooltip="Move the zoomed range to the right"),
        Binding("0", "show_all", "All", id="chart.show-all", show=False,
                tooltip="Show the whole range and follow what arrives"),
        Binding("l", "toggle_log", "Log", id="chart.log",
                tooltip="Switch the y axis between linear and logarithmic"),
        Binding("s", "smooth_more", "Smooth", id="chart.smooth",
                tooltip="Smooth more: 0, 0.3, 0.6, 0.9, 0.97, 0.99, and again from 0"),
    ]  # fmt: skip

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chart--title",
        "chart--status",
        "chart--axis",
        "chart--event",
        "chart--nan",
        "chart--empty",
        "chart--cursor",
        *(f"chart--series-{slot}" for slot in range(COLOUR_SLOTS)),
    }

    # The series colours go back to Okabe and Ito 2008 (told apart with any colour vision), made
    # lighter or darker until each has a contrast of at least 3 with its background. They are no
    # theme variables on purpose: a theme has too few that differ, and a task keeps its colour.
    DEFAULT_CSS = """
    Chart {
        width: 1fr;
        height: 1fr;
        color: $foreground;

        & > .chart--title { color: $foreground; text-style: bold; }
        &:focus > .chart--title { color: $text-accent; text-style: bold underline; }
        & > .chart--status { color: $foreground 75%; }
        & > .chart--axis { color: $foreground 60%; }
        & > .chart--event { color: $text-secondary; }
        & > .chart--nan { color: $text-error; text-style: bold; }
        & > .chart--empty { color: $foreground 75%; text-style: italic; }
        & > .chart--cursor { background: $foreground 18%; }

        & > .chart--series-0 { color: #56b4e9; }
        & > .chart--series-1 { color: #f0a020; }
        & > .chart--series-2 { color: #2bc495; }
        & > .chart--series-3 { color: #f0e442; }
        & > .chart--series-4 { color: #e08cc0; }
        & > .chart--series-5 { color: #f0703a; }
        & > .chart--series-6 { color: #8b98ff; }
        & > .chart--series-7 { color: #c4c4c4; }

        &:light {
            & > .chart--series-0 { color: #0067a3; }
            & > .chart--series-1 { color: #9a5b00; }
            & > .chart--series-2 { color: #00704f; }
            & > .chart--series-3 { color: #6f6400; }
            & > .chart--series-4 { color: #a3357a; }
            & > .chart--series-5 { color: #b83a00; }
            & > .chart--series-6 { color: #4a3fc4; }
            & > .chart--series-7 { color: #4d4d4d; }
        }
    }
    """

    log_y: reactive[bool] = reactive(False, repaint=False)
    """Whether the y axis is logarithmic; values not above 0 are then left out, and counted."""
    smoothing: reactive[float] = reactive(0.0, repaint=False)
    """Weight of the past, 0 to 0.99; the raw curve stays, faintly."""
    cursor: reactive[float | None] = reactive(None, repaint=False)
    """Place on the x axis whose values are told, or None for the last values."""
    view: reactive[View | None] = reactive(None, repaint=False)
    """Range of x, or None for all, following what arrives."""
    whole: reactive[View | None] = reactive(None, repaint=False)
    """Range of x that "all" stands for, or None for what the curves span. Charts beside each
    other that have it in common can be compared, and are not drawn anew with every step."""
    x_label: reactive[str] = reactive("step", repaint=False)
    """What x counts."""
    chart_title: reactive[str] = reactive("", repaint=False)
    """What the chart shows."""
    empty_text: reactive[str] = reactive(DEFAULT_EMPTY_TEXT, repaint=False)
    """What to say, and to do next, while there are no values."""
    is_ascii: reactive[bool] = reactive(False, repaint=False)
    """Whether to do without braille and line characters."""

    class Looked(Message):
        """Someone moved the cursor or the view by hand.

        Not posted when a program sets them, so charts that follow each other do not echo.
        """

        def __init__(self, chart: "Chart", look: ChartLook) -> None:
            super().__init__()
            self.chart = chart
            """The chart that was moved."""
            self.look = look
            """Where it looks now; hand it to `Chart.follow` of the others."""

        @property
        def control(self) -> "Chart":
            """The chart, for `@on(Chart.Looked, selector)`."""
            return self.chart

    def __init__(
        self,
        title: str = "",
        *,
        x_label: str = "step",
        empty_text: str | None = None,
        is_ascii: bool = False,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
        disabled: bool = False,
    ) -> None:
        """Make an empty chart.

        Args:
            title: What the chart shows.
            x_label: What x counts.
            empty_text: What to say while there are no values.
            is_ascii: Whether to do without braille and line characters.
            name: Name of the widget.
            id: Identifier in the DOM.
            classes: CSS classes, separated by spaces.
            disabled: Whether it takes no input.
        """
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self.set_reactive(Chart.chart_title, title)
        self.set_reactive(Chart.x_label, x_label)
        self.set_reactive(Chart.is_ascii, is_ascii)
        if empty_text is not None:
            self.set_reactive(Chart.empty_text, empty_text)
        self._series: tuple[ChartSeries, ...] = ()
        self._events: tuple[ChartEvent, ...] = ()
        self._curves: tuple[Curve, ...] | None = ()
        self._plot: Plot | Nothing | None = None
        self._plot_size = (0, 0)
        self._canvas: Canvas | None = None
        self._is_pending = False
        self._styles_by_ink: dict[int, Style] = {}

    # --- what a parent does ---------------------------------------------------------------

    def show(self, series: Sequence[ChartSeries], events: Sequence[ChartEvent] = ()) -> None:
        """Show these series and events instead of the present ones.

        A series that is the same object as before counts as unchanged: its arrays must not be
        written to.
        """
        old, self._series, self._events = self._series, tuple(series), tuple(events)
        if len(old) == len(series) and all(map(is_, old, series)):
            self._compose_soon()  # the very same values: nothing to smooth or to raster
            return
        self._curves = None
        self._draw_anew()

    def follow(self, look: ChartLook) -> None:
        """Look where another chart looks, without a message."""
        self.cursor, self.view = look.cursor, look.view

    @property
    def look(self) -> ChartLook:
        """Where this chart looks."""
        return ChartLook(self.cursor, self.view)

    def summary(self) -> str:
        """Tell the chart in one line, for screen readers, plain output and tests."""
        return summarise(self.chart_title, self.x_label, self._known_curves(), self._events)

    def values(self) -> list[Values]:
        """What a table beside the chart tells of its curves, at the cursor if there is one."""
        return [values_of(curve, self.cursor) for curve in self._known_curves()]

    def zoom_in(self) -> None:
        """Show half the range, around the cursor or the middle."""
        self._zoom(0.5)

    def zoom_out(self) -> None:
        """Show twice the range, or all if that is less."""
        self._zoom(2.0)

    def pan(self, share: float) -> None:
        """Move a zoomed view by a share of its width, up to the ends of the data.

        Args:
            share: Positive to the right.
        """
        whole = x_range(self._known_curves())
        if whole is None or self.view is None:
            return
        self.view = pan(self.view, whole, share)

    # --- keys and mouse -------------------------------------------------------------------

    def action_move_cursor(self, columns: int) -> None:
        """Move the cursor to the next value at least so many columns away."""
        plot = self._known_plot()
        if isinstance(plot, Nothing):
            return
        curves, low, high = self._known_curves(), plot.x_axis.low, plot.x_axis.high
        if self.cursor is None or not low <= self.cursor <= high:
            # The first press shows an end of what is seen: the last value, or the first.
            self.cursor = nearest_place(curves, low if columns > 0 else high)
        else:
            self.cursor = next_place(curves, self.cursor, columns * plot.x_axis.span / plot.width)
        if self.view is not None and self.cursor is not None:
            self.view = reach(self.view, self.cursor)
        self._tell()

    def action_hide_cursor(self) -> None:
        """Show the last values again."""
        self.cursor = None
        self._tell()

    def action_zoom(self, direction: int) -> None:
        """Zoom in (1) or out (-1)."""
        self.zoom_in() if direction > 0 else self.zoom_out()
        self._tell()

    def action_pan(self, direction: int) -> None:
        """Pan to the right (1) or to the left (-1)."""
        self.pan(direction * PAN_SHARE)
        self._tell()

    def action_show_all(self) -> None:
        """Show the whole range and follow what arrives."""
        self.view = None
        self._tell()

    def action_toggle_log(self) -> None:
        """Switch the y axis between linear and logarithmic."""
        self.log_y = not self.log_y

    def action_smooth_more(self) -> None:
        """Go to the next step of smoothing, after the last one to none."""
        larger = [step for step in SMOOTHING_STEPS if step > self.smoothing + 1e-9]
        self.smoothing = larger[0] if larger else 0.0

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave Escape to the screen while there is no cursor to hide."""
        return not (action == "hide_cursor" and self.cursor is None)

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse was clicked."""
        plot = self._known_plot()
        offset = event.get_content_offset(self)
        if isinstance(plot, Nothing) or offset is None:
            return
        column = offset.x - plot.left
        if 0 <= column < plot.width:
            x = plot.x_axis.low + (column + 0.5) * plot.x_axis.span / plot.width
            self.cursor = nearest_place(self._known_curves(), x)
            self._tell()

    # --- what changes the picture ---------------------------------------------------------

    def validate_smoothing(self, smoothing: float) -> float:
        """Keep the weight between 0 and 0.99."""
        return min(max(smoothing, 0.0), LARGEST_SMOOTHING)

    def watch_smoothing(self) -> None:
        """Smooth all curves anew."""
        self._curves = None
        self._draw_anew()

    def watch_log_y(self) -> None:
        """Draw with the other axis."""
        self._draw_anew()

    def watch_view(self) -> None:
        """Draw the other range."""
        self._draw_anew()

    def watch_whole(self) -> None:
        """Draw the other range, unless a part of it is looked at."""
        if self.view is None:
            self._draw_anew()

    def watch_is_ascii(self) -> None:
        """Draw with the other characters."""
        self._draw_anew()

    def watch_cursor(self) -> None:
        """Tell the values at the cursor; the curves stay as they are drawn."""
        self._compose_soon()

    def watch_x_label(self) -> None:
        """Write the label."""
        self._compose_soon()

    def watch_chart_title(self) -> None:
        """Write the title."""
        self._compose_soon()

    def watch_empty_text(self) -> None:
        """Write the text of the empty chart."""
        self._compose_soon()

    def on_mount(self) -> None:
        """Draw with what the terminal knows."""
        if getattr(self.app, "is_ascii", False):
            self.is_ascii = True

    def on_show(self, event: Show) -> None:
        """Draw what changed while the chart was hidden."""
        self._compose_soon()

    def notify_style_update(self) -> None:
        """Forget the styles: the theme or the focus changed."""
        super().notify_style_update()
        self._styles_by_ink.clear()

    # --- drawing --------------------------------------------------------------------------

    def render(self) -> RenderResult:
        """Return nothing: lines are rendered one by one."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Paint one row of the canvas."""
        canvas = self._known_canvas()
        if not 0 <= y < canvas.height:
            return Strip.blank(self.size.width, self.rich_style)
        segments = [Segment(text, self._style(ink)) for text, ink in canvas.runs(y)]
        return Strip(segments, canvas.width)

    def _draw_anew(self) -> None:
        self._plot = None
        self._compose_soon()

    def _compose_soon(self) -> None:
        """Redraw once, after all that is changed together has changed."""
        if not self._is_pending and self.is_attached:
            self._is_pending = True
            self.call_later(self._repaint_changes)

    def _repaint_changes(self) -> None:
        self._is_pending = False
        if not self.size or not self.is_on_screen:
            # A hidden chart is drawn when it is shown, from nothing that was kept of it.
            self._canvas = None
            self.refresh()
            return
        old, self._canvas = self._canvas, None
        new = self._known_canvas()
        if old is None or old.codes.shape != new.codes.shape:
            self.refresh()
            return
        regions = [Region(s.start, s.row, s.end - s.start, 1) for s in new.changed_spans(old)]
        if regions:
            self.refresh(*regions)
            # Textual adds every region to this set and only its own `render` empties it; in a
            # chart that lives for days it would grow without end.
            self._dirty_regions.clear()

    def _known_curves(self) -> tuple[Curve, ...]:
        if self._curves is None:
            self._curves = smooth_curves(self._series, LETTERS, self.smoothing)
        return self._curves

    def _known_plot(self) -> Plot | Nothing:
        size = (self.size.width, self.size.height)
        if self._plot is None or self._plot_size != size:
            self._plot = draw_plot(self._known_curves(), *size, self._options)
            self._plot_size = size
        return self._plot

    def _known_canvas(self) -> Canvas:
        size = (self.size.width, self.size.height)
        if self._canvas is not None and (self._canvas.width, self._canvas.height) != size:
            self._canvas = None
        if self._canvas is None:
            self._canvas = compose_frame(
                self._known_plot(),
                self._known_curves(),
                self._events,
                self.cursor,
                FrameText(self.chart_title, self.x_label, self.empty_text, self._notes),
                self._options,
                size,
                cell_len,
            )
        return self._canvas

    @property
    def _options(self) -> PlotOptions:
        return PlotOptions(self.log_y, self.view, self.whole, self.is_ascii)

    @property
    def _notes(self) -> tuple[str, ...]:
        notes = {
            "log": self.log_y,
            f"smooth {self.smoothing:g}": any(one.is_smoothed for one in self._known_curves()),
            "zoom": self.view is not None,
        }
        return tuple(note for note, is_on in notes.items() if is_on)

    def _style(self, ink: int) -> Style:
        if ink not in self._styles_by_ink:
            self._styles_by_ink[ink] = self._make_style(ink)
        return self._styles_by_ink[ink]

    def _make_style(self, ink: int) -> Style:
        if ink >= inks.INK_CURSOR:
            ground = self.get_component_rich_style("chart--cursor")
            return self._style(ink - inks.INK_CURSOR) + Style(bgcolor=ground.bgcolor)
        if ink < COLOUR_SLOTS:
            return self.get_component_rich_style(f"chart--series-{ink}")
        if ink < inks.INK_FAINT + COLOUR_SLOTS:
            styles = self.get_component_styles(f"chart--series-{ink - inks.INK_FAINT}")
            ground_colour = self.background_colors[1]
            faint = ground_colour.blend(styles.color, FAINT_SHARE)
            return self.rich_style + Style.from_color(Color(*faint.rgb).rich_color)
        if ink == inks.INK_TEXT:
            return self.rich_style
        return self.get_component_rich_style(INK_CLASSES[ink])

    def _zoom(self, factor: float) -> None:
        whole = x_range(self._known_curves())
        if whole is not None and whole[0] < whole[1]:
            self.view = zoom(self.view, whole, factor, self.cursor)

    def _tell(self) -> None:
        self.post_message(self.Looked(self, self.look))


INK_CLASSES = {
    inks.INK_AXIS: "chart--axis",
    inks.INK_LABEL: "chart--axis",
    inks.INK_TITLE: "chart--title",
    inks.INK_EVENT: "chart--event",
    inks.INK_NAN: "chart--nan",
    inks.INK_EMPTY: "chart--empty",
    inks.INK_STATUS: "chart--status",
}
