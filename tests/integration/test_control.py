"""A hand in a run of the true engine, by the commands that people type."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import an_experiment
from scripted_runs import end_of, losses_of, wait_until

from workbench.cli.app import main
from workbench.control import Pause, Resume, SetRateScale, SetWeight
from workbench.operations import lifecycle, reading
from workbench.operations.workspace import Workspace
from workbench.paths import Location
from workbench.store.run_store import RunStore
from workbench.worker.liveness import RunState


def test_a_run_is_paused_adjusted_and_resumed_by_commands_and_repeated_exactly(
    bert: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, training={"epochs": 200, "batch_size": 4})
    updates = 6
    url = f"sqlite:///{tmp_path / 'experiments.db'}"
    with Workspace(Location(url, tmp_path / "runs"), RunStore.open(url)) as ws:

        def command(*words: str) -> None:
            assert main(["--db", str(tmp_path / "experiments.db"), *words]) == 0

        run = lifecycle.start(ws, config)
        wait_until(lambda: ws.store.latest_step(run.id) > 0)
        command("pause", run.id)
        wait_until(lambda: reading.summarize(ws, run.id).state is RunState.PAUSED)
        paused_at = ws.store.latest_step(run.id)
        assert paused_at in [one.step for one in ws.store.checkpoints(run.id)]
        command("adjust", run.id, "--weight", "mood=0.25", "--rate-scale", "0.5")
        wait_until(lambda: len(reading.requests_obeyed(ws, run.id)) == 3)
        wait_until(lambda: reading.summarize(ws, run.id).state is RunState.PAUSED)  # it saved
        assert ws.store.latest_step(run.id) == paused_at
        command("resume", run.id)
        wait_until(lambda: ws.store.latest_step(run.id) >= paused_at + updates)
        command("stop", run.id)
        stopped = end_of(ws, run)

        asked = reading.requests_obeyed(ws, run.id)
        again = lifecycle.repeat(ws, run.id)
        wait_until(lambda: ws.store.latest_step(again.id) >= stopped.step)
        lifecycle.stop(ws, again.id, now=True)

        assert [one for step, one in asked[:4] if step == paused_at] == [
            Pause(),
            SetWeight("mood", 0.25),
            SetRateScale(0.5),
            Resume(),
        ]
        assert stopped.state is RunState.STOPPED
        first, second = losses_of(ws, run), losses_of(ws, again)
        assert {step: second[step] for step in first} == first
        curves = ws.store.curves(run.id)
        rates = next(c.values for key, c in curves.items() if "learning_rate/" in key.metric)
        assert rates[paused_at] < 0.6 * rates[paused_at - 1]
    capsys.readouterr()
