"""A true worker process with an engine that makes no model: `… run RUN_ID --db URL`.

What it does is in the seed of the run's config, so that no other channel is needed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from workbench.config.experiment import ExperimentConfig
from workbench.control import Control, Stop
from workbench.errors import DataError
from workbench.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
    PhaseStarted,
    RunFinished,
    RunStarted,
    StepFinished,
)
from workbench.worker import process

FINISHES, FAILS, BREAKS, DIES, LOOPS, HANGS, ENDS_MUTE, SWELLS = range(8)
QUICK_STEPS = 25


def engine(config: ExperimentConfig, *, folder: Path, control: Control) -> Iterator[Event]:
    yield PhaseStarted("reading data", 30.0)
    total = 1_000_000 if config.seed == LOOPS else QUICK_STEPS
    yield RunStarted(total, total, (), "cpu", "fp32", 1, 1, "")
    yield PhaseStarted("training", 30.0)
    for step in range(1, total + 1):
        yield StepFinished(
            step, step / total, {"q": 1 / step}, 1 / step, {"all": 1e-4}, 1, 2, 9, 0.01
        )
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
        if asked := control.take():
            if Stop() in asked:
                yield CheckpointSaved(step, f"checkpoints/{step}", False, None, 1)
            yield RunFinished(step, True, "", 1.0)
            return
    if config.seed == ENDS_MUTE:
        return
    yield EvaluationFinished(total, "dev", {"q": {"accuracy": 0.75, "loss": 0.5}}, 0.75, 0.1)
    yield CheckpointSaved(total, f"checkpoints/{total}", True, 0.75, 1)
    yield RunFinished(total, False, "", 1.0)


def main() -> int:
    _run, run_id, _db, url = sys.argv[1:]
    return process.run(run_id, url, engine=engine)


if __name__ == "__main__":
    sys.exit(main())
