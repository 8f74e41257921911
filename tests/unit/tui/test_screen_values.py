"""The plain values behind the screens: figures, growing curves, the arrangement of charts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from textual.content import Content

from workbench.config.optimization import OptimizationConfig
from workbench.store.records import Curve, SeriesKey
from workbench.tui import figures
from workbench.tui.history import CurveHistory
from workbench.tui.visible import visible
from workbench.tui.widgets.chart_grid import arrange
from workbench.tui.widgets.rate_preview import rate_curve, rate_words
from workbench.tui.widgets.run_header import changed_spans
from workbench.tui.widgets.table import without_middle

KEY = SeriesKey("train", "topic", "loss")


def a_curve(first: int, last: int) -> Curve:
    steps = np.arange(first, last + 1)
    return Curve(steps, steps.astype(np.float64))


def test_new_points_are_appended_and_known_ones_left_out() -> None:
    history = CurveHistory()
    history.add({KEY: a_curve(1, 5)})

    changed = history.add({KEY: a_curve(4, 8)})

    curve = history.get(KEY)
    assert curve is not None
    assert curve.steps.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert changed == {KEY}
    assert history.cursor() == {KEY: 8}


def test_nothing_new_changes_no_curve() -> None:
    history = CurveHistory()
    history.add({KEY: a_curve(1, 5)})

    assert history.add({KEY: a_curve(2, 5)}) == set()
    assert history.add({}) == set()


@pytest.mark.parametrize(
    ("count", "size", "columns", "last_span"),
    [
        (5, (78, 19), 2, 2),
        (5, (118, 26), 3, 2),
        (6, (118, 26), 3, 1),
        (4, (78, 19), 2, 1),
        (3, (30, 19), 1, 1),
        (5, (198, 45), 3, 2),
        (1, (78, 19), 1, 1),
    ],
)
def test_charts_fill_every_row_and_are_wider_than_high(
    count: int, size: tuple[int, int], columns: int, last_span: int
) -> None:
    assert arrange(count, *size) == (columns, last_span)


@pytest.mark.parametrize(
    ("old", "new", "spans"),
    [
        ("step  9/240  ETA 19s", "step 10/240  ETA 18s", [(5, 7), (18, 19)]),
        ("same", "same", []),
        ("short", "short and long", [(6, 14)]),
        ("损 1", "损 2", [(0, 4)]),
    ],
)
def test_of_a_line_only_what_differs_is_painted(
    old: str, new: str, spans: list[tuple[int, int]]
) -> None:
    assert changed_spans(Content(old), Content(new)) == spans


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (math.nan, "–"), (0.4, "0s"), (59.6, "1m00s"), (192, "3m12s"), (3900, "1h05m"),
     (187_200, "2d04h")],
)  # fmt: skip
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert figures.duration(seconds) == text


def test_a_run_is_at_100_percent_only_when_all_is_done() -> None:
    assert figures.percent(figures.share(999, 1000)) == "99%"
    assert figures.percent(figures.share(1000, 1000)) == "100%"
    assert figures.percent(figures.share(0, 0)) == "0%"


def test_a_bar_has_the_width_that_was_asked_for() -> None:
    assert all(len("".join(figures.progress_bar(n / 40, 8))) == 8 for n in range(41))


def test_control_characters_are_shown_as_signs() -> None:
    assert visible("a\x1b[31mb\x9bc\u202ed\n") == "a␛[31mb�c�d␊"
    assert visible("a\u2028b\ud800c\U000e0041d") == "a�b�c�d"


def test_the_preview_is_the_schedule_that_trains() -> None:
    settings = OptimizationConfig(learning_rate=1e-4, warmup=0.1)

    _, factors = rate_curve(settings)

    assert factors.max() == 1.0
    assert factors.argmax() == 19
    assert rate_words(settings) == "up to 1e-4 in 10% of the steps, then down a line to 0"


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        (29, "intent and slots: slots alone"),
        (18, "intent…slots alone"),
        (9, "int…alone"),
        (4, "int…"),
    ],
)
def test_a_long_name_keeps_its_beginning_and_its_end(cells: int, shown: str) -> None:
    name = Content("intent and slots: slots alone   ")

    assert without_middle(name, cells).plain == shown


def test_a_name_of_wide_characters_is_cut_by_cells() -> None:
    cut = without_middle(Content("情感分析と話題分類の実験"), 12)

    assert cut.plain == "情感…の実験"
    assert cut.cell_length <= 12
