"""What the chart of a comparison can show, and the series that it is then made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from workbench.operations import comparing
from workbench.operations.folding import SeedFolder
from workbench.operations.reading import LOWER_IS_BETTER, MetricRow, RunSummary
from workbench.store.records import Curve, SeriesKey
from workbench.tui.charts.series import ChartSeries, SeriesRole
from workbench.tui.run_names import distinct_names, letter
from workbench.tui.visible import visible

_RATES = "learning_rate/"


# ── which curves ──────────────────────────────────────────────────────────────


def chartable_keys(
    runs: Sequence[RunSummary], keys: Sequence[Sequence[SeriesKey]]
) -> list[tuple[str, str]]:
    """Pairs of task and `dev accuracy`, of which some run has a curve; losses first."""
    found = {
        (key.task, f"{key.split} {key.metric}")
        for some in keys
        for key in some
        if not key.metric.startswith(_RATES) and "|" not in key.task  # cosines of two tasks
    }
    order = list(dict.fromkeys(task for run in runs for task in run.tasks))
    return sorted(
        found,
        key=lambda pair: (
            order.index(pair[0]) if pair[0] in order else len(order),
            pair[1] != "train loss",
            pair[1] != "dev loss",
            pair[1],
        ),
    )


def first_key(runs: Sequence[RunSummary], keys: Sequence[Sequence[SeriesKey]]) -> SeriesKey | None:
    """What is charted before anything was chosen."""
    pairs = [pair for pair in chartable_keys(runs, keys) if pair[0]]
    pairs = pairs or chartable_keys(runs, keys)
    if not pairs:
        return None
    split, _, metric = pairs[0][1].partition(" ")
    return SeriesKey(split, pairs[0][0], metric)


# ── series ────────────────────────────────────────────────────────────────────


def curve_series(
    runs: Sequence[RunSummary], curves: Mapping[str, Curve], role: SeriesRole
) -> list[ChartSeries]:
    """One curve for each run that has it.

    Args:
        runs: In the order that gives them letters and colours.
        curves: By run id.
        role: How they are drawn.
    """
    series = []
    for slot, (run, name) in enumerate(zip(runs, distinct_names(runs), strict=True)):
        curve = curves.get(run.record.id)
        if curve is not None:
            series.append(_line(name, curve, role, slot))
    return series


def band_series(
    runs: Sequence[RunSummary], curves: Mapping[str, Curve], role: SeriesRole
) -> list[ChartSeries]:
    """One mean for each configuration, over the band of its seeds; arguments as above."""
    series: list[ChartSeries] = []
    run_ids = [run.record.id for run in runs]
    for fold in SeedFolder().fold(runs):
        found = [
            curve
            for run in fold.runs
            if (curve := curves.get(run.record.id)) is not None and curve.steps.size
        ]
        if not found:
            continue
        slot = run_ids.index(fold.runs[0].record.id)
        name = visible(fold.runs[0].record.name)
        if len(found) == 1:
            series.append(_line(name, found[0], role, slot))
            continue
        one = comparing.band(found)
        label = f"{name} ×{one.count}"
        series.append(ChartSeries(label, one.steps, one.mean, role, slot, mark=letter(slot)))
        series.append(
            ChartSeries("seeds", one.steps, one.low, SeriesRole.BEST, slot,
                        mark=letter(slot), top=one.high)
        )  # fmt: skip
    return series


def scatter_series(
    runs: Sequence[RunSummary], across: MetricRow, up: MetricRow
) -> list[ChartSeries]:
    """A point for each run, and a line through those that no other beats in both metrics."""
    points = [(_finite(x), _finite(y)) for x, y in zip(across.values, up.values, strict=True)]
    ways = (across.metric in LOWER_IS_BETTER, up.metric in LOWER_IS_BETTER)
    front = comparing.pareto_front(points, ways)
    names = distinct_names(runs)
    series = [
        ChartSeries(f"★ {name}" if at in front else name, np.array([x]), np.array([y]),
                    SeriesRole.POINTS, at, mark=letter(at))
        for at, ((x, y), name) in enumerate(zip(points, names, strict=True))
        if np.isfinite(x) and np.isfinite(y)
    ]  # fmt: skip
    if len(front) > 1:
        x, y = np.array([points[at] for at in front]).T
        series.append(ChartSeries("none better in both", x, y, SeriesRole.BEST, 7, mark="★"))
    return series


def _line(name: str, curve: Curve, role: SeriesRole, slot: int) -> ChartSeries:
    mark = letter(slot) if role is SeriesRole.POINTS else ""
    return ChartSeries(name, curve.steps.astype(float), curve.values, role, slot, mark=mark)


def _finite(value: float | None) -> float:
    return float("nan") if value is None else value
