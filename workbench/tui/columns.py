"""The columns of the list of runs: which there are, and what each says of a run, in words.

A column is one of `COLUMNS`, a setting (`optimization.learning_rate`) or the metric of a task
(`question.accuracy`). The screen draws some of them with more than words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workbench.config.fields import SCHEMA_ADVICE, experiment_fields, field_specs
from workbench.errors import ConfigError, nearest
from workbench.operations.filtering import KEYS, value_of
from workbench.operations.reading import RunSummary
from workbench.tui import figures

Words = Callable[[RunSummary], str]

COLUMNS: dict[str, tuple[str, Words]] = {
    "star": ("★", lambda run: "★" if run.keeping.starred else ""),
    "state": ("state", lambda run: run.state.value),
    "name": ("run", lambda run: run.record.name),
    "progress": (
        "progress",
        lambda run: figures.percent(figures.share(run.step, run.total_steps)),
    ),
    "best": ("best", lambda run: figures.metric(run.selection)),
    "loss": ("loss", lambda run: figures.metric(run.spark[-1]) if run.spark else figures.NOTHING),
    "metrics": ("dev metrics at best", lambda run: "  ".join(_metrics(run))),
    "tasks": ("tasks", lambda run: ", ".join(run.tasks)),
    "tags": ("tags", lambda run: " ".join(run.keeping.tags)),
    "note": ("note", lambda run: " ".join(run.keeping.note.split())),
    "started": ("started", lambda run: figures.moment(run.record.created_at)),
    "took": ("took", lambda run: figures.duration(run.seconds)),
    "eta": ("to go", lambda run: figures.duration(run.eta_seconds)),
    "speed": (
        "texts/s",
        lambda run: (
            figures.NOTHING if run.texts_per_second is None else f"{run.texts_per_second:.0f}"
        ),
    ),
    "step": ("step", lambda run: str(run.step)),
    "source": ("from", lambda run: run.record.source),
    "id": ("id", lambda run: run.record.id),
}
"""By key: heading, and the cell in words."""

SORT_KEYS = {"best": "selection", "took": "seconds", "star": "starred", "tasks": "task",
             "tags": "tag", "metrics": "selection"}  # fmt: skip
"""What the filter language calls the value of a column, where it has another name there."""

RIGHT = frozenset({"best", "started", "took", "eta", "speed", "step"})
"""Columns of numbers, which stand at the right."""


def heading(key: str) -> str:
    """What stands above a column."""
    return COLUMNS[key][0] if key in COLUMNS else key


def words(run: RunSummary, key: str) -> str:
    """What a column says of a run; a dash where the run has no such thing."""
    if key in COLUMNS:
        return COLUMNS[key][1](run)
    value = value_of(run, key)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, float):
        # A metric in as many digits as everywhere; a setting as it would be typed.
        return figures.metric(value) if _is_metric(key) else f"{value:g}"
    if isinstance(value, int | str):
        return str(value)
    return figures.NOTHING


def is_right(key: str) -> bool:
    """Whether its values are numbers."""
    return (
        key in RIGHT
        or _is_metric(key)
        or any(spec.kind in ("number", "integer") for spec in field_specs(key))
    )


def check_columns(keys: Sequence[str], runs: Sequence[RunSummary]) -> None:
    """See that there are such columns.

    Raises:
        ConfigError: One is no column, no setting, and no metric of any of the runs.
    """
    known = [*COLUMNS, *KEYS, *metric_keys(runs)]
    for key in keys:
        if key not in known and not field_specs(key):
            settings = [spec.path for spec in experiment_fields()]
            raise ConfigError(
                f'There is no column "{key}".',
                where="--columns",
                next_step=nearest(key, [*known, *settings], see=SCHEMA_ADVICE),
            )


def metric_keys(runs: Sequence[RunSummary]) -> list[str]:
    """`question.accuracy` and the like, in the order in which they first appear."""
    return list(
        dict.fromkeys(
            f"{task}.{metric}"
            for run in runs
            for task, row in run.metrics.items()
            for metric in row
        )
    )


def _is_metric(key: str) -> bool:
    return key == "selection" or (key not in COLUMNS and key not in KEYS and not field_specs(key))


def _metrics(run: RunSummary) -> list[str]:
    found = []
    for task, config in run.record.config.tasks.items():
        value = run.metrics.get(task, {}).get(config.metric)
        found.append(task if value is None else f"{task}={figures.metric(value)}")
    return found
