"""A chart fits its cells at every size, and says what it cannot show."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from workbench.tui.charts.canvas import CONTINUED, INK_CURSOR, Canvas, Span
from workbench.tui.charts.frame import FrameText, compose_frame
from workbench.tui.charts.plot import Nothing, Plot, PlotOptions, draw_plot
from workbench.tui.charts.reading import nearest_place, next_place, smooth_curves, summarise
from workbench.tui.charts.series import LETTERS, ChartEvent, ChartSeries
from workbench.tui.charts.view import pan, reach, zoom

SIZES = [(20, 5), (30, 7), (40, 11), (60, 20), (120, 40), (200, 60)]


def a_series(label="train", points=200, colour=0, role="line", y=None):
    x = np.arange(points, dtype=float) * 10
    return ChartSeries(label, x, 0.3 + 2 * np.exp(-x / 500) if y is None else y, role, colour)


def a_frame(series, size=(60, 20), events=(), cursor=None, smoothing=0.0, title="loss", **options):
    chosen = PlotOptions(**options)
    curves = smooth_curves(series, LETTERS, smoothing)
    plot = draw_plot(curves, *size, chosen)
    text = FrameText(title, notes=("log",) if chosen.log_y else ())
    return compose_frame(plot, curves, events, cursor, text, chosen, size, cell_len)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 130), st.integers(1, 40), st.integers(0, 9), st.booleans(), st.booleans(),
    st.sampled_from(["loss", "损失 loss of 情感", "🙂 e\u0301 \t"]), st.floats(0, 0.99),
)  # fmt: skip
def test_every_row_fills_its_width_exactly_at_any_size(
    width, height, count, log_y, is_ascii, words, smoothing
):
    series = [a_series(f"{words}{n}", colour=n, role=("line", "points")[n % 2]) for n in
              range(count)]  # fmt: skip

    canvas = a_frame(series, (width, height), [ChartEvent(700, "nan", words)], 500.0, smoothing,
                     words, log_y=log_y, is_ascii=is_ascii)  # fmt: skip

    for row in range(height):
        assert sum(cell_len(text) for text, _ in canvas.runs(row)) == width


@pytest.mark.parametrize("size", SIZES)
def test_each_size_names_the_chart_and_labels_two_places_of_each_axis(size):
    canvas = a_frame([a_series()], size)

    rows = canvas.text().split("\n")
    assert rows[0].startswith("loss")
    assert sum("┤" in row for row in rows) >= 2
    axis = "".join(rows[-3:] if size[1] >= 8 else rows[-2:])
    assert "0" in axis
    assert "2000" in axis


def test_ascii_uses_no_other_character():
    series = [a_series(), a_series("dev", 8, 1, "points")]
    events = [ChartEvent(5, "resume")]

    canvas = a_frame(series, events=events, cursor=70.0, is_ascii=True, log_y=True)

    assert canvas.text().isascii()


@pytest.mark.parametrize("is_ascii", [False, True])
def test_a_small_chart_marks_events_between_its_labels(is_ascii):
    events = [ChartEvent(x, "resume") for x in (0, 700)]

    canvas = a_frame([a_series()], (30, 6), events, is_ascii=is_ascii)

    assert canvas.text().split("\n")[-1].count("R" if is_ascii else "↻") == 1


def test_the_legend_tells_last_values_and_those_at_the_cursor():
    series = [a_series("train", y=np.linspace(2, 1, 200)), a_series("dev", 10, 1, "points")]

    assert "A train 1  B■ dev 1.97" in a_frame(series).text()
    assert "step 50  A train 1.975  B■ dev 2.11" in a_frame(series, cursor=50.0).text()


def test_a_tiny_chart_gives_its_title_for_the_values_at_the_cursor():
    series = [a_series("train"), a_series("dev", 10, 1, "points")]

    assert a_frame(series, (26, 5)).text().startswith("loss  A 0.3374  B■ 1.971")
    assert a_frame(series, (26, 5), cursor=50.0).text().startswith("step 50  A 2.11  B■ 2.11")


def test_labels_shrink_before_values_do_and_the_rest_is_counted():
    series = [a_series(f"sentiment{n}", colour=n) for n in range(8)]

    wide = a_frame(series, (130, 20)).text().split("\n")[-1]
    narrow = a_frame(series, (64, 20)).text().split("\n")[-1]
    tiny = a_frame(series, (24, 20)).text().split("\n")[-1]

    assert wide.count("0.3") == 8
    assert wide.count("sent…") == 8
    assert narrow.count("0.3") == 8
    assert tiny == "A 0.34  B 0.34  +6"


def test_names_that_have_no_room_in_one_row_get_a_second_where_the_plot_is_high_enough():
    labels = ("worker cpu", "worker memory", "host cpu", "host memory")
    series = [a_series(label, colour=n) for n, label in enumerate(labels)]

    def rows_of(height, cursor=None):
        return a_frame(series, (40, height), cursor=cursor, title="machine").text().split("\n")

    assert rows_of(9)[-2:] == [
        "A worker c… 0.3374  B worker m… 0.3374",
        "C host cpu 0.3374  D host mem… 0.3374",
    ]
    assert rows_of(9, 50.0)[-2:] == [
        "step 50  A wor cpu 2.11  B wor mem 2.11",
        "C hos cpu 2.11  D hos mem 2.11",
    ]
    low = rows_of(6)
    assert low[:2] == ["machine", "A wo cpu  B wo mem  C ho cpu  D ho mem"]
    assert low[-1].startswith("    └0")
    assert rows_of(6, 50.0)[1] == "step 50  A 2.11  B 2.11  C 2.11  D 2.11"
    assert rows_of(5)[0].startswith("machine  A 0.34")


def test_the_plot_stays_where_it_is_when_the_cursor_moves_and_values_change():
    series = [a_series(f"sentiment{n}", colour=n) for n in range(4)]

    tops = {
        a_frame(series, (40, 9), cursor=cursor).text().split("\n").index(row)
        for cursor in (None, 0.0, 1990.0)
        for row in a_frame(series, (40, 9), cursor=cursor).text().split("\n")
        if "└" in row
    }

    assert len(tops) == 1


def test_a_diverged_series_says_nan_and_is_marked_where_it_was_lost():
    y = np.linspace(2, 1, 200)
    y[100:] = np.nan

    rows = a_frame([a_series(y=y)]).text().split("\n")

    assert "A train NaN" in rows[-1]
    assert 24 <= rows[-3].count("×") <= 30


def test_a_log_axis_tells_how_many_values_it_leaves_out():
    y = np.linspace(-0.05, 2, 200)
    y[:3] = [-1, 0, -2]

    assert "left out" not in a_frame([a_series(y=y)]).text()
    assert "5 ≤ 0 left out · log" in a_frame([a_series(y=y)], log_y=True).text()


@pytest.mark.parametrize(
    ("series", "options", "told"),
    [
        ([], {}, "no values yet"),
        ([a_series(y=np.full(200, np.nan))], {}, "no finite values here"),
        ([a_series(y=np.full(200, -1.0))], {"log_y": True}, "nothing above 0 here"),
        ([a_series()], {"view": (9000.0, 9500.0)}, "no values in this range"),
    ],
)
def test_an_empty_chart_says_why(series, options, told):
    assert told in a_frame(series, **options).text()


def test_events_are_marked_on_the_axis_and_named_at_the_cursor():
    event = ChartEvent(1000, "checkpoint", "step-1000")

    rows = a_frame([a_series()], events=[event], cursor=1000.0).text().split("\n")

    assert rows[-3].count("◆") == 1
    assert "step-1000" in rows[-1]


def test_frequent_events_draw_no_fence_before_the_curves():
    events = [ChartEvent(x, "evaluation") for x in range(0, 2000, 20)]

    rows = a_frame([a_series()], events=events).text().split("\n")

    assert "┊" not in "".join(rows)
    assert rows[-3].count("▾") > 40


def test_the_cursor_shades_one_column_of_the_plot():
    canvas = a_frame([a_series()], cursor=1000.0)

    rows, columns = np.nonzero(canvas.inks >= INK_CURSOR)

    assert len(set(columns.tolist())) == 1
    assert len(rows) == 20 - 4


def test_end_letters_stand_in_different_rows():
    series = [a_series(colour=n) for n in range(4)]

    canvas = a_frame(series)

    assert [row[59:60] for row in canvas.text().split("\n") if row[59:60] in tuple("ABCD")]
    assert sorted(chr(code) for code in canvas.codes[:, 59] if code > 64) == list("ABCD")


def test_a_growing_run_keeps_most_of_its_cells():
    def frame(points):
        noise = np.random.default_rng(0).normal(0, 0.05, 3000)
        y = 0.3 + 2 * np.exp(-np.arange(3000) / 500) + noise
        return a_frame([a_series(points=points, y=y[:points])])

    spans = frame(1510).changed_spans(frame(1500))

    assert sum(span.end - span.start for span in spans) < 20


def test_changed_spans_are_cropped_on_both_sides_and_hold_wide_characters_whole():
    old, new = Canvas(10, 3, cell_len), Canvas(10, 3, cell_len)
    old.write(1, 2, "a损b", 0)
    new.write(1, 2, "a失b", 0)
    new.write(2, 9, "x", 0)

    assert new.changed_spans(old) == [Span(1, 3, 5), Span(2, 9, 10)]
    assert new.changed_spans(new) == []
    assert new.codes[1, 4] == CONTINUED


def test_spikes_stay_in_view_under_smoothing():
    y = np.full(200, 0.5)
    y[77] = 2.0
    curves = smooth_curves([a_series(y=y)], LETTERS, 0.99)

    plot = draw_plot(curves, 60, 20, PlotOptions())

    assert isinstance(plot, Plot)
    assert plot.y_axis.high >= 2.0
    assert (plot.image.codes[0] != ord(" ")).sum() == 1


def test_points_are_never_smoothed():
    y = np.array([1.0, 0.0, 1.0])

    (curve,) = smooth_curves([a_series(points=3, role="points", y=y)], LETTERS, 0.9)

    assert not curve.is_smoothed
    assert curve.shown.tolist() == y.tolist()


def test_a_hidden_plot_is_not_an_error():
    assert draw_plot((), 0, 0, PlotOptions()) is Nothing.NO_VALUES


def test_the_next_place_is_a_place_of_some_series():
    curves = smooth_curves([a_series(points=5), a_series(points=3, colour=1)], LETTERS, 0)

    assert next_place(curves, 10, 11) == 30
    assert next_place(curves, 10, 500) == 40
    assert next_place(curves, 30, -1) == 20
    assert next_place(curves, 30, -500) == 0
    assert nearest_place(curves, 14) == 10
    assert nearest_place(curves, -99) == 0
    assert nearest_place((), 5) is None


def test_the_summary_tells_places_and_losses_in_one_line():
    y = np.array([2.0, 0.5, 3.0, np.nan, 1.0])
    curves = smooth_curves([a_series("sts", 5, y=y)], LETTERS, 0.9)

    told = summarise("loss", "step", curves, [ChartEvent(3, "nan")])

    assert told == (
        "loss by step: A sts: first 2 at 0, last 1 at 40, min 0.5 at 10, max 3 at 20, "
        "1 not finite; marked: 1 nan"
    )


def test_zoom_keeps_the_cursor_in_place_and_ends_at_all():
    assert zoom(None, (0, 100), 0.5, None) == (25, 75)
    assert zoom(None, (0, 100), 0.5, 100) == (50, 100)
    assert zoom((20, 60), (0, 100), 0.5, 30) == (25, 45)
    assert zoom((20, 60), (0, 100), 4, None) is None
    view = None
    for _ in range(60):
        view = zoom(view, (0, 100), 0.5, 33.0)
    assert view is not None
    assert view[0] <= 33 <= view[1]
    assert view[0] < view[1]


def test_panning_stops_at_the_ends_of_the_data():
    assert pan((20, 40), (0, 100), 0.5) == (30, 50)
    assert pan((75, 95), (0, 100), 0.5) == (80, 100)
    assert pan((5, 25), (0, 100), -0.5) == (0, 20)
    assert reach((0, 10), 12) == (2, 12)
    assert reach((5, 10), 3) == (3, 8)


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        ([0, 1], [1], r'Series "s": x has shape \(2,\), y has shape \(1,\)'),
        ([1, 0], [1, 1], r'Series "s": x must be finite and ascending'),
        ([0, np.nan], [1, 1], r'Series "s": x must be finite and ascending'),
    ],
)
def test_a_wrong_series_is_refused(x, y, told):
    with pytest.raises(ValueError, match=told):
        ChartSeries("s", np.array(x), np.array(y))
