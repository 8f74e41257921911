"""Where a run goes on, and what it is asked anew, from files and messages alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workbench.config.experiment import ExperimentConfig
from workbench.control import SetWeight, kind_of, to_json
from workbench.events import CheckpointSaved
from workbench.store.records import MessageRecord, RunRecord
from workbench.store.run_store import RunStore
from workbench.training.manifest import (
    check_training_state,
    checkpoint_name,
    is_whole,
    publish,
    seal,
)
from workbench.worker.resumption import obeyed, resume_point

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TASK = {"kind": "classification", "data": {"train": "q.jsonl"}}
RUN = RunRecord("abc", "try", NOW, ExperimentConfig.model_validate({"tasks": {"q": TASK}}), "")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    opened = RunStore.open(f"sqlite:///{tmp_path / 'x.db'}")
    opened.add_run(RUN)
    yield opened
    opened.close()


def a_checkpoint(run: Path, step: int, store: RunStore | None = None) -> Path:
    """One as they are written; told, if there is a store."""
    final = run / checkpoint_name(step)
    aside = final.with_name(f".{final.name}.writing")
    for part in ("model", "training"):
        (aside / part).mkdir(parents=True)
        (aside / part / "data").write_text(f"{part} {step}")
    seal(aside / "training", {})
    size = seal(aside, {"step": step}, within="model")
    publish(aside, final)
    if store is not None:
        event = CheckpointSaved(step, checkpoint_name(step), False, None, size)
        store.append("abc", [event])
    return final


def names(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_a_checkpoint_that_nobody_heard_of_is_made_anew(store: RunStore, tmp_path: Path) -> None:
    told = a_checkpoint(tmp_path, 8, store)
    a_checkpoint(tmp_path, 16)

    point = resume_point(store, RUN, tmp_path, check_training_state)

    assert (point.checkpoint, point.set_aside) == (told, ())
    assert names(tmp_path) == [told.name]


@pytest.mark.parametrize("is_told", [True, False])
def test_of_one_that_no_run_can_go_on_from_the_model_is_set_aside(
    is_told: bool, store: RunStore, tmp_path: Path
) -> None:
    good = a_checkpoint(tmp_path, 8, store)
    later = a_checkpoint(tmp_path, 16, store if is_told else None)
    (later / "training" / "data").write_text("damaged")

    point = resume_point(store, RUN, tmp_path, check_training_state)

    [aside] = point.set_aside
    assert point.checkpoint == good
    assert names(tmp_path) == [aside.name, good.name]
    assert is_whole(aside)
    assert sorted(path.name for path in aside.iterdir() if path.is_dir()) == ["model"]


def test_of_settings_made_during_one_pause_the_last_one_holds() -> None:
    weights = (2.0, 1.0, 2.0)
    asked = [SetWeight("q", weight) for weight in weights]
    bodies = [{"step": 5, "kind": kind_of(one), "body": to_json(one)} for one in asked]
    messages = [MessageRecord(NOW, "RequestObeyed", body) for body in bodies]

    assert obeyed(messages) == [(5, SetWeight("q", 1.0)), (5, SetWeight("q", 2.0))]
    repeated = obeyed([*messages[:2], *messages[:2]])  # by a process that went on
    assert repeated == [(5, SetWeight("q", 2.0)), (5, SetWeight("q", 1.0))]
