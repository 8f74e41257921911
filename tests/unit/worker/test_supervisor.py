"""What works off the queue, look by look, with a store and without processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from workbench.config.experiment import ExperimentConfig
from workbench.errors import StoreError
from workbench.paths import Location
from workbench.store.records import RunRecord
from workbench.store.run_store import RunStore
from workbench.worker import supervisor
from workbench.worker.devices import Gpu
from workbench.worker.liveness import here

TASK = {"kind": "classification", "data": {"train": "q.jsonl"}}
CONFIG = ExperimentConfig.model_validate({"name": "try", "tasks": {"q": TASK}})
RUN = RunRecord("abc", "try", datetime.now(UTC), CONFIG, "")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    opened = RunStore.open(f"sqlite:///{tmp_path / 'x.db'}")
    opened.add_run(RUN)
    opened.enqueue("abc", here().host)
    yield opened
    opened.close()


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs that a worker would have been started for."""
    found: list[str] = []
    monkeypatch.setattr(supervisor, "find_gpus", tuple)
    monkeypatch.setattr(
        supervisor, "start_worker", lambda _store, _location, run, devices: found.append(run.id)
    )
    return found


def test_of_a_server_each_folder_has_its_own_queue(
    store: RunStore, begun: list[str], tmp_path: Path
) -> None:
    folders = [Location("postgresql://server/runs", tmp_path / name) for name in ("mine", "other")]
    folders[0].run_folder("abc").mkdir(parents=True)

    supervisor.look(store, folders[1])
    assert (begun, supervisor._is_wanted(store, folders[1])) == ([], False)

    assert supervisor._is_wanted(store, folders[0])
    supervisor.look(store, folders[0])
    assert begun == ["abc"]


def test_two_folders_of_a_server_give_out_no_gpu_twice(
    store: RunStore, begun: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = [Gpu(0, "GPU-a", "A", 20_000, 24_000), Gpu(1, "GPU-b", "B", 30_000, 32_000)]
    monkeypatch.setattr(supervisor, "find_gpus", lambda: gpus)
    store.add_run(replace(RUN, id="def"))
    store.enqueue("def", here().host)
    store.change_queue_settings(here().host, {"at_once": 3})
    folders = [Location("postgresql://server/runs", tmp_path / name) for name in ("mine", "other")]
    for folder, run_id in zip(folders, ("abc", "def"), strict=True):
        folder.run_folder(run_id).mkdir(parents=True)
        supervisor.look(store, folder)

    assert begun == ["abc", "def"]
    assert [entry.device for entry in store.queue()] == ["GPU-b", "GPU-a"]


def test_two_supervisors_that_decide_at_the_same_moment_begin_one_run(
    store: RunStore, begun: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add_run(replace(RUN, id="def"))
    store.enqueue("def", here().host)
    folders = [Location("postgresql://server/runs", tmp_path / name) for name in ("mine", "other")]
    for folder, run_id in zip(folders, ("abc", "def"), strict=True):
        folder.run_folder(run_id).mkdir(parents=True)

    def find_gpus() -> list[Gpu]:
        """Between what the first sees of the queue and what it does, the second does all."""
        monkeypatch.setattr(supervisor, "find_gpus", list)
        supervisor.look(store, folders[1])
        return []

    monkeypatch.setattr(supervisor, "find_gpus", find_gpus)

    supervisor.look(store, folders[0])

    assert begun == ["def"]
    assert [entry.run_id for entry in store.queue() if entry.taken_at is None] == ["abc"]


def test_a_run_that_is_added_during_a_look_does_not_end_it(
    store: RunStore, begun: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_before = store.runs
    to_add = [replace(RUN, id="new")]

    def runs() -> list[RunRecord]:
        while to_add:
            store.add_run(to_add.pop())
        return runs_before()

    monkeypatch.setattr(store, "runs", runs)

    supervisor.look(store, Location(store.url, tmp_path / "runs"))

    assert begun == ["abc"]


def test_a_database_that_is_away_between_two_looks_does_not_end_the_queue(
    store: RunStore, begun: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [StoreError("The database said: locked."), False, False]

    def is_wanted(_store: RunStore, _location: Location) -> bool:
        answer = answers.pop(0)
        if isinstance(answer, StoreError):
            raise answer
        return answer

    monkeypatch.setattr(supervisor, "_is_wanted", is_wanted)
    monkeypatch.setattr(supervisor, "TROUBLE_SECONDS", 0)
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0)
    monkeypatch.setattr(supervisor, "LINGER_SECONDS", -1)

    supervisor._work(store, Location(store.url, tmp_path / "runs"), Event())

    assert answers == []
