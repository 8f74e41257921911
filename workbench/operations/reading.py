"""What can be learned about runs: their list, one of them, their curves, several side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from workbench.config.experiment import ExperimentConfig
from workbench.control import Request
from workbench.errors import NotFoundError, StoreError, WorkbenchError, nearest
from workbench.operations.saves import saves_of
from workbench.operations.workspace import Workspace
from workbench.store.pauses import paused_seconds
from workbench.store.records import (
    CheckpointRecord,
    Curve,
    ExitRecord,
    Keeping,
    QueueEntry,
    RunFacts,
    RunOverview,
    RunRecord,
    SeriesKey,
    StepTable,
)
from workbench.worker import resumption
from workbench.worker.journal import (
    JOURNAL_NAME,
    UNSENT_NAME,
    end_last_line,
    send_journal,
    take_in_unsent,
)
from workbench.worker.liveness import LOCK_NAME, RunState, without_workers
from workbench.worker.log import LOG_NAME, tail
from workbench.worker.states import states

LATEST = "@last"
ABSENT = "–"
"""Stands for a setting that a run does not have."""
LOWER_IS_BETTER = frozenset({"loss", "rmse", "mae"})
_LONG_CURVES = 50_000
"""So many points take longer to read than a look may."""
_FEW_RUNS = 200
"""So many are looked up by their ids."""


@dataclass(frozen=True)
class RunSummary:
    """A run as a row of the list shows it."""

    record: RunRecord
    state: RunState
    why: str
    """The facts that the state was computed from, as a sentence."""
    step: int
    total_steps: int
    """0 until the run has told."""
    phase: str
    """What it is doing; empty when it is over or has not begun."""
    tasks: tuple[str, ...]
    best_step: int | None
    """Step of the best checkpoint."""
    selection: float | None
    """Value of the selection rule where `metrics` are from."""
    metrics: Mapping[str, Mapping[str, float]]
    """Dev metrics by task, at the best checkpoint, else of the latest evaluation."""
    seconds: float
    """At work, so far or in all: without what it was paused."""
    eta_seconds: float | None
    texts_per_second: float | None
    """Over the last 50 steps."""
    spark: tuple[float, ...]
    """The total train loss, thinned evenly."""
    exit: ExitRecord | None
    queue_place: int | None = None
    """Which it is of those that wait on its machine, from 1; None if it does not wait."""
    steps_per_second: float | None = None
    """As texts_per_second."""
    tokens_per_second: float | None = None
    """As texts_per_second; word pieces, padding left out."""
    paused_seconds: float = 0.0
    """How long its present or last process was paused, beside `seconds`."""
    keeping: Keeping = field(default_factory=Keeping)
    """What people added to it."""
    was_adjusted: bool = False
    """Whether a weight or the rates were changed while it was at work."""
    evaluated_at: datetime | None = None
    """When its dev split was evaluated last, by the run or afterwards."""

    @property
    def is_of_its_settings(self) -> bool:
        """Whether settings and seed alone made it what it is: not another run's model, and no
        hand while it was at work. Only such a run is one of the seeds of a configuration.
        """
        return self.record.parent_id is None and not self.was_adjusted


def list_runs(
    ws: Workspace,
    *,
    known: Sequence[RunSummary] = (),
    deleted: bool = False,
    sparks: bool = True,
    tends_queue: bool = True,
) -> list[RunSummary]:
    """All runs, newest first. The number of queries does not grow with the number of runs.

    Args:
        ws: Where.
        known: What was read before: of those that are over, and have neither ended nor been
            evaluated anew, only what people added is read again, so that looking once a second
            costs the same with ten thousand runs as with ten.
        deleted: Whether the runs in the trash are among them.
        sparks: Whether their losses are read: without it every `spark` is empty.
        tends_queue: Whether a queue that nobody works off gets a supervisor, as far as that can
            be done; without it the caller sees to that.
    """
    records = ws.store.runs(deleted=deleted)
    keepings = ws.store.keepings()
    marks = ws.store.end_marks() if known else {}
    settled = {
        run.record.id: run
        for run in known
        if run.exit is not None and marks.get(run.record.id) == (run.exit.at, run.evaluated_at)
    }
    unsettled = [record for record in records if record.id not in settled]
    read = _read_runs(ws, unsettled, sparks=sparks, tends_queue=tends_queue)
    fresh = {run.record.id: run for run in read}
    return [
        _kept(settled.get(record.id) or fresh[record.id], record, keepings) for record in records
    ]


def _kept(run: RunSummary, record: RunRecord, keepings: Mapping[str, Keeping]) -> RunSummary:
    """The run with what people added to it; the very same object if that is as it was."""
    keeping = keepings.get(record.id, Keeping())
    if keeping == run.keeping and record.name == run.record.name:
        return run
    return replace(run, record=record, keeping=keeping)


def _read_runs(
    ws: Workspace,
    records: Sequence[RunRecord],
    *,
    sparks: bool = True,
    tends_queue: bool = True,
) -> list[RunSummary]:
    if not records:
        return []
    # The last of thousands of runs is looked up; of most of them it is quicker to read all.
    some = [record.id for record in records] if len(records) <= _FEW_RUNS else None
    known = states(ws.store, ws.location, records, ws.store.all_facts(some))
    left = [record for record in records if _has_left_rows(ws, record, known[record.id])]
    if left:
        for record in left:
            _send_left_rows(ws, record)
        known = states(ws.store, ws.location, records, ws.store.all_facts(some))
    if tends_queue and any(facts.queued is not None for facts, _, _ in known.values()):
        from workbench.worker.supervisor import ensure_supervisor  # seldom needed

        with suppress(OSError, WorkbenchError):  # nobody came here to have it done
            ensure_supervisor(ws.store, ws.location)
    places = _queue_places([facts.queued for facts, _, _ in known.values()])
    overviews = ws.store.overviews(some)
    losses = ws.store.sparks([record.id for record in records]) if sparks else {}
    return [
        _summary(
            record,
            *known[record.id],
            overviews.get(record.id, RunOverview()),
            losses.get(record.id, ()),
            places.get(record.id),
        )
        for record in records
    ]


def summarize(ws: Workspace, ref: str) -> RunSummary:
    """One run, by id, unique prefix, name or @last.

    Raises:
        NotFoundError: Nothing goes by `ref`.
    """
    record = find_run(ws, ref)
    facts, state, why = facts_and_state(ws, record)
    if _has_left_rows(ws, record, (facts, state, why)):
        _send_left_rows(ws, record)
        facts, state, why = facts_and_state(ws, record)
    spark = ws.store.sparks([record.id]).get(record.id, ())
    overview = ws.store.overview(record.id)
    place = None
    if facts.queued is not None:
        place = _queue_places(ws.store.queue(facts.queued.host)).get(record.id)
    summary = _summary(record, facts, state, why, overview, spark, place)
    return replace(summary, keeping=ws.store.keeping(record.id))


def facts_and_state(ws: Workspace, record: RunRecord) -> tuple[RunFacts, RunState, str]:
    """What is known of a run's life, the state that it amounts to, and why."""
    return states(ws.store, ws.location, [record], {record.id: ws.store.facts(record.id)})[
        record.id
    ]


def _has_left_rows(ws: Workspace, record: RunRecord, known: tuple[RunFacts, RunState, str]) -> bool:
    facts, state, _why = known
    if state not in (RunState.CRASHED, RunState.LOST):
        return False
    folder = ws.location.run_folder(record.id)
    try:
        if (folder / UNSENT_NAME).is_file():
            return True
        return (folder / JOURNAL_NAME).stat().st_size > facts.journal_bytes
    except OSError:  # there is none; or it is another person's run, whose folder is closed to us
        return False


def _send_left_rows(ws: Workspace, record: RunRecord) -> None:
    """Write what a worker could not write before it ended, perhaps how it ended among it.

    Where that cannot be done, the rows stay for somebody else: nobody came here to do it.
    """
    folder = ws.location.run_folder(record.id)
    with suppress(OSError), without_workers(folder / LOCK_NAME) as is_nobody_at_work:
        if is_nobody_at_work:
            end_last_line(folder / JOURNAL_NAME)
    with suppress(OSError, WorkbenchError):
        send_left_rows(ws, record.id)


def send_left_rows(ws: Workspace, run_id: str) -> None:
    """The same, with the reason if it cannot be done.

    Raises:
        WorkbenchError: The store does not take it.
        OSError: The journal cannot be read.
    """
    journal = ws.location.run_folder(run_id) / JOURNAL_NAME
    take_in_unsent(journal)
    send_journal(journal, ws.store, run_id)


def _summary(
    record: RunRecord,
    facts: RunFacts,
    state: RunState,
    why: str,
    overview: RunOverview,
    spark: tuple[float, ...],
    queue_place: int | None,
) -> RunSummary:
    seconds_per_step = (
        overview.recent_seconds / overview.recent_steps if overview.recent_steps else None
    )
    left = max(0, overview.total_steps - overview.step)
    seconds, paused = _seconds(facts, state, overview)
    has_eta = not state.is_over and overview.total_steps > 0 and seconds_per_step is not None
    return RunSummary(
        record=record,
        state=state,
        why=f"{why} {record.unreadable}." if record.unreadable else why,
        step=overview.step,
        total_steps=overview.total_steps,
        phase=facts.heartbeat.phase if facts.heartbeat and not state.is_over else "",
        tasks=tuple(record.config.tasks),
        best_step=overview.best_step,
        selection=overview.selection,
        metrics=overview.metrics,
        seconds=seconds,
        paused_seconds=paused,
        eta_seconds=left * (seconds_per_step or 0.0) if has_eta else None,
        texts_per_second=_per_second(overview.recent_texts, overview),
        spark=spark,
        exit=facts.exit,
        queue_place=queue_place,
        steps_per_second=_per_second(overview.recent_steps, overview),
        tokens_per_second=_per_second(overview.recent_tokens, overview),
        was_adjusted=overview.was_adjusted,
        evaluated_at=overview.evaluated_at,
    )


def _per_second(count: int, overview: RunOverview) -> float | None:
    return count / overview.recent_seconds if overview.recent_seconds > 0 else None


def _queue_places(entries: Iterable[QueueEntry | None]) -> dict[str, int]:
    """Which a waiting run is of those that wait on its machine, from 1."""
    waiting = [entry for entry in entries if entry is not None and entry.taken_at is None]
    waiting.sort(key=lambda entry: (-entry.priority, entry.position, entry.run_id))
    places: dict[str, int] = {}
    counts: dict[str, int] = {}
    for entry in waiting:
        counts[entry.host] = places[entry.run_id] = counts.get(entry.host, 0) + 1
    return places


def _seconds(facts: RunFacts, state: RunState, overview: RunOverview) -> tuple[float, float]:
    """How long a run was at work, and how long its process was paused."""
    if facts.claimed_at is None:
        return 0.0, 0.0
    if facts.exit is not None:
        end = facts.exit.at
    elif state.is_over:
        end = facts.heartbeat.at if facts.heartbeat else facts.claimed_at
    else:
        end = datetime.now(UTC)
    lasted = max(0.0, (end - facts.claimed_at).total_seconds())
    paused = min(lasted, paused_seconds(overview.pauses, facts.claimed_at, end))
    return facts.earlier_seconds + lasted - paused, paused


def find_run(ws: Workspace, ref: str, *, deleted: bool = False) -> RunRecord:
    """The run that is meant: an id, a name (its newest run), a unique prefix of an id, @last.

    Args:
        ws: Where.
        ref: What it is called by.
        deleted: Whether it may be in the trash.

    Raises:
        NotFoundError: None or several are meant; with the nearest, or with those.
    """
    return _find(ws, ws.store.runs(deleted=deleted), ref)


def find_runs(ws: Workspace, refs: Sequence[str], *, deleted: bool = False) -> dict[str, RunRecord]:
    """Several, by id, in the order given; each once. Arguments and errors as for `find_run`."""
    runs = ws.store.runs(deleted=deleted)
    by_id = {record.id: record for record in runs}
    found = (by_id.get(ref) or _find(ws, runs, ref) for ref in refs)
    return {record.id: record for record in found}


def _find(ws: Workspace, runs: Sequence[RunRecord], ref: str) -> RunRecord:
    if ref == LATEST and runs:
        return runs[0]
    for record in runs:
        if record.id == ref:
            return record
    for record in runs:
        if record.name == ref:
            return record
    begun = [record for record in runs if ref and record.id.startswith(ref)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise NotFoundError(
            f'{len(begun)} runs have an id that begins with "{ref}".',
            next_step="give more of it: " + ", ".join(record.id for record in begun[:10]),
        )
    if not runs:
        raise NotFoundError(
            f'There is no run "{ref}": there is none at all yet.',
            where=_where(ws),
            next_step="start one: mtl-workbench train quickstart",
        )
    names = {record.name for record in runs[:20]} | {record.id for record in runs[:20]}
    raise NotFoundError(
        f'There is no run "{ref}".', where=_where(ws), next_step=nearest(ref, names)
    )


def _where(ws: Workspace) -> str:
    return str(ws.location.database_file or "")


def curves(
    ws: Workspace, run_id: str, after: Mapping[SeriesKey, int] | None = None
) -> dict[SeriesKey, Curve]:
    """The curves of a run; with `after` (last known step by curve) only what is new.

    Long curves of a run that is over are packed when they are first read, so that the next time
    takes a tenth.
    """
    found = ws.store.curves(run_id, after=after)
    if not after and sum(curve.steps.size for curve in found.values()) >= _LONG_CURVES:
        # Where that cannot be done, as in a database that is only to be read, nothing is lost.
        with suppress(StoreError):
            if not ws.store.is_packed(run_id):
                ws.store.pack(run_id)
    return found


def steps(ws: Workspace, run_id: str, after: int = 0) -> StepTable:
    """What each update after step `after` cost."""
    return ws.store.steps(run_id, after=after)


def requests_obeyed(ws: Workspace, ref: str) -> list[tuple[int, Request]]:
    """What a run was asked while it was at work and did, each with the last step before it."""
    return resumption.requests_obeyed(ws.store, find_run(ws, ref).id)


def checkpoints(ws: Workspace, ref: str) -> list[CheckpointRecord]:
    """The checkpoints of a run that can be taken away, with their dev metrics, oldest first."""
    run_id = find_run(ws, ref).id
    found = ws.store.checkpoints(run_id)
    saves = saves_of(ws.store.messages(run_id))
    best: dict[str, int] = {}
    for step, message in sorted(saves.items()):
        tasks = message.body.get("best_for")
        best |= {str(task): step for task in (tasks if isinstance(tasks, list) else [])}
    return [
        replace(
            one,
            stays=one.step in saves and bool(saves[one.step].body.get("stays")),
            best_for=tuple(task for task, step in best.items() if step == one.step),
        )
        for one in found
    ]


# Log


def run_log_file(ws: Workspace, run_id: str) -> Path:
    """Where a run's worker writes what it and its libraries say."""
    return ws.location.run_folder(run_id) / LOG_NAME


def log_tail(ws: Workspace, run_id: str, lines: int = 200) -> list[str]:
    """The last lines of a run's log; none if there is no log."""
    return tail(run_log_file(ws, run_id), lines)


# Comparing


@dataclass(frozen=True)
class MetricRow:
    """One dev metric of one task, of several runs."""

    task: str
    metric: str
    values: tuple[float | None, ...]
    """One per run; None where a run does not have it."""
    best: int | None
    """Index of the best value; None if fewer than two runs have it or all are equal."""


@dataclass(frozen=True)
class Comparison:
    """Several runs side by side."""

    runs: tuple[RunSummary, ...]
    settings: list[tuple[str, tuple[str, ...]]]
    """Those that differ: dotted key, and its value as text, one per run."""
    metrics: list[MetricRow]


def compare(ws: Workspace, refs: Sequence[str]) -> Comparison:
    """Put runs side by side, in the order given; one that is named twice counts once.

    Raises:
        NotFoundError: Nothing goes by one of the names.
        WorkbenchError: Fewer than two runs are named.
    """
    found = find_runs(ws, refs)
    if len(found) < 2:
        raise WorkbenchError(
            f"{len(found)} run was named, and a comparison needs two.",
            next_step="name several runs by id, unique prefix or name: mtl-workbench runs",
        )
    keepings = ws.store.keepings()
    read = _read_runs(ws, list(found.values()))
    summaries = tuple(_kept(summary, summary.record, keepings) for summary in read)
    return Comparison(
        runs=summaries,
        settings=_differing_settings([summary.record.config for summary in summaries]),
        metrics=_metric_rows(summaries),
    )


def dev_curves(ws: Workspace, runs: Sequence[RunSummary]) -> list[dict[SeriesKey, Curve]]:
    """The curves of evaluations on dev of several runs, in their order, in three queries."""
    ids = [run.record.id for run in runs]
    keys = {
        key
        for found in ws.store.series_of_runs(ids).values()
        for key in found
        if key.split == "dev"
    }
    found = ws.store.curves_of_runs(ids, sorted(keys))
    return [found.get(run_id, {}) for run_id in ids]


def _differing_settings(configs: Sequence[ExperimentConfig]) -> list[tuple[str, tuple[str, ...]]]:
    flat = [
        dict(_leaves(config.model_dump(mode="json", exclude={"name"}), "")) for config in configs
    ]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    found = []
    for key in keys:
        values = [settings.get(key, _NO_SETTING) for settings in flat]
        if all(value == values[0] for value in values):
            continue  # most are: of fifty runs, words for each would take longer than all the rest
        words = tuple(ABSENT if value is _NO_SETTING else _as_text(value) for value in values)
        if len(set(words)) > 1:
            found.append((key, words))
    return found


_NO_SETTING = object()


def _leaves(settings: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def flat_settings(settings: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested settings by their dotted keys, each value as text."""
    return {key: _as_text(value) for key, value in _leaves(settings, prefix)}


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _metric_rows(summaries: Sequence[RunSummary]) -> list[MetricRow]:
    tasks = dict.fromkeys(task for summary in summaries for task in summary.metrics)
    rows = []
    for task in tasks:
        metrics = dict.fromkeys(
            metric for summary in summaries for metric in summary.metrics.get(task, {})
        )
        for metric in metrics:
            values = tuple(
                _known(summary.metrics.get(task, {}).get(metric)) for summary in summaries
            )
            rows.append(MetricRow(task, metric, values, best_of(metric, values)))
    return rows


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def best_of(metric: str, values: Sequence[float | None]) -> int | None:
    """Index of the best value; None if fewer than two are known or all are equal."""
    known = {index: value for index, value in enumerate(values) if value is not None}
    if len(set(known.values())) < 2:
        return None
    choose = min if metric in LOWER_IS_BETTER else max
    return choose(known, key=lambda index: known[index])
