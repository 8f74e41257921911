from __future__ import annotations

import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from workbench.config.experiment import ExperimentConfig
from workbench.control import SaveCheckpoint, SetWeight, StopNow
from workbench.errors import StoreError
from workbench.events import PAUSED, PhaseStarted, StepFinished, Warned
from workbench.store.records import ExitRecord, RunRecord, SeriesKey
from workbench.store.run_store import RunStore
from workbench.worker import recorder as recorder_module
from workbench.worker.journal import JOURNAL_NAME, UNSENT_NAME, Batch, Journal, send_journal
from workbench.worker.recorder import Recorder
from workbench.worker.wishes import Wishes

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DONE = ExitRecord("finished", NOW)


class FlakyStore:
    """A real store that can be switched off."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.is_down = False
        self.fails_afterwards = False
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def append(self, run_id: str, events: Any, **kwargs: Any) -> None:
        if self.is_down:
            raise StoreError("The database said: disk I/O error.")
        self.batches.append(len(events))
        self.store.append(run_id, events, **kwargs)
        if self.fails_afterwards:
            raise StoreError("The database said: server closed the connection.")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    opened = RunStore.open(f"sqlite:///{tmp_path / 'x.db'}")
    task = {"kind": "classification", "data": {"train": "q.jsonl"}}
    config = ExperimentConfig.model_validate({"tasks": {"q": task}})
    opened.add_run(RunRecord("abc", "try", NOW, config, ""))
    yield FlakyStore(opened)
    opened.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(recorder_module, "BATCH_SECONDS", 0.05)
    monkeypatch.setattr(recorder_module, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(recorder_module, "LAST_RETRIES_SECONDS", 0.2)


def a_step(step: int) -> StepFinished:
    return StepFinished(step, 0.1, {"q": 1.0}, 1.0, {"all": 1e-4}, 1.0, 2, 9, 0.01)


def wait_until(claim: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.01)


def a_recorder(store: Any, tmp_path: Path) -> tuple[Recorder, Wishes]:
    wishes = Wishes()
    recorder = Recorder(store, "abc", tmp_path, wishes)
    recorder.start()
    return recorder, wishes


def test_events_are_written_in_batches_of_two_hundred_at_most(store: Any, tmp_path: Path) -> None:
    recorder, _stop = a_recorder(store, tmp_path)
    for step in range(1, 1001):
        recorder.put(a_step(step))

    assert recorder.close(DONE)

    assert store.latest_step("abc") == 1000
    assert max(store.batches) <= 200
    assert store.facts("abc").exit == DONE


def test_what_the_machine_does_is_kept_with_the_run(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "SAMPLE_SECONDS", 0.05)
    recorder, _stop = a_recorder(store, tmp_path)
    recorder.put(a_step(1))
    recorder.put(a_step(2))

    def kept() -> set[str]:
        return {key.metric for key in store.series("abc") if key.metric.startswith("machine/")}

    wait_until(lambda: bool(kept()))
    recorder.close(DONE)
    assert {"machine/worker cpu", "machine/host memory"} <= kept()
    for curve in store.curves("abc", keys=[SeriesKey("run", "", "machine/host memory")]).values():
        assert 0 < curve.values[-1] < 1
        assert set(curve.steps.tolist()) <= {1, 2}


def test_the_machine_is_sampled_only_while_steps_are_made(store: Any, tmp_path: Path) -> None:
    recorder = Recorder(store, "abc", tmp_path, Wishes())

    def samples(step: int, looks: int = 2) -> int:
        recorder._notice(a_step(step))
        found = 0
        for _ in range(looks):
            recorder._next_sample = min(recorder._next_sample, 1e-9)  # it is time
            found += len(recorder._due_sample())
        return found

    assert [samples(step) for step in (1, 1, 2, 3)] == [1, 0, 1, 1]


def test_the_heartbeat_tells_phase_and_step(store: Any, tmp_path: Path) -> None:
    recorder, _stop = a_recorder(store, tmp_path)
    recorder.put(PhaseStarted("training", 33.0))
    recorder.put(a_step(7))

    wait_until(lambda: (beat := store.facts("abc").heartbeat) is not None and beat.step == 7)

    beat = store.facts("abc").heartbeat
    assert (beat.phase, beat.expected_within_seconds) == ("training", 33.0)
    recorder.close(DONE)


def test_no_heartbeat_covers_up_a_loop_that_overstays(store: Any, tmp_path: Path) -> None:
    recorder, _stop = a_recorder(store, tmp_path)
    recorder.put(PhaseStarted("training", 0.2))
    time.sleep(0.6)

    before = store.facts("abc").heartbeat.at
    time.sleep(0.3)
    assert store.facts("abc").heartbeat.at == before

    recorder.put(a_step(1))
    wait_until(lambda: store.facts("abc").heartbeat.at > before)
    recorder.close(DONE)


def test_a_run_that_waits_goes_on_beating(store: Any, tmp_path: Path) -> None:
    recorder, _wishes = a_recorder(store, tmp_path)
    recorder.put(PhaseStarted(PAUSED, 0.1))
    time.sleep(0.4)

    before = store.facts("abc").heartbeat.at

    wait_until(lambda: store.facts("abc").heartbeat.at > before)
    assert store.facts("abc").heartbeat.phase == PAUSED
    recorder.close(DONE)


def test_requests_reach_the_loop_once_and_in_order(store: Any, tmp_path: Path) -> None:
    recorder, wishes = a_recorder(store, tmp_path)
    assert wishes.take() == ()

    store.send("abc", SaveCheckpoint(), SetWeight("q", 0.5))
    taken: list[object] = []
    wait_until(lambda: (taken.extend(wishes.take()), len(taken) == 2)[1])

    assert taken == [SaveCheckpoint(), SetWeight("q", 0.5)]
    assert not wishes.is_stopping
    store.send("abc", StopNow())
    assert wishes.wait_for_now(10)
    assert wishes.is_stopping
    recorder.close(DONE)


def test_rows_wait_in_the_journal_while_the_database_is_away(store: Any, tmp_path: Path) -> None:
    recorder, _wishes = a_recorder(store, tmp_path)
    store.is_down = True
    for step in range(1, 301):
        recorder.put(a_step(step))
    recorder.put(Warned("still here"))
    assert recorder.flush(10)
    assert (tmp_path / JOURNAL_NAME).read_bytes().count(b"StepFinished") == 300
    assert store.latest_step("abc") == 0

    store.is_down = False
    wait_until(lambda: store.latest_step("abc") == 300)
    recorder.close(DONE)

    assert store.steps("abc").steps.tolist() == list(range(1, 301))
    assert [message.kind for message in store.messages("abc")] == ["Warned"]


def test_rows_that_the_database_took_before_it_failed_are_not_there_twice(
    store: Any, tmp_path: Path
) -> None:
    recorder, _wishes = a_recorder(store, tmp_path)
    store.fails_afterwards = True
    for number in range(5):
        recorder.put(Warned(str(number)))
        recorder.flush(10)
    time.sleep(0.2)
    store.fails_afterwards = False
    recorder.close(DONE)

    told = [message.body["message"] for message in store.messages("abc")]
    assert told == ["0", "1", "2", "3", "4"]


def test_a_run_that_goes_on_waits_for_a_busy_database_before_it_begins(
    store: Any, tmp_path: Path
) -> None:
    (tmp_path / JOURNAL_NAME).write_text(Batch(NOW, (a_step(1),)).to_line())
    store.is_down = True
    recorder = Recorder(store, "abc", tmp_path, Wishes())

    recorder.start(store.store)

    assert store.latest_step("abc") == 1
    store.is_down = False
    recorder.close(DONE)


def test_what_a_dead_worker_left_goes_in_once_however_many_send_it(
    store: Any, tmp_path: Path
) -> None:
    recorder, _wishes = a_recorder(store, tmp_path)
    store.is_down = True
    for number in range(60):
        recorder.put(Warned(str(number)))
        if number % 3 == 0:
            recorder.flush(10)
    recorder.close(DONE)
    assert store.facts("abc").exit is None
    store.is_down = False
    stores = [RunStore.open(store.url) for _ in range(4)]

    def send(opened: RunStore) -> None:
        # One that meets another in the middle may be told so; the next look sends the rest.
        for _attempt in range(3):
            with suppress(StoreError):
                send_journal(tmp_path / JOURNAL_NAME, opened, "abc")

    threads = [threading.Thread(target=send, args=(opened,)) for opened in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for opened in stores:
        opened.close()

    told = [message.body["message"] for message in store.messages("abc")]
    assert told == [str(number) for number in range(60)]
    assert store.facts("abc").exit == DONE


def test_rows_wait_in_memory_if_neither_disk_nor_database_takes_them(
    store: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    recorder = Recorder(store, "abc", folder, Wishes())
    recorder.start()
    store.is_down = True
    recorder.put(a_step(1))
    time.sleep(0.2)
    assert store.latest_step("abc") == 0

    store.is_down = False

    wait_until(lambda: store.latest_step("abc") == 1)
    assert recorder.close(DONE)
    assert store.facts("abc").exit == DONE


def test_a_database_on_another_disk_takes_what_the_full_disk_does_not(
    store: Any, tmp_path: Path
) -> None:
    recorder = Recorder(store, "abc", tmp_path / "not there", Wishes())
    recorder.start()

    recorder.put(a_step(1))
    recorder.put(a_step(2))
    recorder.close(DONE)

    assert store.steps("abc").steps.tolist() == [1, 2]


@pytest.mark.parametrize("is_room_again", [False, True])
def test_what_the_full_disk_does_not_take_is_told_once_though_an_answer_is_lost(
    store: Any, tmp_path: Path, is_room_again: bool
) -> None:
    folder = tmp_path / "not there"
    journal = Journal(folder / JOURNAL_NAME, "abc")
    journal.add(Batch(NOW, (Warned("once"), Warned("twice"), Warned("twice"))))
    journal.add(Batch(NOW + timedelta(seconds=1), (Warned("once"),)))
    store.fails_afterwards = True
    with pytest.raises(StoreError):
        journal.send(store)

    store.fails_afterwards = False
    if is_room_again:
        folder.mkdir()
    journal.send(store)

    told = [message.body["message"] for message in store.messages("abc")]
    assert told == ["once", "twice", "twice", "once"]


def test_a_full_disk_leaves_no_half_line(store: Any, tmp_path: Path) -> None:
    recorder, _wishes = a_recorder(store, tmp_path)
    recorder.put(Warned("before"))
    recorder.flush(10)
    size = (tmp_path / JOURNAL_NAME).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store.is_down = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, hard))
    try:
        recorder.put(Warned("x" * 500))
        recorder.flush(10)
        is_whole = (tmp_path / JOURNAL_NAME).stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
        store.is_down = False
    recorder.close(DONE)

    assert is_whole
    told = [message.body["message"] for message in store.messages("abc")]
    assert told == ["before", "x" * 500]


def test_half_a_line_is_cut_off_and_nonsense_left_out(store: Any, tmp_path: Path) -> None:
    file = tmp_path / JOURNAL_NAME
    good = Batch(NOW, (a_step(1),)).to_line()
    file.write_text("{}\n" + good + good[:40])

    journal = Journal(file, "abc")
    journal.open(store)
    journal.add(Batch(NOW, (a_step(2),)))
    journal.send(store)

    assert store.steps("abc").steps.tolist() == [1, 2]
    assert not journal.has_unsent


def test_what_the_first_version_left_beside_the_store_goes_in(store: Any, tmp_path: Path) -> None:
    (tmp_path / UNSENT_NAME).write_text(Batch(NOW, (a_step(1),), DONE).to_line())

    Journal(tmp_path / JOURNAL_NAME, "abc").open(store)

    assert store.latest_step("abc") == 1
    assert store.facts("abc").exit == DONE
    assert not (tmp_path / UNSENT_NAME).exists()


def test_a_journal_that_was_lost_does_not_hide_what_comes(store: Any, tmp_path: Path) -> None:
    store.set_journal_bytes("abc", 10_000)
    recorder, _wishes = a_recorder(store, tmp_path)

    recorder.put(a_step(1))
    recorder.close(DONE)

    assert store.latest_step("abc") == 1


def test_the_worker_of_a_deleted_run_is_told_to_leave(store: Any, tmp_path: Path) -> None:
    recorder, wishes = a_recorder(store, tmp_path)
    store.delete_run("abc")

    recorder.put(a_step(1))

    assert wishes.wait_for_now(10)
    assert recorder.close(DONE, timeout_seconds=10)


def test_a_database_that_was_put_in_place_of_the_runs_does_not_end_it(
    store: Any, tmp_path: Path
) -> None:
    recorder, wishes = a_recorder(store, tmp_path)
    recorder.put(a_step(1))
    wait_until(lambda: store.latest_step("abc") == 1)
    for file in tmp_path.glob("x.db*"):
        file.rename(file.with_name(f"away-{file.name}"))
    recorder.put(a_step(2))
    time.sleep(0.3)
    RunStore.open(f"sqlite:///{tmp_path / 'x.db'}").close()
    recorder.put(a_step(3))
    time.sleep(0.3)

    recorder.close(DONE)

    assert not wishes.is_stopping
    assert (tmp_path / JOURNAL_NAME).read_bytes().count(b"StepFinished") == 3
