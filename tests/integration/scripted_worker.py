"""A true worker process with an engine that makes no model: `… run --db URL RUN_ID`.

What it does is in the seed of the run's config, so that no other channel is needed. COUNTS is a
small deterministic machine with real checkpoints: each loss follows from all that came before, so
a run that was interrupted and one that was not agree only if its state was restored whole.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from workbench import control as asking
from workbench.config.experiment import ExperimentConfig
from workbench.control import Control
from workbench.errors import DataError
from workbench.events import (
    PAUSED,
    SAVING,
    CheckpointRemoved,
    CheckpointSaved,
    EvaluationFinished,
    Event,
    PhaseStarted,
    RequestObeyed,
    RunFinished,
    RunStarted,
    StepFinished,
)
from workbench.training.manifest import (
    checkpoint_name,
    publish,
    remove_checkpoint,
    seal,
    tidy,
)
from workbench.worker import __main__ as worker
from workbench.worker import launcher, process

FINISHES, FAILS, BREAKS, DIES, LOOPS, HANGS, ENDS_MUTE, SWELLS, COUNTS = range(9)
QUICK_STEPS = 25
COUNTED_STEPS = int(os.environ.get("SCRIPTED_STEPS", "80"))
SAVES_EVERY = 8
STEP_SECONDS = float(os.environ.get("SCRIPTED_STEP_SECONDS", "0.02"))


def engine(
    config: ExperimentConfig,
    *,
    folder: Path,
    control: Control,
    resume_from: Path | None,
    start_from: Path | None,
    keep_optimizer: bool,
) -> Iterator[Event]:
    if config.seed == COUNTS:
        yield from count(folder, control, resume_from, start_from)
        return
    yield PhaseStarted("reading data", 30.0)
    total = 1_000_000 if config.seed == LOOPS else QUICK_STEPS
    yield RunStarted(total, total, (), "cpu", "fp32", 1, 1, "")
    yield PhaseStarted("training", 30.0)
    for step in range(1, total + 1):
        yield a_step(step, total, 1 / step)
        if step == 20 and config.seed == FAILS:
            raise DataError("A row is odd.", where="train.csv, line 7", next_step="mend it")
        if step == 20 and config.seed == BREAKS:
            raise ZeroDivisionError("nothing to divide by")
        if step == 20 and config.seed == SWELLS:
            raise MemoryError
        if step == 20 and config.seed == DIES:
            time.sleep(1.5)
            os._exit(9)
        if step == 20 and config.seed == HANGS:
            time.sleep(600)
        if config.seed == LOOPS:
            time.sleep(0.01)
        for request in control.take():
            if isinstance(request, asking.Stop):
                yield CheckpointSaved(step, f"checkpoints/{step}", False, None, 1)
            if isinstance(request, asking.Stop | asking.StopNow):
                yield RunFinished(step, True, "", 1.0)
                return
    if config.seed == ENDS_MUTE:
        return
    yield EvaluationFinished(total, "dev", {"q": {"accuracy": 0.75, "loss": 0.5}}, 0.75, 0.1)
    yield CheckpointSaved(total, f"checkpoints/{total}", True, 0.75, 1)
    yield RunFinished(total, False, "", 1.0)


def a_step(step: int, total: int, loss: float) -> StepFinished:
    return StepFinished(step, step / total, {"q": loss}, loss, {"all": 1e-4}, 1, 2, 9, 0.01)


def count(
    folder: Path, control: Control, resume_from: Path | None, start_from: Path | None
) -> Iterator[Event]:
    """Steps whose losses depend on each other, a checkpoint every eighth, the last one kept."""
    step, value, weight, saved = 0, 1, 1.0, []
    if resume_from is not None:
        tidy(folder)
        state = json.loads((resume_from / "training" / "state.json").read_text())
        step, value, weight = state["step"], state["value"], state["weight"]
        saved = [step]
    elif start_from is not None:
        value = json.loads((start_from / "model" / "model.json").read_text())["value"]
    yield PhaseStarted("reading data", 30.0)
    yield RunStarted(COUNTED_STEPS, COUNTED_STEPS, (), "cpu", "fp32", 1, 1, "")
    yield PhaseStarted("training", 30.0)
    while step < COUNTED_STEPS:
        step, value = step + 1, (value * 1103515245 + 12345) % 2**31
        time.sleep(STEP_SECONDS)
        yield a_step(step, COUNTED_STEPS, weight * value / 2**31)
        leaves = saves = step % SAVES_EVERY == 0 or step == COUNTED_STEPS
        leaves = False
        for request in control.take():
            if isinstance(request, asking.StopNow):
                yield RunFinished(step, True, "", 1.0)
                return
            leaves |= isinstance(request, asking.Stop)
            saves |= isinstance(request, asking.Stop | asking.SaveCheckpoint | asking.Pause)
            if isinstance(request, asking.Evaluate):
                yield EvaluationFinished(step, "dev", {"q": {"loss": 0.5}}, None, 0.1)
            if isinstance(request, asking.SetWeight):
                weight = request.weight
                yield RequestObeyed(step, asking.kind_of(request), asking.to_json(request))
            if isinstance(request, asking.Pause):
                yield from save(folder, step, value, weight, saved)
                yield PhaseStarted(PAUSED, 600)
                while not any(isinstance(r, asking.Resume | asking.Stop) for r in control.take()):
                    control.wait(5.0)
                yield PhaseStarted("training", 30.0)
                saves = False
        if saves:
            yield from save(folder, step, value, weight, saved)
        if leaves:
            yield RunFinished(step, True, "", 1.0)
            return
    yield RunFinished(step, False, "", 1.0)


def save(folder: Path, step: int, value: int, weight: float, saved: list[int]) -> Iterator[Event]:
    final = folder / checkpoint_name(step)
    aside = final.with_name(f".{final.name}.writing")
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "model").mkdir(parents=True)
    (aside / "training").mkdir()
    (aside / "model" / "model.json").write_text(json.dumps({"value": value}))
    state = {"step": step, "value": value, "weight": weight}
    (aside / "training" / "state.json").write_text(json.dumps(state))
    seal(aside / "training", {})
    size = seal(aside, {"step": step}, within="model")
    yield PhaseStarted(SAVING, 600)
    publish(aside, final)
    if os.environ.get("SCRIPTED_DIES_UNTOLD") == str(step) and not (folder / "died").exists():
        (folder / "died").touch()
        os._exit(9)
    yield CheckpointSaved(step, checkpoint_name(step), True, None, size)
    for old in [one for one in saved if one != step]:
        remove_checkpoint(folder, old)
        saved.remove(old)
        yield CheckpointRemoved(old)
    if step not in saved:
        saved.append(step)


def main() -> int:
    launcher.PROGRAM = (sys.executable, "-P", __file__)  # the queue's runs are scripted, too
    process.run = partial(process.run, engine=engine)
    return worker.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
