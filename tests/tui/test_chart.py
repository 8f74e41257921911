"""The chart on a screen: keys, messages, and nothing repainted without need."""

import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.color import Color
from textual.geometry import Region

from workbench.tui.charts.plot import draw_plot
from workbench.tui.charts.series import COLOUR_SLOTS, ChartEvent, ChartSeries
from workbench.tui.widgets.chart import Chart, ChartLook


class ChartApp(App[None]):
    """Two charts that follow each other, and a note of all that happens."""

    CSS = "Chart { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[ChartLook] = []

    def compose(self) -> ComposeResult:
        yield WatchedChart("loss", id="first")
        yield WatchedChart("accuracy", id="second")

    def on_chart_looked(self, message: Chart.Looked) -> None:
        self.looks.append(message.look)
        for chart in self.query(Chart):
            if chart is not message.chart:
                chart.follow(message.look)

    @property
    def first(self) -> "WatchedChart":
        return self.query_one("#first", WatchedChart)

    @property
    def second(self) -> "WatchedChart":
        return self.query_one("#second", WatchedChart)


class WatchedChart(Chart):
    """Notes which regions are refreshed and which lines are painted."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.refreshed: list[Region] = []
        self.whole_refreshes = 0
        self.painted: list[int] = []

    def refresh(self, *regions, **kwargs):
        self.refreshed.extend(regions)
        self.whole_refreshes += not regions
        return super().refresh(*regions, **kwargs)

    def render_line(self, y):
        self.painted.append(y)
        return super().render_line(y)

    def forget(self) -> None:
        self.refreshed, self.whole_refreshes, self.painted = [], 0, []


def a_series(label="train", points=1000, **kwargs):
    x = np.arange(points, dtype=float)
    noise = np.random.default_rng(0).normal(0, 0.05, 2000)[:points]
    return ChartSeries(label, x, 0.3 + 2 * np.exp(-x / 300) + noise, **kwargs)


def shown(chart: Chart) -> str:
    return "\n".join(chart.render_line(y).text.rstrip() for y in range(chart.size.height))


async def test_the_same_data_again_repaints_nothing():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        pilot.app.first.show([a_series()])
        await pilot.pause()
        pilot.app.first.forget()

        pilot.app.first.show([a_series()])
        await pilot.pause()

        chart = pilot.app.first
        assert (chart.refreshed, chart.whole_refreshes, chart.painted) == ([], 0, [])


async def test_new_points_repaint_only_the_cells_that_changed():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        chart = pilot.app.first
        chart.show([a_series(points=810)])
        await pilot.pause()
        chart.forget()

        chart.show([a_series(points=813)])
        await pilot.pause()

        assert chart.whole_refreshes == 0
        assert chart.refreshed
        assert all(region.height == 1 for region in chart.refreshed)
        assert sum(region.area for region in chart.refreshed) < 20
        assert set(chart.painted) == {region.y for region in chart.refreshed}
        # The legend changes behind "A train " only: nothing is sent again from the left edge.
        legend = next(r for r in chart.refreshed if r.y == chart.size.height - 1)
        assert legend.x >= len("A train 0.")
        assert not pilot.app.second.refreshed


async def test_many_changes_at_once_are_drawn_once(monkeypatch):
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        chart = pilot.app.first
        await pilot.pause()
        drawn = []
        monkeypatch.setattr(
            "workbench.tui.widgets.chart.draw_plot",
            lambda *args: drawn.append(1) or draw_plot(*args),
        )

        chart.show([a_series()])
        chart.log_y, chart.smoothing, chart.cursor, chart.view = True, 0.6, 300.0, (100.0, 500.0)
        await pilot.pause()

        assert len(drawn) == 1


async def test_series_that_are_the_same_objects_are_not_rastered_again(monkeypatch):
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        chart, series, drawn = pilot.app.first, a_series(), []
        chart.show([series])
        await pilot.pause()
        monkeypatch.setattr("workbench.tui.widgets.chart.draw_plot", drawn.append)

        chart.show([series], [ChartEvent(500, "checkpoint")])
        await pilot.pause()

        assert drawn == []
        assert "◆" in shown(chart)


async def test_what_the_terminal_got_equals_the_chart_drawn_afresh():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        chart = pilot.app.first
        chart.styles.border = ("round", "red")
        for points in (400, 403, 700, 1000):
            chart.show([a_series(points=points)])
            chart.cursor = points / 2
            await pilot.pause()

        painted = [strip.text for strip in pilot.app.screen._compositor.render_strips()]

        inner = [row[1:-1] for row in painted[1 : 1 + chart.size.height]]
        assert inner == [chart.render_line(y).text for y in range(chart.size.height)]


async def test_a_hidden_chart_draws_nothing_until_it_is_shown():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        chart = pilot.app.first
        chart.display = False
        await pilot.pause()
        chart.forget()

        chart.show([a_series()])
        await pilot.pause()
        assert chart.painted == []
        chart.display = True
        await pilot.pause()

        assert "A train" in shown(chart)


async def test_a_chart_resized_while_hidden_is_drawn_for_its_new_size():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        chart = pilot.app.first
        chart.show([a_series()])
        await pilot.pause()
        chart.display = False
        await pilot.pause()

        await pilot.resize_terminal(100, 40)
        chart.show([a_series(points=900)])
        await pilot.pause()
        chart.display = True
        await pilot.pause()

        assert {len(chart.render_line(y).text) for y in range(chart.size.height)} == {100}
        assert chart.size.height == 20


async def test_arrows_move_the_cursor_and_the_other_chart_follows():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        for chart in (pilot.app.first, pilot.app.second):
            chart.show([a_series()])
        pilot.app.first.focus()

        await pilot.press("left", "left", "left")

        cursors = [look.cursor for look in pilot.app.looks]
        assert cursors[0] == 999
        assert cursors[0] > cursors[1] > cursors[2]
        assert pilot.app.second.cursor == cursors[2]
        assert f"step {cursors[2]:.0f}" in shown(pilot.app.second)
        assert len(pilot.app.looks) == 3  # following is not told again

        await pilot.press("escape")

        assert pilot.app.second.cursor is None
        assert "step 9" not in shown(pilot.app.first)


async def test_keys_zoom_pan_and_show_all():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        chart = pilot.app.first
        chart.show([a_series()])
        chart.focus()

        await pilot.press("plus", "shift+right")
        assert chart.view == pytest.approx((374.625, 874.125))
        assert "zoom" in shown(chart)
        await pilot.press("minus")
        assert chart.view is None
        await pilot.press("plus", "0")
        assert chart.view is None
        assert [look.view is None for look in pilot.app.looks] == [False, False, True, False, True]


async def test_keys_switch_log_and_smoothing():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        chart = pilot.app.first
        chart.show([a_series()])
        chart.focus()

        await pilot.press("l", "s", "s")

        assert (chart.log_y, chart.smoothing) == (True, 0.6)
        assert "log · smooth 0.6" in shown(chart)
        await pilot.press("s", "s", "s", "s")
        assert chart.smoothing == 0


async def test_setting_cursor_and_view_by_program_posts_nothing():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        pilot.app.first.show([a_series()])

        pilot.app.first.follow(ChartLook(10.0, (0.0, 100.0)))
        await pilot.pause()

        assert pilot.app.looks == []
        assert pilot.app.first.look == ChartLook(10.0, (0.0, 100.0))


async def test_a_click_puts_the_cursor_there():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        pilot.app.first.show([a_series()])
        await pilot.pause()

        await pilot.click("#first", offset=(42, 5))

        assert 450 < pilot.app.first.cursor < 550
        assert pilot.app.looks == [ChartLook(pilot.app.first.cursor, None)]


async def test_keys_do_nothing_to_an_empty_chart():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        pilot.app.first.focus()

        await pilot.press("left", "plus", "shift+left", "s", "l")

        assert "no values yet" in shown(pilot.app.first)
        assert pilot.app.first.summary() == "loss by step: no values yet"


async def test_smoothing_beyond_its_range_is_cut():
    async with ChartApp().run_test() as pilot:
        pilot.app.first.smoothing = 3

        assert pilot.app.first.smoothing == 0.99


@pytest.mark.parametrize("size", [(20, 10), (40, 12), (80, 24), (200, 60)])
async def test_each_row_is_as_wide_as_the_chart(size):
    async with ChartApp().run_test(size=size) as pilot:
        chart = pilot.app.first
        chart.chart_title = "损失 🙂"
        chart.show([a_series("情感 sentiment"), a_series("dev", role="points", colour=1)])
        await pilot.pause()

        lines = [chart.render_line(y) for y in range(chart.size.height)]

        assert {sum(s.cell_length for s in line) for line in lines} == {chart.size.width}


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "nord", "solarized-light"])
async def test_every_series_stands_out_from_the_background(theme):
    async with ChartApp().run_test() as pilot:
        pilot.app.theme = theme
        await pilot.pause()

        chart = pilot.app.first
        ground = chart.background_colors[1]
        for slot in range(COLOUR_SLOTS):
            colour = chart.get_component_styles(f"chart--series-{slot}").color
            assert contrast(colour, ground) >= 3, (theme, slot)


def contrast(one: Color, other: Color) -> float:
    """Return the contrast ratio of WCAG 2.1."""

    def luminance(colour: Color) -> float:
        parts = [c / 255 for c in colour.rgb]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


async def test_without_colour_letters_marks_and_the_cursor_line_remain(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        chart = pilot.app.first
        chart.show([a_series(), a_series("dev", 8, role="points", colour=1)],
                   [ChartEvent(500, "checkpoint")])  # fmt: skip
        chart.cursor = 700.0
        await pilot.pause()

        text = shown(chart)
        assert "A train" in text
        assert "B■ dev" in text
        assert "◆" in text
        assert text.count("│") > chart.size.height - 6


async def test_changing_the_theme_repaints_with_its_colours():
    async with ChartApp().run_test(size=(80, 24)) as pilot:
        chart = pilot.app.first
        chart.show([a_series()])
        await pilot.pause()
        before = colours(chart)

        pilot.app.theme = "textual-light"
        await pilot.pause()

        assert colours(chart).isdisjoint(before - {None})


def colours(chart: Chart) -> set[object]:
    lines = [chart.render_line(y) for y in range(1, chart.size.height)]
    return {segment.style.color for line in lines for segment in line if segment.style}


def test_every_binding_has_an_id_and_a_tooltip():
    assert all(binding.id and binding.tooltip for binding in Chart.BINDINGS)
