from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from workbench.config.experiment import ExperimentConfig
from workbench.errors import StoreError
from workbench.events import PhaseStarted, StepFinished, Warned
from workbench.store.records import ExitRecord, RunRecord
from workbench.store.run_store import RunStore
from workbench.worker import recorder as recorder_module
from workbench.worker.recorder import UNSENT_NAME, Batch, Recorder, Unsent
from workbench.worker.stopping import StopRequest

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DONE = ExitRecord("finished", NOW)


class FlakyStore:
    """A real store that can be switched off."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.is_down = False
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def append(self, run_id: str, events: Any, **kwargs: Any) -> None:
        if self.is_down:
            raise StoreError("The database said: disk I/O error.")
        self.batches.append(len(events))
        self.store.append(run_id, events, **kwargs)


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


def a_recorder(store: Any, tmp_path: Path) -> tuple[Recorder, StopRequest]:
    stop = StopRequest()
    recorder = Recorder(store, "abc", tmp_path, stop)
    recorder.start()
    return recorder, stop


def test_events_are_written_in_batches_of_two_hundred_at_most(store: Any, tmp_path: Path) -> None:
    recorder, _stop = a_recorder(store, tmp_path)
    for step in range(1, 1001):
        recorder.put(a_step(step))

    assert recorder.close(DONE)

    assert store.latest_step("abc") == 1000
    assert max(store.batches) <= 200
    assert store.facts("abc").exit == DONE


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


def test_a_command_reaches_the_loop(store: Any, tmp_path: Path) -> None:
    recorder, stop = a_recorder(store, tmp_path)
    assert stop() is None

    store.send("abc", "stop")
    wait_until(lambda: stop() == "stop")
    store.send("abc", "stop now")
    wait_until(lambda: stop() == "stop now")
    stop.ask("stop")

    assert stop() == "stop now"
    recorder.close(DONE)


def test_rows_wait_in_a_file_while_the_database_is_away(store: Any, tmp_path: Path) -> None:
    recorder, _stop = a_recorder(store, tmp_path)
    store.is_down = True
    for step in range(1, 301):
        recorder.put(a_step(step))
    recorder.put(Warned("still here"))
    wait_until(lambda: (tmp_path / UNSENT_NAME).exists())
    time.sleep(0.3)

    store.is_down = False
    wait_until(lambda: not (tmp_path / UNSENT_NAME).exists())
    recorder.close(DONE)

    assert store.steps("abc").steps.tolist() == list(range(1, 301))
    assert [message.kind for message in store.messages("abc")] == ["Warned"]


def test_rows_that_were_left_by_a_worker_go_in_later(store: Any, tmp_path: Path) -> None:
    recorder, _stop = a_recorder(store, tmp_path)
    store.is_down = True
    recorder.put(a_step(1))
    recorder.close(DONE)
    assert store.facts("abc").exit is None
    store.is_down = False

    Unsent(tmp_path / UNSENT_NAME).send(store, "abc")

    assert store.facts("abc").exit == DONE
    assert store.latest_step("abc") == 1
    assert not (tmp_path / UNSENT_NAME).exists()


def test_rows_wait_in_memory_if_the_file_cannot_be_written_either(
    store: Any, tmp_path: Path
) -> None:
    unsent = Unsent(tmp_path / "not a folder" / UNSENT_NAME)

    unsent.add(Batch(NOW, (a_step(1),)))
    unsent.add(Batch(NOW, (a_step(2),)))

    assert unsent
    unsent.send(store, "abc")
    assert store.latest_step("abc") == 2
    assert not unsent


def test_half_a_line_and_nonsense_are_left_out(store: Any, tmp_path: Path) -> None:
    file = tmp_path / UNSENT_NAME
    good = Batch(NOW, (a_step(1),)).to_line()
    file.write_text("{}\n" + good + good[:40])

    Unsent(file).send(store, "abc")

    assert store.latest_step("abc") == 1


def test_the_worker_of_a_deleted_run_is_told_to_leave(store: Any, tmp_path: Path) -> None:
    recorder, stop = a_recorder(store, tmp_path)
    store.delete_run("abc")

    recorder.put(a_step(1))

    wait_until(lambda: stop() == "stop now")
    assert recorder.close(DONE)
    assert not (tmp_path / UNSENT_NAME).exists()
