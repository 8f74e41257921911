from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from postgresql_server import PostgresqlServer
from schemas import FIRST_DAY, rows_of, write_schema_1
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from workbench.config.experiment import ExperimentConfig
from workbench.control import (
    SetLogInterval,
    SetRateScale,
    SetWeight,
    Stop,
    StopNow,
    kind_of,
    to_json,
)
from workbench.errors import NotFoundError, StoreError
from workbench.events import (
    CheckpointRemoved,
    CheckpointSaved,
    EvaluationFinished,
    Event,
    PhaseStarted,
    RequestObeyed,
    RunFailed,
    RunFinished,
    RunStarted,
    ShowcaseComputed,
    StepFinished,
    TaskDescribed,
    Warned,
)
from workbench.store import event_json, schema
from workbench.store.database import Database
from workbench.store.records import (
    ExitRecord,
    ExportRecord,
    Heartbeat,
    ProcessIdentity,
    RunRecord,
    SeriesKey,
)
from workbench.store.run_store import RunStore
from workbench.store.tables import metadata

NOW = datetime(2026, 11, 22, 12, 30, 15, 250000, tzinfo=UTC)
TOTAL = SeriesKey("train", "", "loss")
ALICE = ProcessIdentity(100, 1000.5, "boot-1", "box")
BOB = ProcessIdentity(200, 2000.5, "boot-1", "box")
CONFIG = ExperimentConfig.model_validate(
    {
        "name": "two tasks",
        "tasks": {
            "question": {"kind": "classification", "data": {"train": "q.jsonl"}},
            "entity": {"kind": "tagging", "data": {"train": "e.conll"}},
        },
    }
)
STARTED = RunStarted(
    total_steps=10,
    steps_per_epoch=5,
    tasks=(TaskDescribed("question", "classification", ("a", "ü"), {"train": 9}, {"train": 0}),),
    device="cpu",
    precision="fp32",
    trainable_parameters=10,
    total_parameters=20,
    frozen_checksum="",
)
SHOWCASE = ShowcaseComputed(
    texts=("one",),
    vectors=((0.5, -0.25),),
    labels={"question": ("a", "ü")},
    logits={"question": ((1.0, 2.0),)},
    entities={"entity": ((("Berlin", "LOC"),),)},
)


def a_run(run_id: str = "abc", *, created_at: datetime = NOW) -> RunRecord:
    return RunRecord(run_id, CONFIG.name, created_at, CONFIG, "quickstart")


def a_step(step: int, *, loss: float | None = None) -> StepFinished:
    return StepFinished(
        step=step,
        epoch=step / 5,
        losses={"question": 1 / step if loss is None else loss, "entity": 2 / step},
        total_loss=3 / step if loss is None else loss,
        learning_rates={"backbone": 1e-4, "heads": 1e-3},
        gradient_norm=1.5,
        texts=32,
        tokens=500,
        seconds=0.1,
    )


def an_evaluation(step: int, accuracy: float, *, selection: float | None = 0.5) -> Event:
    return EvaluationFinished(
        step=step,
        split="dev",
        metrics={"question": {"accuracy": accuracy, "loss": 1 - accuracy}},
        selection=selection,
        seconds=1.0,
    )


def a_checkpoint(step: int, *, is_best: bool) -> CheckpointSaved:
    return CheckpointSaved(step, f"checkpoints/{step}", is_best, 0.5, 3_000_000_000)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'experiments.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    """A database of either kind, empty."""
    if request.param == "sqlite":
        return sqlite_url
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    server.empty()
    return server.url


@pytest.fixture
def store(url: str) -> Iterator[RunStore]:
    store = RunStore.open(url)
    store.add_run(a_run())
    yield store
    store.close()


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[RunStore]:
    store = RunStore.open(sqlite_url)
    store.add_run(a_run())
    yield store
    store.close()


# Runs


def test_a_run_comes_back_as_it_went_in(store: RunStore) -> None:
    assert store.run("abc") == a_run()


def test_runs_come_newest_first(store: RunStore) -> None:
    store.add_run(a_run("old", created_at=NOW - timedelta(days=1)))
    store.add_run(a_run("new", created_at=NOW + timedelta(days=1)))

    assert [record.id for record in store.runs()] == ["new", "abc", "old"]


def test_an_unknown_run_is_not_found(store: RunStore) -> None:
    with pytest.raises(NotFoundError, match='There is no run "nope"'):
        store.run("nope")
    with pytest.raises(NotFoundError):
        store.facts("nope")
    with pytest.raises(NotFoundError):
        store.append("nope", [Warned("x")])


def test_a_deleted_run_leaves_nothing_behind(store: RunStore) -> None:
    store.append("abc", [STARTED, a_step(1), an_evaluation(1, 0.5), a_checkpoint(1, is_best=True)])
    store.claim("abc", ALICE)
    store.send("abc", Stop())

    store.delete_run("abc")

    with store.engine.connect() as connection:
        for table in metadata.sorted_tables:
            assert connection.execute(table.select()).all() == [], table.name


def test_a_worker_of_a_deleted_run_cannot_write_into_a_new_one(url: str, store: RunStore) -> None:
    store.append("abc", [a_step(1)])
    other = RunStore.open(url)
    other.delete_run("abc")
    other.add_run(a_run("new"))
    other.append("new", [a_step(1)])

    with pytest.raises(NotFoundError):
        store.append("abc", [a_step(2)])

    assert other.curves("new")[TOTAL].steps.tolist() == [1]
    other.close()


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_store_writes_into_no_curve_of_another_run_in_a_file_that_was_made_anew(
    sqlite_url: str, sqlite_store: RunStore, tmp_path: Path, is_noticed: bool
) -> None:
    sqlite_store.append("abc", [a_step(1)])
    for file in tmp_path.glob("experiments.db*"):
        file.rename(file.with_name(f"away-{file.name}"))
    if is_noticed:  # then a new file may even get the number of the one that was there
        with pytest.raises(StoreError, match="is gone"):
            sqlite_store.append("abc", [a_step(2)])
    other = RunStore.open(sqlite_url)
    for run_id in ("new", "abc"):
        other.add_run(a_run(run_id))
    other.append("new", [a_step(1, loss=0.25)])

    sqlite_store.append("abc", [a_step(2)])

    assert other.curves("new")[TOTAL].steps.tolist() == [1]
    assert other.curves("abc")[TOTAL].steps.tolist() == [2]
    other.close()


# Life


def test_facts_are_empty_before_anything_happened(store: RunStore) -> None:
    facts = store.facts("abc")

    assert (facts.process, facts.launched, facts.heartbeat, facts.exit) == (None,) * 4


def test_facts_hold_what_was_noted(store: RunStore) -> None:
    beat = Heartbeat(NOW, "training", 7, 30.0)
    exit = ExitRecord("failed", NOW, "loss is NaN", "step 8", "lower the rate", "Traceback")
    store.record_launch("abc", BOB)
    store.claim("abc", ALICE)
    store.beat("abc", Heartbeat(NOW, "starting", 0, 120.0))
    store.beat("abc", beat)
    store.record_exit("abc", exit)

    facts = store.facts("abc")

    assert (facts.launched, facts.process, facts.heartbeat, facts.exit) == (BOB, ALICE, beat, exit)
    assert facts.claimed_at is not None
    assert facts.claimed_at.tzinfo is UTC
    assert store.all_facts() == {"abc": facts}


def test_a_run_is_claimed_by_one_process_only(store: RunStore) -> None:
    assert store.claim("abc", ALICE)
    assert store.claim("abc", ALICE)
    assert not store.claim("abc", BOB)

    assert store.facts("abc").process == ALICE


def test_a_claim_of_a_dead_process_can_be_taken_over(store: RunStore) -> None:
    store.claim("abc", ALICE)

    assert store.claim("abc", BOB, is_live=lambda process: process != ALICE)


def test_a_run_that_is_over_cannot_be_claimed(store: RunStore) -> None:
    store.record_exit("abc", ExitRecord("finished", NOW))

    assert not store.claim("abc", ALICE)


def test_a_run_that_has_ended_goes_on_wherever_its_process_was(store: RunStore) -> None:
    store.claim("abc", ALICE)
    assert not store.claim("abc", BOB, again=True)
    store.record_exit("abc", ExitRecord("stopped", NOW))

    assert store.claim("abc", BOB, again=True)  # nobody here can see whether ALICE is there

    assert (store.facts("abc").exit, store.facts("abc").process) == (None, BOB)


def test_a_run_that_ended_before_it_began_is_at_work_when_it_goes_on(store: RunStore) -> None:
    store.record_exit("abc", ExitRecord("stopped", NOW))

    store.claim("abc", ALICE, again=True)

    assert store.facts("abc").exit is None


def test_of_many_claims_at_once_one_wins(url: str, store: RunStore) -> None:
    stores = [RunStore.open(url) for _ in range(6)]
    won: list[bool] = []

    def claim(number: int) -> None:
        won.append(stores[number].claim("abc", ALICE._replace(pid=number)))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for opened in stores:
        opened.close()

    assert sorted(won) == [False] * 5 + [True]


def test_a_moment_without_a_time_zone_is_refused(store: RunStore) -> None:
    with pytest.raises(Exception, match="no time zone"):
        store.beat("abc", Heartbeat(NOW.replace(tzinfo=None), "training", 1, 1.0))


# Commands


def test_a_run_that_was_taken_meanwhile_is_moved_no_more(store: RunStore) -> None:
    store.enqueue("abc", "box")
    assert store.move_in_queue("abc", 1)
    store.take_from_queue("abc", None)

    assert not store.move_in_queue("abc", 1)


def test_of_many_that_take_the_next_run_at_once_one_does(url: str, store: RunStore) -> None:
    store.add_run(a_run("def"))
    store.enqueue("abc", "box")
    store.enqueue("def", "box")
    stores = [RunStore.open(url) for _ in range(6)]
    won: list[bool] = []

    def take(number: int) -> None:
        won.append(stores[number].take_from_queue(("abc", "def")[number % 2], None))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for opened in stores:
        opened.close()

    assert sorted(won) == [False] * 5 + [True]


def test_each_command_is_handed_out_once_and_in_order(url: str, store: RunStore) -> None:
    store.send("abc", Stop())
    store.send("abc", StopNow())
    other = RunStore.open(url)

    assert store.take_commands("abc") == [Stop(), StopNow()]
    assert other.take_commands("abc") == store.take_commands("abc") == []
    other.close()


def test_a_request_keeps_its_values(store: RunStore) -> None:
    store.send("abc", SetWeight("question", 0.25), Stop())

    assert store.take_commands("abc") == [SetWeight("question", 0.25), Stop()]


def test_a_request_of_a_newer_program_is_passed_over(store: RunStore) -> None:
    store.send("abc", Stop(), StopNow())
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE commands SET kind = 'sing' WHERE kind = 'stop'")

    assert store.take_commands("abc") == [StopNow()]


# Events


def test_a_step_becomes_points_of_its_curves(store: RunStore) -> None:
    store.append("abc", [a_step(1), a_step(2)])

    curves = store.curves("abc")

    assert set(curves) == {
        SeriesKey("train", "question", "loss"),
        SeriesKey("train", "entity", "loss"),
        TOTAL,
        SeriesKey("run", "", "learning_rate/backbone"),
        SeriesKey("run", "", "learning_rate/heads"),
        SeriesKey("run", "", "gradient_norm"),
    }
    assert set(store.series("abc")) == set(curves)
    assert curves[TOTAL].steps.tolist() == [1, 2]
    assert curves[TOTAL].values.tolist() == [3.0, 1.5]
    assert curves[TOTAL].steps.dtype == np.int64


def test_an_evaluation_becomes_points_of_its_curves(store: RunStore) -> None:
    store.append("abc", [an_evaluation(5, 0.75), an_evaluation(10, 0.8, selection=None)])

    curves = store.curves("abc")

    assert curves[SeriesKey("dev", "question", "accuracy")].values.tolist() == [0.75, 0.8]
    assert curves[SeriesKey("dev", "", "selection")].steps.tolist() == [5]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_comes_back_as_nan(store: RunStore, value: float) -> None:
    store.append("abc", [a_step(1), a_step(2, loss=value), a_step(3)])

    values = store.curves("abc")[TOTAL].values

    assert np.isnan(values).tolist() == [False, True, False]


def test_only_what_is_new_is_read_on_request(store: RunStore) -> None:
    store.append("abc", [a_step(step) for step in range(1, 6)])
    entity = SeriesKey("train", "entity", "loss")
    gone = {key: 5 for key in store.series("abc") if key not in (TOTAL, entity)}

    curves = store.curves("abc", after={TOTAL: 3, entity: 4, **gone})

    assert {key: curve.steps.tolist() for key, curve in curves.items()} == {
        TOTAL: [4, 5],
        entity: [5],
    }


def test_only_wanted_curves_are_read_on_request(store: RunStore) -> None:
    store.append("abc", [a_step(1)])

    assert set(store.curves("abc", keys=[TOTAL])) == {TOTAL}


def test_a_step_that_is_made_again_replaces_the_first(store: RunStore) -> None:
    store.append("abc", [a_step(1), a_step(2)])
    store.append("abc", [a_step(2, loss=9.0), a_step(2, loss=7.0)])

    assert store.curves("abc")[TOTAL].values.tolist() == [3.0, 7.0]
    assert store.steps("abc").steps.tolist() == [1, 2]


def test_steps_tell_what_each_update_cost(store: RunStore) -> None:
    store.append("abc", [a_step(1), a_step(2), a_step(3)])

    table = store.steps("abc", after=1)

    assert table.steps.tolist() == [2, 3]
    assert table.epochs.tolist() == [0.4, 0.6]
    assert table.texts.tolist() == [32, 32]
    assert table.tokens.dtype == np.int64
    assert store.latest_step("abc") == 3
    assert store.steps("abc", after=3).steps.size == 0


def test_a_batch_is_kept_whole_or_not_at_all(store: RunStore) -> None:
    bad = a_step(2).__class__(**{**a_step(2).__dict__, "texts": None})

    with pytest.raises(StoreError):
        store.append("abc", [a_step(1), bad])
    assert store.curves("abc") == {}
    store.append("abc", [a_step(1)])

    assert store.latest_step("abc") == 1


def test_the_exit_is_written_with_the_last_events(store: RunStore) -> None:
    exit = ExitRecord("finished", NOW)
    store.append("abc", [a_step(1)], exit=exit, heartbeat=Heartbeat(NOW, "finishing", 1, 5.0))

    facts = store.facts("abc")

    assert facts.exit == exit
    assert facts.heartbeat is not None


def test_rare_events_come_back_whole(store: RunStore) -> None:
    finished = RunFinished(10, False, "", 12.5)
    store.append("abc", [PhaseStarted("starting", 60.0), STARTED, Warned("short"), SHOWCASE])
    store.append("abc", [finished])

    assert store.started("abc") == STARTED
    assert store.showcase("abc") == SHOWCASE
    assert store.finished("abc") == finished
    kinds = [message.kind for message in store.messages("abc")]
    assert kinds == ["PhaseStarted", "RunStarted", "Warned", "ShowcaseComputed", "RunFinished"]
    assert store.messages("abc")[2].body == {"message": "short"}


def test_of_two_starts_the_last_counts(store: RunStore) -> None:
    again = RunStarted(**{**STARTED.__dict__, "total_steps": 99})
    store.append("abc", [STARTED, again])

    assert store.started("abc") == again
    assert store.overview("abc").total_steps == 99


def test_checkpoints_are_listed_with_their_metrics(store: RunStore) -> None:
    store.append("abc", [an_evaluation(5, 0.7), a_checkpoint(5, is_best=True)])
    store.append("abc", [an_evaluation(8, 0.8), a_checkpoint(8, is_best=True)])
    store.append("abc", [an_evaluation(9, 0.6), a_checkpoint(9, is_best=False)])
    store.append("abc", [CheckpointRemoved(5)])

    found = store.checkpoints("abc")

    assert [(one.step, one.is_best, one.is_last) for one in found] == [
        (8, True, False),
        (9, False, True),
    ]
    assert found[0].metrics["question"]["accuracy"] == 0.8
    assert found[0].bytes == 3_000_000_000


def test_exports_come_back(store: RunStore) -> None:
    record = ExportRecord(NOW, "transformers", "exports/a", 8, 1e-7)
    store.add_export("abc", record)

    assert store.exports("abc") == [record]


# Overviews


def test_an_overview_takes_metrics_at_the_best_checkpoint(store: RunStore) -> None:
    store.append("abc", [STARTED, *(a_step(step) for step in range(1, 61))])
    store.append("abc", [an_evaluation(5, 0.7, selection=0.7), a_checkpoint(5, is_best=True)])
    store.append("abc", [an_evaluation(9, 0.6, selection=0.6), a_checkpoint(9, is_best=False)])

    overview = store.overview("abc")

    assert (overview.step, overview.total_steps, overview.best_step) == (60, 10, 5)
    assert (overview.selection, overview.metrics["question"]["accuracy"]) == (0.7, 0.7)
    assert (overview.recent_steps, overview.recent_texts) == (50, 1600)
    assert overview.recent_seconds == pytest.approx(5.0)
    assert store.overviews() == {"abc": overview}


def test_without_a_checkpoint_an_overview_takes_the_latest_evaluation(store: RunStore) -> None:
    store.append("abc", [an_evaluation(5, 0.7), an_evaluation(9, 0.6)])

    overview = store.overview("abc")

    assert (overview.best_step, overview.metrics_step) == (None, 9)
    assert overview.metrics["question"]["accuracy"] == 0.6


def test_sparks_go_from_the_first_step_to_the_last(store: RunStore) -> None:
    store.add_run(a_run("short"))
    store.add_run(a_run("empty"))
    store.append("abc", [a_step(step) for step in range(1, 1001)])
    store.append("short", [a_step(1), a_step(2)])

    sparks = store.sparks(["abc", "short", "empty"], points=10)

    assert set(sparks) == {"abc", "short"}
    assert len(sparks["abc"]) == 10
    assert (sparks["abc"][0], sparks["abc"][-1]) == (3.0, 0.003)
    assert sparks["short"] == (3.0, 1.5)


def test_sparks_take_the_step_before_where_few_were_told_of(store: RunStore) -> None:
    store.append("abc", [a_step(1), *(a_step(step) for step in range(10, 1001, 10))])

    spark = store.sparks(["abc"], points=24)["abc"]

    assert len(spark) == 24
    assert (spark[0], spark[-1]) == (3.0, 0.003)


def test_an_overview_tells_runs_that_were_adjusted_at_work(store: RunStore) -> None:
    for run_id, request in (("rate", SetRateScale(0.5)), ("log", SetLogInterval(10))):
        store.add_run(a_run(run_id))
        store.append(run_id, [RequestObeyed(1, kind_of(request), to_json(request))])

    adjusted = {run_id for run_id, one in store.overviews().items() if one.was_adjusted}

    assert adjusted == {"rate"}


# Many processes and threads


def test_a_change_by_anybody_shows_in_the_data_version(url: str, store: RunStore) -> None:
    before = store.data_version()
    assert store.data_version() == before
    other = RunStore.open(url)

    other.append("abc", [a_step(1)])
    between = store.data_version()
    store.append("abc", [a_step(2)])

    assert len({before, between, store.data_version()}) == 3
    other.close()


def test_writers_in_several_threads_lose_nothing(url: str, store: RunStore) -> None:
    names = [f"run{number}" for number in range(4)]
    for name in names:
        store.add_run(a_run(name))
    stores = [store, store, RunStore.open(url), RunStore.open(url)]

    def write(opened: RunStore, name: str) -> None:
        for start in range(1, 201, 10):
            opened.append(name, [a_step(step) for step in range(start, start + 10)])

    threads = [
        threading.Thread(target=write, args=pair) for pair in zip(stores, names, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for name in names:
        assert store.curves(name)[TOTAL].steps.tolist() == list(range(1, 201))
    for opened in stores[2:]:
        opened.close()


def test_writing_steps_keeps_up_with_fifty_thousand_points_a_second(
    sqlite_store: RunStore,
) -> None:
    events = [a_step(step) for step in range(1, 2001)]
    sqlite_store.append("abc", events[:200])

    start = datetime.now(UTC)
    for begin in range(0, len(events), 200):
        sqlite_store.append("abc", events[begin : begin + 200])
    seconds = (datetime.now(UTC) - start).total_seconds()

    # A third of the goal: the machine may be busy with other things.
    assert 6 * len(events) / seconds > 50_000 / 3


# Connections


def test_every_connection_waits_and_checks_foreign_keys(sqlite_store: RunStore) -> None:
    with sqlite_store.engine.connect() as connection:

        def pragma(name: str) -> object:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

        found = [pragma(n) for n in ("busy_timeout", "journal_mode", "synchronous", "foreign_keys")]

    assert found == [30_000, "wal", 1, 1]


def test_every_write_begins_immediately(sqlite_store: RunStore) -> None:
    begun: list[str] = []

    @event.listens_for(sqlite_store.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("BEGIN"):
            begun.append(statement)

    sqlite_store.append("abc", [a_step(1)])
    sqlite_store.send("abc", Stop())
    sqlite_store.claim("abc", ALICE)
    sqlite_store.curves("abc")

    assert begun == ["BEGIN IMMEDIATE"] * 3 + ["BEGIN"]


def test_what_a_second_store_of_a_process_writes_outlives_others_that_come_and_go(
    sqlite_url: str, sqlite_store: RunStore
) -> None:
    # Each process that leaves takes itself for the last one if our locks are gone, and then
    # deletes the log that is being written.
    impatient = sqlite_store.impatient(0.5)
    sqlite_store.runs()
    look = "import sys; from workbench.store.run_store import RunStore as S\n"
    look += "s = S.open(sys.argv[1]); print(s.latest_step('abc')); s.close()"

    seen = []
    for step in range(1, 4):
        impatient.append("abc", [a_step(step)])
        RunStore.open(sqlite_url)  # reads the file's header
        done = subprocess.run(
            [sys.executable, "-c", look, sqlite_url], capture_output=True, text=True, check=True
        )
        seen.append(int(done.stdout))
    impatient.close()

    assert seen == [1, 2, 3]


# Opening


def test_opening_twice_finds_what_is_there(sqlite_url: str, sqlite_store: RunStore) -> None:
    again = RunStore.open(sqlite_url)

    assert again.run("abc") == a_run()
    again.close()


def test_a_folder_with_odd_letters_is_no_trouble(tmp_path: Path) -> None:
    folder = tmp_path / "what? 100% #1 ü"
    folder.mkdir()

    RunStore.open(f"sqlite:///{folder / 'x.db'}").close()

    assert (folder / "x.db").is_file()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.db"
    file.write_text("these are notes, and long enough to be taken for something")

    with pytest.raises(StoreError, match=r"notes\.db is not a database") as caught:
        RunStore.open(f"sqlite:///{file}")

    assert "--db" in caught.value.next_step


def test_a_damaged_database_is_an_error_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)

    with pytest.raises(StoreError):
        RunStore.open(f"sqlite:///{file}")


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE cakes (name TEXT)")
    connection.commit()
    connection.close()

    with pytest.raises(StoreError, match="belongs to another program"):
        RunStore.open(f"sqlite:///{file}")


def test_a_folder_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        RunStore.open(f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}")


def test_a_url_without_its_driver_is_an_error_of_ours() -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        RunStore.open("nonsense://somewhere/x")


def test_a_newer_schema_is_refused_with_what_to_do(sqlite_url: str, tmp_path: Path) -> None:
    RunStore.open(sqlite_url).close()
    connection = sqlite3.connect(tmp_path / "experiments.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()

    with pytest.raises(StoreError, match="schema 9999") as caught:
        RunStore.open(sqlite_url)

    assert "upgrade the program" in caught.value.next_step


def test_a_run_that_another_version_wrote_says_so(sqlite_store: RunStore) -> None:
    with sqlite_store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET config = '{\"new\": 1}'")
    again = RunStore.open(sqlite_store.url)

    record = again.run("abc")
    again.close()

    assert (record.name, [one.id for one in [record]]) == ("two tasks", ["abc"])
    assert "another version of the program wrote them" in record.unreadable


# Migrations


def _schema_of(url: str) -> dict[str, Any]:
    """What the tables are, in whatever words and order they were made."""
    engine = create_engine(url)
    looked_at = inspect(engine)
    found = {
        table: (
            {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in looked_at.get_columns(table)
            },
            looked_at.get_pk_constraint(table),
            sorted(map(str, looked_at.get_foreign_keys(table))),
            sorted(map(str, looked_at.get_indexes(table))),
            sorted(map(str, looked_at.get_unique_constraints(table))),
        )
        for table in looked_at.get_table_names()
        if table != "alembic_version"
    }
    engine.dispose()
    return found


@pytest.mark.parametrize("first", [None, "0001"])
def test_making_the_tables_and_migrating_to_them_agree(url: str, first: str | None) -> None:
    from alembic import command

    from workbench.store.migrations import configuration, upgrade

    RunStore.open(url).close()
    made = _schema_of(url)
    database = Database(url)
    with database.write() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
    with database.write() as connection:
        if first is None:
            upgrade(connection)
        else:
            command.upgrade(configuration(connection), first)
    database.close()

    RunStore.open(url).close()

    assert _schema_of(url) == made
    assert len(made) == len(metadata.tables)


def test_the_known_revisions_are_those_of_the_scripts() -> None:
    from alembic.script import ScriptDirectory

    from workbench.store.migrations import configuration

    scripts = ScriptDirectory.from_config(configuration())
    revisions = [script.revision for script in scripts.walk_revisions()]

    assert tuple(reversed(revisions)) == schema.REVISIONS


def test_a_database_of_the_first_schema_opens_with_all_that_is_in_it(
    tmp_path: Path, sqlite_url: str
) -> None:
    write_schema_1(tmp_path / "experiments.db")

    sqlite_store = RunStore.open(sqlite_url)

    assert [record.id for record in sqlite_store.runs()] == ["old22222"]
    assert sqlite_store.facts("old22222").exit == ExitRecord("stopped", FIRST_DAY)
    assert sqlite_store.curves("old22222")[TOTAL].values.tolist() == [0.5]
    assert sqlite_store.take_commands("old22222") == [Stop()]
    sqlite_store.enqueue("old22222", "box")
    assert sqlite_store.run("old22222").parent_id is None
    sqlite_store.close()
    other = f"sqlite:///{tmp_path / 'other.db'}"
    RunStore.open(other).close()
    assert _schema_of(sqlite_url) == _schema_of(other)


def test_a_database_is_copied_before_its_schema_changes(tmp_path: Path, sqlite_url: str) -> None:
    write_schema_1(tmp_path / "experiments.db")
    before = rows_of(tmp_path / "experiments.db", "runs")

    opened = RunStore.open(sqlite_url)
    opened.close()

    copy = tmp_path / "experiments.db.before-0001.bak"
    assert rows_of(copy, "runs") == before
    assert rows_of(copy, "alembic_version") == [("0001",)]
    assert rows_of(tmp_path / "experiments.db", "alembic_version") == [(schema.REVISIONS[-1],)]
    assert opened.copied_to == str(copy)
    again = RunStore.open(sqlite_url)
    assert again.copied_to == ""
    again.close()


def test_the_tables_of_a_server_are_copied_before_its_schema_changes(
    postgresql_server: PostgresqlServer,
) -> None:
    from alembic import command

    from workbench.store.migrations import configuration

    postgresql_server.empty()
    database = Database(postgresql_server.url)
    with database.write() as connection:
        command.upgrade(configuration(connection), "0002")
        connection.exec_driver_sql(
            "INSERT INTO runs (id, name, created_at, config, source) VALUES ('a', 'old', 1, '', '')"
        )

    opened = RunStore.open(postgresql_server.url)

    word, copies = opened.copied_to.split()
    opened.close()
    with database.read() as connection:
        rows = connection.exec_driver_sql(f"SELECT id, name FROM {copies}.runs").all()
        revision = connection.exec_driver_sql(f"SELECT * FROM {copies}.alembic_version").scalar()
        now = connection.exec_driver_sql("SELECT * FROM alembic_version").scalar()
    database.close()
    assert (word, [tuple(row) for row in rows]) == ("schema", [("a", "old")])
    assert (revision, now) == ("0002", schema.REVISIONS[-1])


def test_the_tables_can_be_made_on_postgresql() -> None:
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))


# Events as JSON


@pytest.mark.parametrize(
    "event",
    [
        STARTED,
        SHOWCASE,
        a_step(3),
        an_evaluation(3, 0.5),
        a_checkpoint(3, is_best=True),
        CheckpointRemoved(3),
        RunFailed("a", "b", "c", "d"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_survives_json(event: Event) -> None:
    back = event_json.from_json(event_json.kind_of(event), event_json.to_json(event))

    assert back == event


def test_a_nan_survives_json() -> None:
    back = event_json.from_json("StepFinished", event_json.to_json(a_step(1, loss=math.nan)))

    assert isinstance(back, StepFinished)
    assert math.isnan(back.total_loss)


# Imports


def test_the_store_is_imported_without_torch_or_alembic() -> None:
    code = (
        "import sys, workbench.store.run_store, workbench.operations.reading\n"
        "import workbench.operations.lifecycle\n"
        "bad = {'torch', 'transformers', 'alembic', 'datasets', 'pandas', 'sqlalchemy.orm'}\n"
        "print(sorted(bad & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
