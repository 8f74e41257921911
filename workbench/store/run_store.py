"""All that is known of all runs: events go in, frozen records come out.

Synchronous and safe to use from several threads and processes: every call is one short
transaction on a connection of its own. Here is what can be asked; the SQL behind it is in

- `event_rows`: how an event becomes rows;
- `life`: launches, claims, heartbeats, exits;
- `queue_rows`: who waits for a worker, in which order;
- `stored_config`: settings that another version wrote;
- `series_rows`: which curves there are; `curves`: points and steps, out again as arrays;
- `overviews`: the queries behind the list of runs;
- `keeping`: stars, tags, notes, archive and trash.

How a schema is made and kept up is in `schema`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Row, delete, func, select, text, update
from sqlalchemy.engine import Engine
from sqlalchemy.pool import PoolProxiedConnection

from workbench import control
from workbench.config.experiment import ExperimentConfig
from workbench.control import Request
from workbench.errors import NotFoundError, StoreError
from workbench.events import Event, LayersMixed, RunFinished, RunStarted, ShowcaseComputed
from workbench.paths import safe_relative
from workbench.store import (
    event_json,
    event_rows,
    keeping,
    life,
    overviews,
    queue_rows,
    schema,
    stored_config,
)
from workbench.store.database import Database
from workbench.store.records import (
    CheckpointRecord,
    Curve,
    ExitRecord,
    ExportRecord,
    Heartbeat,
    Keeping,
    MessageRecord,
    ProcessIdentity,
    QueueEntry,
    RunFacts,
    RunOverview,
    RunRecord,
    SeriesKey,
    StepTable,
)
from workbench.store.series_rows import series_ids
from workbench.store.tables import (
    checkpoints,
    claims,
    commands,
    exits,
    exports,
    journals,
    launches,
    messages,
    packed_curves,
    points,
    runs,
    series,
    steps,
)
from workbench.store.upsert import upsert

_OF_ITS_MOMENT = ("stop", "stop now", "pause", "resume")
"""Requests that mean nothing to a process that begins later."""

EventKind = TypeVar("EventKind", LayersMixed, RunStarted, RunFinished, ShowcaseComputed)


class RunStore:
    """The runs of one database."""

    def __init__(self, database: Database, *, copied_to: str = "") -> None:
        self._database = database
        self.copied_to = copied_to
        """Where the database was copied to before its schema was changed just now; else empty."""
        self._series_ids: dict[str, dict[SeriesKey, int]] = {}
        self._series_generation = 0
        """Of the file that these ids are of: in another they may be those of other runs."""
        self._configs: dict[str, tuple[ExperimentConfig, str]] = {}
        self._lock = Lock()
        self._watch: PoolProxiedConnection | None = None
        self._watched: tuple[int, int] | None = None

    @classmethod
    def open(cls, url: str) -> RunStore:
        """Open a database; a new one gets its tables, an older one is migrated after a backup.

        Raises:
            StoreError: It is no database, it is damaged, it belongs to another program, or its
                schema is newer than this program.
        """
        database = Database(url)
        copied_to = schema.prepare(database)
        return cls(database, copied_to=copied_to)

    def impatient(self, patience_seconds: float) -> RunStore:
        """The same store for somebody who would rather come again than wait for others."""
        return RunStore(Database(self.url, patience_seconds=patience_seconds))

    @property
    def url(self) -> str:
        """The SQLAlchemy URL that it was opened with."""
        return self._database.url

    @property
    def engine(self) -> Engine:
        """For tests and repairs; everything else goes through the methods."""
        return self._database.engine

    @property
    def was_replaced(self) -> bool:
        """Whether the database file was gone, or is another one than when it was opened."""
        return self._database.was_replaced

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
        self._database.close()

    def salvage(self, damaged: Path) -> dict[str, int]:
        """Take in what can still be read of a damaged file; how many rows, by table."""
        from workbench.store import health  # seldom needed

        with self._database.write() as connection:
            return health.salvage(damaged, connection)

    # Runs

    def add_run(
        self,
        record: RunRecord,
        *,
        kept: Keeping | None = None,
        exported: Sequence[ExportRecord] = (),
    ) -> None:
        """Write a run down before anything is done for it; one that is made anew together with
        what was added to it.
        """
        with self._database.write() as connection:
            connection.execute(
                runs.insert().values(
                    id=record.id,
                    name=record.name,
                    created_at=record.created_at,
                    config=record.config.model_dump_json(),
                    source=record.source,
                    parent_id=record.parent_id,
                    parent_step=record.parent_step,
                )
            )
            if kept is not None:
                keeping.write(connection, {record.id: kept})
            _add_exports(connection, record.id, exported)

    def runs(self, *, deleted: bool = False) -> list[RunRecord]:
        """All runs, newest first; those in the trash only if `deleted`."""
        query = select(runs).order_by(runs.c.created_at.desc(), runs.c.id.desc())
        if not deleted:
            query = query.where(runs.c.id.not_in(keeping.DELETED))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [self._run_record(row) for row in rows]

    def run(self, run_id: str) -> RunRecord:
        """One run by its full id.

        Raises:
            NotFoundError: There is none of that id.
        """
        with self._database.read() as connection:
            row = connection.execute(select(runs).where(runs.c.id == run_id)).one_or_none()
        if row is None:
            raise _no_run(run_id)
        return self._run_record(row)

    def delete_run(self, run_id: str) -> None:
        """Forget a run with everything it said. Its folder is not touched."""
        with self._database.write() as connection:
            # By hand for the two big tables: cascading row by row takes several times as long.
            ids = select(series.c.id).where(series.c.run_id == run_id)
            connection.execute(delete(points).where(points.c.series_id.in_(ids)))
            connection.execute(delete(packed_curves).where(packed_curves.c.series_id.in_(ids)))
            connection.execute(delete(steps).where(steps.c.run_id == run_id))
            gone = connection.execute(delete(runs).where(runs.c.id == run_id)).rowcount
        with self._lock:
            self._series_ids.pop(run_id, None)
            self._configs.pop(run_id, None)
        if not gone:
            raise _no_run(run_id)

    def _run_record(self, row: Row[Any]) -> RunRecord:
        found = self._configs.get(row.id)
        if found is None:
            found = stored_config.read_config(row.config)
            self._configs[row.id] = found  # settings of a run never change
        return RunRecord(
            id=row.id,
            name=row.name,
            created_at=row.created_at,
            config=found[0],
            source=row.source,
            parent_id=row.parent_id,
            parent_step=row.parent_step,
            unreadable=found[1],
        )

    # What people add

    def keepings(self) -> dict[str, Keeping]:
        """What people added to runs; a run that nothing was added to is left out."""
        with self._database.read() as connection:
            return keeping.read(connection)

    def keeping(self, run_id: str) -> Keeping:
        """The same of one run."""
        with self._database.read() as connection:
            return keeping.read(connection, run_id).get(run_id, Keeping())

    def keep(self, wanted: Mapping[str, Keeping], names: Mapping[str, str] | None = None) -> None:
        """Put these in the place of what was added to each run, and call runs otherwise.

        All of it or nothing, in one transaction.
        """
        with self._database.write() as connection:
            keeping.write(connection, wanted)
            keeping.rename(connection, names or {})

    # Life

    def record_launch(
        self, run_id: str, process: ProcessIdentity, *, at: datetime | None = None
    ) -> None:
        """Note which process was started for a run, just now by default."""
        with self._database.write() as connection:
            life.note_process(connection, launches, run_id, process, at=at)

    def claim(
        self,
        run_id: str,
        process: ProcessIdentity,
        *,
        is_live: Callable[[ProcessIdentity], bool] = lambda process: True,
        again: bool = False,
    ) -> bool:
        """Take a run for a process: the first act of a worker.

        Args:
            run_id: The run.
            process: Who claims it.
            is_live: Whether the process of an earlier claim may still be at work. Without it
                every earlier claim counts.
            again: The run is to go on although it is over: how it ended is forgotten, and so are
                wishes to stop or pause that nobody obeyed.

        Returns:
            Whether the run is now this process's. False if it is over, or if another live
            process has it.
        """
        with self._database.write() as connection:
            # The row of the run is locked, so that on PostgreSQL two claims wait for each other.
            run = select(runs.c.id).where(runs.c.id == run_id).with_for_update()
            if connection.execute(run).first() is None:
                raise _no_run(run_id)
            end = select(exits.c.run_id).where(exits.c.run_id == run_id)
            has_ended = connection.execute(end).first() is not None
            if has_ended and not again:
                return False
            # Whoever has written the end has let go, wherever it is: it need not be looked for.
            owner = None if has_ended else life.owner_of(connection, run_id)
            if owner is not None and owner != process and is_live(owner):
                return False
            earlier = 0.0
            if again:
                earlier = life.begin_again(connection, run_id)
                connection.execute(
                    update(commands)
                    .where(commands.c.run_id == run_id, commands.c.taken_at.is_(None))
                    .where(commands.c.kind.in_(_OF_ITS_MOMENT))
                    .values(taken_at=datetime.now(UTC))
                )
            life.note_process(connection, claims, run_id, process, earlier_seconds=earlier)
        return True

    def note_claim(self, run_id: str, process: ProcessIdentity, *, at: datetime) -> None:
        """Write down which process took a run, where nobody else has."""
        with self._database.write() as connection:
            life.note_process(connection, claims, run_id, process, at=at)

    def facts(self, run_id: str) -> RunFacts:
        """What is known of the life of one run."""
        with self._database.read() as connection:
            row = connection.execute(life.FACTS.where(runs.c.id == run_id)).mappings().one_or_none()
        if row is None:
            raise _no_run(run_id)
        return life.facts_of(row)

    def all_facts(self, run_ids: Sequence[str] | None = None) -> dict[str, RunFacts]:
        """The same for all runs, or for some, in one query."""
        query = life.FACTS if run_ids is None else life.FACTS.where(runs.c.id.in_(run_ids))
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return {row["id"]: life.facts_of(row) for row in rows}

    def end_marks(self) -> dict[str, tuple[datetime, datetime | None]]:
        """When each run ended that has, and when its dev split was last evaluated."""
        query = select(exits.c.run_id, exits.c.at, overviews.last_evaluated(exits.c.run_id))
        with self._database.read() as connection:
            return {
                run_id: (at, evaluated_at) for run_id, at, evaluated_at in connection.execute(query)
            }

    def beat(self, run_id: str, heartbeat: Heartbeat) -> None:
        """Replace the last sign of life."""
        with self._database.write() as connection:
            life.note_heartbeat(connection, run_id, heartbeat)

    def record_exit(self, run_id: str, exit: ExitRecord) -> None:
        """Note how a run ended."""
        with self._database.write() as connection:
            life.note_exit(connection, run_id, exit)

    # Queue

    def queue(self, host: str | None = None) -> list[QueueEntry]:
        """Who waits or was given a worker, in the order in which they are taken."""
        with self._database.read() as connection:
            return queue_rows.entries(connection, host)

    def enqueue(self, run_id: str, host: str, *, priority: int = 0) -> None:
        """Put a run at the end of those of its priority."""
        with self._database.write() as connection:
            queue_rows.add(connection, run_id, host, priority)

    def move_in_queue(self, run_id: str, place: int) -> bool:
        """Let a waiting run be the `place`-th, counted from 1; False if it does not wait."""
        with self._database.write() as connection:
            return queue_rows.move(connection, run_id, place)

    def prioritise_in_queue(self, run_id: str, priority: int) -> None:
        """Give a waiting run another priority."""
        with self._database.write() as connection:
            queue_rows.prioritise(connection, run_id, priority)

    def take_from_queue(
        self, run_id: str, device: str | None, *, beside: Collection[str] = ()
    ) -> bool:
        """Note that a worker is started for it; False if it does not wait any more, or if others
        than those `beside` it are taken on its machine.
        """
        with self._database.write() as connection:
            return queue_rows.take(connection, run_id, device, beside)

    def give_back_to_queue(self, run_id: str) -> None:
        """Let a run wait again that was taken and not begun."""
        with self._database.write() as connection:
            queue_rows.give_back(connection, run_id)

    def leave_queue(self, run_id: str, *, waiting_only: bool = False) -> bool:
        """Take a run out; whether it was there."""
        with self._database.write() as connection:
            return queue_rows.remove(connection, run_id, waiting_only=waiting_only)

    def queue_settings(self, host: str) -> dict[str, Any]:
        """What was set for the queue of a machine."""
        with self._database.read() as connection:
            return queue_rows.settings(connection, host)

    def change_queue_settings(self, host: str, values: Mapping[str, Any]) -> None:
        """Set some of it."""
        with self._database.write() as connection:
            queue_rows.change_settings(connection, host, values)

    # Commands

    def send(self, run_id: str, *requests: Request) -> None:
        """Leave requests for the worker of a run, in one transaction."""
        rows = [
            {
                "run_id": run_id,
                "kind": control.kind_of(request),
                "sent_at": datetime.now(UTC),
                "body": control.to_json(request),
            }
            for request in requests
        ]
        with self._database.write() as connection:
            connection.execute(commands.insert(), rows)

    def take_commands(self, run_id: str) -> list[Request]:
        """The requests that came since the last call, oldest first; each is given out once.

        One that a newer program left, and that means nothing here, is passed over.
        """
        waiting = (
            select(commands.c.id, commands.c.kind, commands.c.body)
            .where(commands.c.run_id == run_id, commands.c.taken_at.is_(None))
            .order_by(commands.c.id)
        )
        # A worker asks twice a second: look without the write lock, which is seldom needed.
        with self._database.read() as connection:
            if connection.execute(waiting).first() is None:
                return []
        with self._database.write() as connection:
            rows = connection.execute(waiting.with_for_update()).all()
            connection.execute(
                update(commands)
                .where(commands.c.id.in_([row.id for row in rows]))
                .values(taken_at=datetime.now(UTC))
            )
        requests = []
        for row in rows:
            with suppress(KeyError, TypeError, ValueError):
                requests.append(control.from_json(row.kind, row.body))
        return requests

    # Events in

    def append(
        self,
        run_id: str,
        events: Sequence[Event],
        *,
        heartbeat: Heartbeat | None = None,
        exit: ExitRecord | None = None,
        at: datetime | None = None,
        journal: tuple[int, int] | None = None,
    ) -> None:
        """Keep what a run said, in one transaction: all of it or nothing.

        A step that was there already is replaced, so that a batch can be sent again and a
        resumed run writes over what it repeats.

        Args:
            run_id: The run.
            events: In the order in which they happened.
            heartbeat: The sign of life that comes with them.
            exit: How the run ended, if these are its last events.
            at: When the events happened, if it was not just now.
            journal: Which bytes of the run's journal these events are. What is in the store
                already is not written again, whoever sends it and however often.

        Raises:
            NotFoundError: There is no such run (any more).
            StoreError: Among others: the store lacks what comes before these bytes.
        """
        rows = event_rows.collect(events, at=at or datetime.now(UTC))
        with self._database.write() as connection:
            generation = self._database.generation
            known = self._known_series(run_id, generation)
            # Locked, so that on PostgreSQL two that send the same bytes wait for each other.
            run = select(runs.c.id).where(runs.c.id == run_id).with_for_update()
            if connection.execute(run).first() is None:
                raise _no_run(run_id)
            if journal is not None and not self._advance(connection, run_id, *journal):
                return
            missing = rows.points.keys() - known.keys()
            if missing:
                known = series_ids(connection, run_id, missing)
            event_rows.write(connection, run_id, rows, series_ids=known)
            if heartbeat is not None:
                life.note_heartbeat(connection, run_id, heartbeat)
            if exit is not None:
                life.note_exit(connection, run_id, exit)
        if missing:  # only now: ids of a transaction that was rolled back do not exist
            with self._lock:
                if self._series_generation == generation:
                    self._series_ids[run_id] = known

    def _known_series(self, run_id: str, generation: int) -> dict[SeriesKey, int]:
        """Ids of a run's curves in that file, as far as they were looked up."""
        with self._lock:
            if self._series_generation != generation:
                self._series_ids.clear()
                self._series_generation = generation
            return self._series_ids.get(run_id, {})

    def _advance(self, connection: Connection, run_id: str, start: int, end: int) -> bool:
        """Note how far the journal is in; False if these bytes are in already."""
        known = connection.scalar(select(journals.c.bytes).where(journals.c.run_id == run_id)) or 0
        if known >= end:
            return False
        if known != start:
            raise StoreError(
                f"The journal of run {run_id} is in up to byte {known}, not {start}.",
                where=self._database.where,
                next_step=f"send what is missing: mtl-workbench repair {run_id}",
            )
        connection.execute(upsert(connection, journals), {"run_id": run_id, "bytes": end})
        return True

    def journal_bytes(self, run_id: str) -> int:
        """How much of a run's journal is in the store."""
        query = select(journals.c.bytes).where(journals.c.run_id == run_id)
        with self._database.read() as connection:
            return connection.scalar(query) or 0

    def set_journal_bytes(self, run_id: str, size: int) -> None:
        """Correct it, where the file is another one than before."""
        with self._database.write() as connection:
            connection.execute(upsert(connection, journals), {"run_id": run_id, "bytes": size})

    def add_export(self, run_id: str, record: ExportRecord) -> None:
        """Note that a checkpoint was taken away."""
        with self._database.write() as connection:
            _add_exports(connection, run_id, [record])

    # Curves out

    def series(self, run_id: str) -> list[SeriesKey]:
        """Which curves there are, in the order in which they first had a point."""
        with self._database.read() as connection:
            return list(series_ids(connection, run_id))

    def curves(
        self,
        run_id: str,
        *,
        after: Mapping[SeriesKey, int] | None = None,
        keys: Collection[SeriesKey] | None = None,
    ) -> dict[SeriesKey, Curve]:
        """The points of the curves of a run.

        Args:
            run_id: The run.
            after: By curve, the last step that the caller has: only later ones are read.
            keys: Only these curves; all by default.

        Returns:
            By curve; one without (new) points is left out.
        """
        from workbench.store import curves  # numpy

        after = after or {}
        with self._database.read() as connection:
            ids = series_ids(connection, run_id)
            wanted = [key for key in ids if keys is None or key in keys]
            # Whoever has points already wants a few more: the packed ones are for a first look.
            packed = (
                {}
                if after
                else curves.read_packed(connection, run_id, [ids[key] for key in wanted])
            )
            found = {
                key: packed.get(ids[key])
                or curves.read_curve(connection, ids[key], after=after.get(key, -1))
                for key in wanted
            }
        return {key: curve for key, curve in found.items() if curve.steps.size}

    def curves_of_runs(
        self, run_ids: Sequence[str], keys: Sequence[SeriesKey]
    ) -> dict[str, dict[SeriesKey, Curve]]:
        """A few curves of many runs, in a fixed number of queries: by run, by curve.

        A run or curve without points is left out.
        """
        from workbench.store import curves  # numpy

        with self._database.read() as connection:
            return curves.read_curves_of_runs(connection, run_ids, keys)

    def series_of_runs(self, run_ids: Sequence[str]) -> dict[str, list[SeriesKey]]:
        """Which curves many runs have, in the order in which they first had a point."""
        query = select(series).where(series.c.run_id.in_(run_ids)).order_by(series.c.id)
        found: dict[str, list[SeriesKey]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                key = SeriesKey(row.split, row.task, row.metric)
                found.setdefault(row.run_id, []).append(key)
        return found

    def pack(self, run_id: str) -> int:
        """Copy the curves of a run that is over to where they are read in one go.

        Returns:
            How many curves were copied; 0 for a run that is not over.
        """
        from workbench.store import curves  # numpy

        # Read first: a lock on all writers for as long as a million points take is no kindness.
        with self._database.read() as connection:
            rows = curves.rows_to_pack(connection, run_id)
        if rows:
            with self._database.write() as connection:
                curves.write_packed(connection, rows)
        return len(rows)

    def is_packed(self, run_id: str) -> bool:
        """Whether a copy of the curves was made after the run's end."""
        query = (
            select(packed_curves.c.series_id)
            .join(series, series.c.id == packed_curves.c.series_id)
            .join(exits, exits.c.run_id == series.c.run_id)
            .where(series.c.run_id == run_id, exits.c.at == packed_curves.c.exited_at)
            .limit(1)
        )
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def steps(self, run_id: str, *, after: int = 0) -> StepTable:
        """What each update after step `after` cost."""
        from workbench.store import curves  # numpy

        with self._database.read() as connection:
            return curves.read_steps(connection, run_id, after=after)

    def latest_step(self, run_id: str) -> int:
        """The last step of which there is a record; 0 before the first."""
        with self._database.read() as connection:
            last = connection.scalar(select(func.max(steps.c.step)).where(steps.c.run_id == run_id))
        return last or 0

    def sparks(self, run_ids: Sequence[str], points: int = 24) -> dict[str, tuple[float, ...]]:
        """The total train loss of several runs, thinned evenly over the steps, in one query.

        Returns:
            By run, at most `points` values; a run without any is left out.
        """
        with self._database.read() as connection:
            return overviews.sparks(connection, run_ids, points)

    def overviews(self, run_ids: Sequence[str] | None = None) -> dict[str, RunOverview]:
        """Progress and metrics of all runs, or of some, in a fixed number of queries."""
        with self._database.read() as connection:
            return overviews.overviews(connection, run_ids)

    def overview(self, run_id: str) -> RunOverview:
        """The same for one run."""
        with self._database.read() as connection:
            found = overviews.overviews(connection, [run_id])
        if run_id not in found:
            raise _no_run(run_id)
        return found[run_id]

    # Records out

    def checkpoints(self, run_id: str) -> list[CheckpointRecord]:
        """The checkpoints that can be taken away, with their dev metrics, oldest first."""
        query = select(checkpoints).where(checkpoints.c.run_id == run_id).order_by("step")
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            metrics = overviews.dev_metrics(connection, run_id, [row.step for row in rows])
        best = max((row.step for row in rows if row.is_best), default=None)
        last = max((row.step for row in rows), default=None)
        return [
            CheckpointRecord(
                step=row.step,
                folder=safe_relative(row.folder),
                saved_at=row.saved_at,
                is_best=row.step == best,
                is_last=row.step == last,
                selection=row.selection,
                bytes=row.bytes,
                metrics=metrics.get(row.step, {}),
            )
            for row in rows
        ]

    def started(self, run_id: str) -> RunStarted | None:
        """How the run began, once it has."""
        return self._latest(run_id, RunStarted)

    def layers_mixed(self, run_id: str) -> LayersMixed | None:
        """Which layers the tasks last read, if some of them mix them."""
        return self._latest(run_id, LayersMixed)

    def finished(self, run_id: str) -> RunFinished | None:
        """How the run came to its end, if it did."""
        return self._latest(run_id, RunFinished)

    def showcase(self, run_id: str) -> ShowcaseComputed | None:
        """Vectors and predictions of the texts of `[showcase]`, if they were computed."""
        return self._latest(run_id, ShowcaseComputed)

    def messages(self, run_id: str) -> list[MessageRecord]:
        """Everything but steps and evaluations that the run said, in order."""
        query = select(messages).where(messages.c.run_id == run_id).order_by(messages.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [MessageRecord(row.at, row.kind, json.loads(row.body)) for row in rows]

    def exports(self, run_id: str) -> list[ExportRecord]:
        """What was taken away, oldest first."""
        query = select(exports).where(exports.c.run_id == run_id).order_by(exports.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            ExportRecord(
                row.at,
                row.format,
                row.folder,
                row.step,
                math.nan if row.largest_difference is None else row.largest_difference,
            )
            for row in rows
        ]

    def _latest(self, run_id: str, kind: type[EventKind]) -> EventKind | None:
        query = (
            select(messages.c.body)
            .where(messages.c.run_id == run_id, messages.c.kind == kind.__name__)
            .order_by(messages.c.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            body = connection.scalar(query)
        return None if body is None else cast(EventKind, event_json.from_json(kind.__name__, body))

    # Changes

    def data_version(self) -> int:
        """A number that differs from the last one if anything was written in between.

        Only that it differs means something. It costs some microseconds on SQLite, so that a
        screen may ask before each look.
        """
        if self._database.engine.dialect.name != "sqlite":
            # Moves with every write to the server: at times without need, never too seldom.
            query = text("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
            with self._database.read() as connection:
                return int(connection.scalar(query))
        with self._lock, self._database.errors():
            self._database.look_at_file()
            if self._watch is not None and self._watched != self._database.inode:
                self._watch.close()
                self._watch = None
            if self._watch is None:
                self._watched = self._database.inode
                # Kept, since SQLite compares with the last look of the same connection; and not
                # SQLAlchemy's, which would stay inside a transaction and see no change.
                self._watch = self._database.engine.raw_connection()
            cursor = self._watch.cursor()
            try:
                return int(cursor.execute("PRAGMA data_version").fetchone()[0])
            finally:
                cursor.close()


def _add_exports(connection: Connection, run_id: str, records: Sequence[ExportRecord]) -> None:
    rows = [
        {
            "run_id": run_id,
            "at": record.at,
            "format": record.format,
            "folder": record.folder,
            "step": record.step,
            "largest_difference": event_rows.finite(record.largest_difference),
        }
        for record in records
    ]
    if rows:
        connection.execute(exports.insert(), rows)


def _no_run(run_id: str) -> NotFoundError:
    return NotFoundError(
        f'There is no run "{run_id}".', next_step="see the runs: mtl-workbench runs"
    )
