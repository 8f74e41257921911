"""A worker with the true engine is killed at some moment; the run becomes what it would have."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import torch
from builders import an_experiment, events_of
from safetensors.torch import load_file

from workbench.events import StepFinished
from workbench.model.arithmetic import choose_matrix_backend, use_matrix_backend
from workbench.operations.workspace import Workspace
from workbench.paths import Location
from workbench.store.event_rows import GRADIENT_NORM, TOTAL_LOSS
from workbench.store.records import RunRecord, SeriesKey
from workbench.store.run_store import RunStore
from workbench.training.manifest import checkpoint_name
from workbench.worker import launcher

UPDATES = 120


@contextmanager
def multiplying_as(name: str) -> Iterator[None]:
    """Multiply matrices as another process chose to: it is measured, and may come out so or so."""
    before = choose_matrix_backend()
    assert use_matrix_backend(name)
    try:
        yield
    finally:
        use_matrix_backend(before)


def test_a_worker_that_is_killed_loses_nothing_that_is_learned(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    training = {"epochs": UPDATES // 6, "batch_size": 4, "checkpoint_minutes": 1e-9}
    config = an_experiment(backbone=bert, folder=corpus, training=training)
    url = f"sqlite:///{tmp_path / 'experiments.db'}"
    with Workspace(Location(url, tmp_path / "runs"), RunStore.open(url)) as ws:
        folder = ws.location.run_folder("abc")
        folder.mkdir(parents=True)
        ws.store.add_run(RunRecord("abc", "try", datetime.now(UTC), config, ""))
        first = launcher.launch("abc", ws.location).child
        until = time.monotonic() + 120
        while ws.store.latest_step("abc") < 2:
            assert first.poll() is None, (folder / "worker.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.02)
        time.sleep(random.random() / 5)

        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        seen = ws.store.latest_step("abc")
        second = launcher.launch("abc", ws.location, resume=True).child
        assert second.wait(120) == 0, (folder / "worker.log").read_text()

        assert seen < UPDATES
        curves = ws.store.curves("abc")
    state = folder / checkpoint_name(UPDATES) / "training" / "state.json"
    computed = json.loads(state.read_text())["origin"]["arithmetic"]
    with multiplying_as(computed["matrix products"]):
        events = events_of(config, tmp_path / "whole")
    whole = {one.step: one for one in events if isinstance(one, StepFinished)}
    expected = {
        TOTAL_LOSS: [one.total_loss for one in whole.values()],
        GRADIENT_NORM: [one.gradient_norm for one in whole.values()],
        SeriesKey("train", "mood", "loss"): [one.losses["mood"] for one in whole.values()],
    }
    for key, values in expected.items():
        assert curves[key].steps.tolist() == list(whole)
        assert curves[key].values.tolist() == values
    one, other = (
        load_file(run / checkpoint_name(UPDATES) / "training" / "tensors.safetensors")
        for run in (tmp_path / "whole", folder)
    )
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
