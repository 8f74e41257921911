"""Statistics, bands and trade-offs of compared runs, and what is written of them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from summaries import a_run

from workbench.errors import ConfigError
from workbench.operations import comparing
from workbench.operations.reading import Comparison, MetricRow
from workbench.store.records import Curve, SeriesKey
from workbench.tui.comparison_tables import comparison_tables

NUMBERS = st.floats(-10, 10, allow_nan=False)


def a_curve(*values: float, every: int = 10) -> Curve:
    return Curve(np.arange(1, len(values) + 1) * every, np.array(values, dtype=np.float64))


RUNS = (a_run("aaaa2222", name="a|b"), a_run("bbbb2222", name="other"))
COMPARISON = Comparison(
    RUNS, [("pooling.mode", ("mean", "cls"))], [MetricRow("question", "accuracy", (0.9, 0.8), 0)]
)


@pytest.mark.parametrize(
    ("statistic", "accuracy", "loss"),
    [
        ("best", (0.9, 0.7), (0.3, 0.2)),
        ("last", (0.6, 0.7), (0.5, 0.2)),
        ("lowest", (0.6, 0.5), (0.3, 0.2)),
        ("highest", (0.9, 0.7), (0.5, 0.8)),
    ],
)
def test_a_statistic_is_of_the_whole_dev_curve(
    statistic: comparing.Statistic, accuracy: tuple[float, ...], loss: tuple[float, ...]
) -> None:
    of_accuracy = SeriesKey("dev", "question", "accuracy")
    of_loss = SeriesKey("dev", "question", "loss")
    curves = [
        {of_accuracy: a_curve(0.9, np.nan, 0.6), of_loss: a_curve(0.4, 0.3, 0.5)},
        {of_accuracy: a_curve(0.5, 0.7), of_loss: a_curve(0.8, 0.2)},
    ]

    rows = {row.metric: row for row in comparing.metric_rows(COMPARISON, curves, statistic)}

    assert rows["accuracy"].values == pytest.approx(accuracy)
    assert rows["loss"].values == pytest.approx(loss)
    assert rows["accuracy"].best == int(np.argmax(accuracy))
    assert rows["loss"].best == int(np.argmin(loss))


def test_what_one_run_alone_has_is_told_apart_from_what_another_may_get() -> None:
    other = replace(a_run("cccc2222"), tasks=("entity",), metrics={"entity": {"f1": 0.5}})
    of_question = MetricRow("question", "accuracy", (0.9, None), None)

    assert comparing.metric_owner((RUNS[0], other), of_question) == 0
    assert comparing.metric_owner((RUNS[0], a_run(accuracy=None)), of_question) is None
    settings = [
        ("seed", ("1", "2")),
        ("tasks.question.kind", ("classification", "–")),
        ("tasks.question.dropout", ("0.1", "–")),
    ]
    assert comparing.settings_by_owner(Comparison((RUNS[0], other), settings, [])) == (
        settings[:1],
        {0: comparing.OwnSettings([("tasks.question.kind", "classification")], 1)},
    )


def test_the_tables_of_a_comparison_have_a_heading_over_what_one_run_alone_has() -> None:
    other = replace(
        a_run("cccc2222", name="c", accuracy=0.5),
        tasks=("entity",),
        metrics={"entity": {"f1": 0.5}},
    )
    rows = [
        MetricRow("question", "accuracy", (0.9, None), None),
        MetricRow("entity", "f1", (None, 0.5), None),
    ]
    settings = [("tasks.question.dropout", ("–", "0.1")), ("seed", ("1", "2"))]
    compared = Comparison((RUNS[0], other), settings, rows)

    shown = comparison_tables(compared, rows, "dev", 80)

    lines = [[cell.plain for cell in row.cells] for row in shown.metrics.rows[1:]]
    assert lines == [
        ["selection", "0.900", "0.500"],  # of other tasks, so none is the better one
        ["only in A a|b", "", ""],
        ["question accuracy", "0.900", ""],
        ["only in B c", "", ""],
        ["entity f1", "", "0.500"],
    ]
    assert [[cell.plain for cell in row.cells] for row in shown.settings.rows] == [
        ["seed", "1", "2"],
        ["only in B c", "", ""],
        ["others", "", "1 as by default"],
    ]


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=30), st.booleans(), st.booleans())
def test_on_the_front_is_exactly_who_nobody_beats(
    points: list[tuple[float, float]], first_low: bool, second_low: bool
) -> None:
    front = comparing.pareto_front(points, (first_low, second_low))

    signs = (-1 if first_low else 1, -1 if second_low else 1)
    good = [(x * signs[0], y * signs[1]) for x, y in points]
    unbeaten = {
        at
        for at, (x, y) in enumerate(good)
        if not any(a >= x and b >= y and (a, b) != (x, y) for a, b in good)
    }
    assert set(front) == unbeaten
    assert [points[at][0] for at in front] == sorted(points[at][0] for at in front)


def test_who_has_no_value_is_on_no_front() -> None:
    assert comparing.pareto_front([(float("nan"), 1.0), (0.5, 0.5)]) == [1]


@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=12), min_size=1, max_size=5))
def test_a_band_holds_its_mean_and_every_point_of_every_seed(values: list[list[float]]) -> None:
    curves = [a_curve(*some, every=1 + at) for at, some in enumerate(values)]

    band = comparing.band(curves)

    assert (band.low <= band.mean + 1e-9).all()
    assert (band.mean <= band.high + 1e-9).all()
    for curve in curves:
        places = np.searchsorted(band.steps, curve.steps)
        assert (band.low[places] <= curve.values + 1e-9).all()
        assert (curve.values <= band.high[places] + 1e-9).all()


def test_a_comparison_is_written_in_the_format_of_the_ending(tmp_path: Path) -> None:
    rows = COMPARISON.metrics
    write = comparing.write_comparison

    markdown = write(COMPARISON, rows, tmp_path / "c.md", statistic="best").read_text()
    table = write(COMPARISON, rows, tmp_path / "c.csv", statistic="best").read_text()
    document = json.loads(
        write(COMPARISON, rows, tmp_path / "c.json", statistic="best").read_text()
    )

    assert "| question accuracy | **0.900** | 0.800 |" in markdown
    assert "a\\|b aaaa2222" in markdown
    assert list(csv.reader(io.StringIO(table)))[1] == ["metric", "question.accuracy", "0.9", "0.8"]
    assert document["metrics"][0]["best"] == 0
    assert document["settings"] == [{"key": "pooling.mode", "values": ["mean", "cls"]}]
    assert document["statistic"] == "best"


def test_an_ending_that_is_no_format_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        comparing.write_comparison(COMPARISON, [], tmp_path / "c.xls", statistic="best")

    assert ".md, .csv or .json" in caught.value.problems[0].next_step
