"""Curves of runs that are over, read in one go: always the same as their rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete

from workbench.config.loading import validate
from workbench.events import EvaluationFinished, StepFinished
from workbench.store.records import ExitRecord, RunRecord
from workbench.store.run_store import RunStore
from workbench.store.tables import points

CONFIG = validate(
    {"tasks": {"a": {"kind": "classification", "data": {"train": "a"}}}, "name": "packed"}
)
END = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    opened = RunStore.open(f"sqlite:///{tmp_path / 'experiments.db'}")
    opened.add_run(RunRecord("abc", "packed", END - timedelta(hours=1), CONFIG, ""))
    yield opened
    opened.close()


def step(number: int, loss: float) -> StepFinished:
    return StepFinished(number, 0.1, {"a": loss}, loss, {"all": 1e-4}, 1.0, 8, 64, 0.1)


def same(one: object, other: object) -> bool:
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    return one.keys() == other.keys() and all(
        np.array_equal(one[key].steps, other[key].steps)
        and np.array_equal(one[key].values, other[key].values, equal_nan=True)
        for key in one
    )


def test_packed_curves_are_the_rows_to_the_last_bit(store: RunStore) -> None:
    losses = [0.1, float("nan"), 1e-30, 3.0]
    store.append("abc", [step(n, loss) for n, loss in enumerate(losses, start=1)])
    store.append("abc", [EvaluationFinished(4, "dev", {"a": {"accuracy": 0.5}}, 0.5, 1.0)])
    store.record_exit("abc", ExitRecord("finished", END))
    rows = store.curves("abc")

    assert store.pack("abc") > 0
    assert store.is_packed("abc")

    assert same(store.curves("abc"), rows)
    with store.engine.begin() as connection:  # proof that they do not come from the rows
        connection.execute(delete(points))
    packed = store.curves("abc")
    assert packed.keys() == {key for key in rows if key.split in ("train", "run")}
    assert same(packed, {key: rows[key] for key in packed})


def test_a_run_at_work_is_not_packed(store: RunStore) -> None:
    store.append("abc", [step(1, 0.5)])

    assert store.pack("abc") == 0
    assert not store.is_packed("abc")


def test_a_copy_of_an_earlier_end_counts_for_nothing(store: RunStore) -> None:
    store.append("abc", [step(1, 0.5)])
    store.record_exit("abc", ExitRecord("stopped", END))
    store.pack("abc")
    store.append("abc", [step(1, 0.25), step(2, 0.125)])
    store.record_exit("abc", ExitRecord("finished", END + timedelta(minutes=5)))

    assert not store.is_packed("abc")
    curve = next(curve for key, curve in store.curves("abc").items() if key.task == "a")
    assert curve.values.tolist() == [0.25, 0.125]


def test_a_deleted_run_takes_its_copy_with_it(store: RunStore) -> None:
    store.append("abc", [step(1, 0.5)])
    store.record_exit("abc", ExitRecord("finished", END))
    store.pack("abc")

    store.delete_run("abc")

    assert store.runs() == []


def test_a_few_curves_of_many_runs_are_those_of_each(store: RunStore) -> None:
    for number, run_id in enumerate(("r1", "r2", "r3")):
        store.add_run(RunRecord(run_id, run_id, END, CONFIG, ""))
        store.append(run_id, [step(n, n / 10 + number) for n in range(1, 4 + number)])
    keys = [key for key in store.series("r1") if key.split == "train"]

    found = store.curves_of_runs(["r1", "r3", "gone"], keys)

    assert found.keys() == {"r1", "r3"}
    for run_id, curves in found.items():
        assert same(curves, store.curves(run_id, keys=keys))
