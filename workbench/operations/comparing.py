"""What a comparison of runs can tell beside the metrics at their best checkpoints.

Statistics over the whole of each dev curve, seeds as a band, which runs nothing else beats, and
the whole as Markdown, CSV or JSON.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ConfigError, WorkbenchError
from workbench.operations.reading import (
    ABSENT,
    LOWER_IS_BETTER,
    Comparison,
    MetricRow,
    RunSummary,
    best_of,
    flat_settings,
)
from workbench.store.records import Curve, SeriesKey

Statistic = Literal["at best checkpoint", "best", "last", "lowest", "highest"]
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)
FORMATS = ("md", "csv", "json")
Curves = Mapping[SeriesKey, Curve]


def metric_rows(
    comparison: Comparison, curves: Sequence[Curves], statistic: Statistic
) -> list[MetricRow]:
    """The dev metrics of all runs by one statistic, the winner of each marked.

    Args:
        comparison: The runs.
        curves: Dev curves of each, in the order of the runs.
        statistic: What is taken of each curve.
    """
    if statistic == "at best checkpoint":
        return comparison.metrics
    keys = dict.fromkeys(
        (key.task, key.metric)
        for found in curves
        for key in found
        if key.split == "dev" and key.task
    )
    rows = []
    for task, metric in keys:
        values = tuple(
            _take(found.get(SeriesKey("dev", task, metric)), metric, statistic) for found in curves
        )
        rows.append(MetricRow(task, metric, values, best_of(metric, values)))
    return rows


def _take(curve: Curve | None, metric: str, statistic: Statistic) -> float | None:
    known = curve.values[np.isfinite(curve.values)] if curve is not None else np.empty(0)
    if not known.size:
        return None
    if statistic == "last":
        return float(known[-1])
    takes_lowest = statistic == "lowest" or (statistic == "best" and metric in LOWER_IS_BETTER)
    return float(known.min() if takes_lowest else known.max())


# What one run alone has

T = TypeVar("T")


def metric_owner(runs: Sequence[RunSummary], row: MetricRow) -> int | None:
    """The place of the run that alone has such a metric; None if another has it or may get it."""
    having = [at for at, value in enumerate(row.values) if value is not None]
    others = [run for at, run in enumerate(runs) if at not in having]
    # A run of the same task that was not evaluated yet has none of its metrics.
    lack = all(row.task not in run.tasks or run.metrics.get(row.task) for run in others)
    return having[0] if len(having) == 1 and lack else None


def by_owner(
    rows: Sequence[T], owner_of: Callable[[T], int | None]
) -> tuple[list[T], dict[int, list[T]]]:
    """The rows that are of several runs, and those of one alone, by its place, in order."""
    owners = [owner_of(row) for row in rows]
    shared = [row for row, owner in zip(rows, owners, strict=True) if owner is None]
    return shared, {
        own: [row for row, owner in zip(rows, owners, strict=True) if owner == own]
        for own in sorted({owner for owner in owners if owner is not None})
    }


Setting = tuple[str, tuple[str, ...]]
"""A dotted key, and its value as text, one per run."""


@dataclass(frozen=True)
class OwnSettings:
    """What one run alone has: mostly that of a task that no other has."""

    chosen: list[tuple[str, str]]
    """Those that are not left as they are by default."""
    as_default: int
    """How many are."""


def settings_by_owner(comparison: Comparison) -> tuple[list[Setting], dict[int, OwnSettings]]:
    """The differing settings that several runs have, and those of one alone, by its place."""

    def owner_of(setting: Setting) -> int | None:
        having = [at for at, value in enumerate(setting[1]) if value != ABSENT]
        return having[0] if len(having) == 1 else None

    shared, owned = by_owner(comparison.settings, owner_of)
    found = {}
    for owner, settings in owned.items():
        config = comparison.runs[owner].record.config
        keys = flat_settings(config.model_dump(mode="json", exclude_defaults=True))
        chosen = [(key, values[owner]) for key, values in settings if key in keys]
        found[owner] = OwnSettings(chosen, len(settings) - len(chosen))
    return shared, found


# Seeds


@dataclass(frozen=True)
class Band:
    """Several curves of one kind as one: their mean, between their lowest and highest."""

    steps: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: int


def band(curves: Sequence[Curve]) -> Band:
    """The band of curves, at every step that any of them has.

    Between its steps a curve is a straight line; before its first and after its last it takes no
    part, and neither does a value that is not finite.
    """
    steps = np.unique(np.concatenate([curve.steps for curve in curves])).astype(np.float64)
    rows = np.full((len(curves), steps.size), np.nan)
    for row, curve in zip(rows, curves, strict=True):
        known = np.isfinite(curve.values)
        if known.any():
            own = curve.steps[known].astype(np.float64)
            row[:] = np.interp(steps, own, curve.values[known], left=np.nan, right=np.nan)
    has_any = np.isfinite(rows).any(axis=0)
    steps, rows = steps[has_any], rows[:, has_any]
    return Band(steps, np.nanmean(rows, axis=0), np.nanmin(rows, axis=0),
                np.nanmax(rows, axis=0), len(curves))  # fmt: skip


# Trade-offs


def pareto_front(
    points: Sequence[tuple[float, float]], lower_is_better: tuple[bool, bool] = (False, False)
) -> list[int]:
    """The points that no other beats in one way without losing in the other.

    Args:
        points: Pairs of values; one that is not finite is on no front.
        lower_is_better: For each of the two.

    Returns:
        Their places, by the first value ascending.
    """
    signs = np.where(lower_is_better, -1.0, 1.0)
    values = np.array(points, dtype=np.float64).reshape(-1, 2) * signs
    finite = np.flatnonzero(np.isfinite(values).all(axis=1))
    # From the best first value on, what raises the best second value so far is on the front.
    order = sorted(finite.tolist(), key=lambda at: (-values[at, 0], -values[at, 1]))
    front: list[int] = []
    best = -math.inf
    for at in order:
        twin = bool(front) and bool((values[at] == values[front[-1]]).all())
        if values[at, 1] > best or twin:
            front.append(at)
            best = max(best, float(values[at, 1]))
    return sorted(front, key=lambda at: points[at][0])


# To take away


def write_comparison(
    comparison: Comparison, rows: Sequence[MetricRow], to: Path, *, statistic: Statistic
) -> Path:
    """Write a comparison into a file; its ending says how: .md, .csv or .json.

    Args:
        comparison: The runs, and the settings that differ.
        rows: Their metrics, from `metric_rows`.
        to: The file; what is there is written over.
        statistic: What the rows are of.

    Raises:
        ConfigError: The ending is none of the three.
        WorkbenchError: The file cannot be written.
    """
    kind = to.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise ConfigError(
            f"A comparison cannot be written as {to.name}.",
            next_step="let the name end with .md, .csv or .json",
        )
    to = to.expanduser()
    text = {
        "md": lambda: as_markdown(comparison, rows, statistic=statistic),
        "csv": lambda: as_csv(comparison, rows),
        "json": lambda: as_json(comparison, rows, statistic=statistic),
    }[kind]()
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorkbenchError(
            f"The comparison cannot be written: {error.strerror}.",
            where=str(to),
            next_step="name a file in a folder that is there and can be written to",
        ) from error
    return to


def run_names(runs: Sequence[RunSummary]) -> list[str]:
    """Name and id of each run."""
    return [f"{run.record.name} {run.record.id}" for run in runs]


def as_markdown(comparison: Comparison, rows: Sequence[MetricRow], *, statistic: Statistic) -> str:
    """Two tables: metrics with the winner in bold, and the settings that differ."""
    names = run_names(comparison.runs)
    heading = "metric" if statistic == "at best checkpoint" else f"metric, {statistic}"
    lines = _markdown_table([heading, *names], [
        [f"{row.task} {row.metric}", *(
            f"**{_digits(value)}**" if at == row.best else _digits(value)
            for at, value in enumerate(row.values)
        )]
        for row in rows
    ])  # fmt: skip
    if comparison.settings:
        settings = [[key, *values] for key, values in comparison.settings]
        lines += ["", *_markdown_table(["setting", *names], settings)]
    return "\n".join(lines) + "\n"


def as_csv(comparison: Comparison, rows: Sequence[MetricRow]) -> str:
    """One table: `metric` and `setting` lines, a column a run, all digits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["kind", "key", *run_names(comparison.runs)])
    for row in rows:
        values = ["" if value is None else repr(float(value)) for value in row.values]
        writer.writerow(["metric", f"{row.task}.{row.metric}", *values])
    for key, settings in comparison.settings:
        writer.writerow(["setting", key, *settings])
    return buffer.getvalue()


def as_json(comparison: Comparison, rows: Sequence[MetricRow], *, statistic: Statistic) -> str:
    """An object with the keys runs, statistic, metrics and settings."""
    document = {
        "runs": [
            {
                "id": run.record.id,
                "name": run.record.name,
                "state": run.state.value,
                "selection": run.selection,
                "best_step": run.best_step,
                "tags": list(run.keeping.tags),
            }
            for run in comparison.runs
        ],
        "statistic": statistic,
        "metrics": [
            {"task": row.task, "metric": row.metric, "values": row.values, "best": row.best}
            for row in rows
        ],
        "settings": [{"key": key, "values": values} for key, values in comparison.settings],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _markdown_table(columns: list[str], rows: list[list[str]]) -> list[str]:
    return [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
        for row in (columns, ["---"] * len(columns), *rows)
    ]
