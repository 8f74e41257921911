"""What is drawn of a run: axes, the best so far, marks, values at the cursor, bands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.store.records import CheckpointRecord, Curve, MessageRecord, SeriesKey, StepTable
from workbench.tui.charts.raster import Layer, Viewport, rasterise
from workbench.tui.charts.reading import smooth_curves, values_of
from workbench.tui.charts.series import LETTERS, ChartSeries, EventKind
from workbench.tui.history import CurveHistory
from workbench.tui.run_charts import (
    WEIGHTS,
    best_so_far,
    chart_series,
    chart_specs,
    charts_touched,
    rate_events,
    run_events,
)
from workbench.tui.x_axis import AXES, joined, x_axis

VALUES = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=40)


def a_table(steps: int, first: int = 1) -> StepTable:
    at = np.arange(first, first + steps)
    return StepTable(at, at / 10, np.full(steps, 30.0), np.full(steps, 8), np.full(steps, 100))


def a_curve(*values: float) -> Curve:
    return Curve(np.arange(1, len(values) + 1), np.array(values))


def rates(**groups: Curve) -> CurveHistory:
    history = CurveHistory()
    history.add({SeriesKey("run", "", f"learning_rate/{name}"): c for name, c in groups.items()})
    return history


@pytest.mark.parametrize(
    ("name", "places"), [("step", [1, 4]), ("epoch", [0.1, 0.4]), ("minutes", [0.5, 2.0]),
                         ("texts", [8, 32])]
)  # fmt: skip
def test_an_axis_counts_what_it_is_called(name: str, places: list[float]) -> None:
    axis = x_axis(name, a_table(10))

    assert axis.of(np.array([1, 4])).tolist() == pytest.approx(places)


@pytest.mark.parametrize(("name", "place"), [("minutes", 50.0), ("texts", 800)])
def test_an_axis_counts_updates_that_were_not_told_of(name: str, place: float) -> None:
    every_tenth = a_table(100)
    told = StepTable(*(column[9::10] for column in vars(every_tenth).values()))

    assert x_axis(name, told).place(100) == pytest.approx(place)


@pytest.mark.parametrize("name", AXES)
def test_every_axis_keeps_the_order_of_the_steps(name: str) -> None:
    places = x_axis(name, a_table(50)).of(np.arange(0, 60))

    assert (np.diff(places) >= 0).all()


def test_a_table_that_grows_is_the_table_read_whole() -> None:
    grown = joined(joined(None, a_table(5)), a_table(6, first=4))

    assert grown.steps.tolist() == a_table(9).steps.tolist()
    assert grown.epochs.tolist() == pytest.approx(a_table(9).epochs.tolist())


@given(VALUES, st.booleans())
def test_the_best_so_far_is_never_worse_than_any_value_before(
    values: list[float], is_lower_better: bool
) -> None:
    curve = a_curve(*values)

    steps, best = best_so_far(curve, is_lower_better=is_lower_better)

    assert (np.diff(steps) >= 0).all()
    for at, step in enumerate(curve.steps.tolist()):
        known = [value for value in values[: at + 1] if np.isfinite(value)]
        drawn = best[np.flatnonzero(steps == step)[-1]]
        if known:
            assert drawn == (min(known) if is_lower_better else max(known))
        else:
            assert np.isnan(drawn)


def test_thawing_the_end_of_warm_up_and_a_fall_are_marked() -> None:
    warm_then_steady = a_curve(1e-5, 5e-5, 1e-4, 1e-4, 1e-4, 2e-5, 2e-5, 2e-5)
    thaws_later = a_curve(0, 0, 0, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4)

    found = rate_events(rates(head=warm_then_steady, low=thaws_later))

    assert (3.0, EventKind.RATE, "warm-up ends") in found
    assert (6.0, EventKind.RATE, "rate falls") in found
    assert (4.0, EventKind.RATE, "low thaws") in found


def test_a_rate_that_falls_steadily_to_nothing_is_no_event() -> None:
    assert rate_events(rates(all=a_curve(*np.linspace(1e-4, 1e-6, 50)))) == []


def test_weights_have_a_chart_where_they_move_and_none_where_they_stay() -> None:
    from summaries import a_run

    run = a_run()
    moving, still = CurveHistory(), CurveHistory()
    key = SeriesKey("train", "question", "weight")
    moving.add({key: a_curve(1.0, 1.2, 0.9)})
    still.add({key: a_curve(1.0, 1.0, 1.0)})

    assert WEIGHTS in [spec.key for spec in chart_specs(run, history=moving)]
    assert WEIGHTS not in [spec.key for spec in chart_specs(run, history=still)]
    (series,) = chart_series(WEIGHTS, run, moving)
    assert series.y.tolist() == [1.0, 1.2, 0.9]
    assert charts_touched(run, [key]) == {WEIGHTS}


def test_checkpoints_evaluations_and_resuming_are_marked_where_they_were() -> None:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    history = CurveHistory()
    history.add({SeriesKey("dev", "a", "loss"): Curve(np.array([10, 20]), np.array([1.0, 0.5]))})
    checkpoint = CheckpointRecord(20, "c", now, True, True, 0.5, 1)
    resumed = MessageRecord(now, "RunResumed", {"step": 10})

    events = run_events([checkpoint], [resumed], history)

    marked = {(event.kind, event.x) for event in events}
    assert marked == {
        (EventKind.CHECKPOINT, 20.0), (EventKind.EVALUATION, 10.0),
        (EventKind.EVALUATION, 20.0), (EventKind.RESUME, 10.0),
    }  # fmt: skip


def test_values_at_the_cursor_are_those_of_a_true_point() -> None:
    series = ChartSeries("train", np.array([1.0, 2.0, 3.0, 4.0]), np.array([4.0, np.nan, 9.0, 2.0]))
    (curve,) = smooth_curves([series], LETTERS, 0.5)

    values = values_of(curve, 2.9)

    assert values.here == 9.0
    assert values.smoothed is not None
    assert values.smoothed < 9.0
    assert values.last == 2.0
    assert values.lowest == (2.0, 4.0)
    assert values.highest == (9.0, 3.0)
    assert values_of(curve, 7.0).here is None


@given(st.integers(2, 60), st.integers(0, 10_000))
def test_a_band_lights_nothing_outside_its_edges(points: int, seed: int) -> None:
    noise = np.random.default_rng(seed)
    x = np.arange(points, dtype=np.float64)
    low = noise.uniform(-1, 0, points)
    high = low + noise.uniform(0, 1, points)
    view = Viewport(0.0, float(points - 1), -1.5, 1.5)

    band = rasterise([Layer(x, low, 0, is_faint=True, top=high)], view, 30, 12)
    edges = rasterise([Layer(x, low, 0), Layer(x, high, 0)], view, 30, 12)

    # In each column of cells the shade stays between the rows of the two edges.
    for column in range(30):
        lit = np.flatnonzero(band.codes[:, column] != ord(" "))
        bounds = np.flatnonzero(edges.codes[:, column] != ord(" "))
        if lit.size:
            assert bounds.min() <= lit.min()
            assert lit.max() <= bounds.max()


def test_a_wide_band_is_seen() -> None:
    x = np.arange(10.0)
    view = Viewport(0.0, 9.0, 0.0, 1.0)

    image = rasterise([Layer(x, x * 0, 3, is_faint=True, top=x * 0 + 1)], view, 10, 5)

    assert (image.codes != ord(" ")).all()
