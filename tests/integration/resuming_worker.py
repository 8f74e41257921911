"""A true worker process with the true engine, which goes on at the run's last checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from workbench.config.experiment import ExperimentConfig
from workbench.control import Control
from workbench.events import Event
from workbench.training.loop import train
from workbench.training.manifest import checkpoint_name, resumable_steps
from workbench.worker import process


def engine(
    config: ExperimentConfig, *, folder: Path, control: Control, resume_from: Path | None = None
) -> Iterator[Event]:
    steps = resumable_steps(folder)
    last = folder / checkpoint_name(steps[-1]) if steps else None
    return train(config, folder=folder, control=control, resume_from=resume_from or last)


def main() -> int:
    _run, run_id, _db, url = sys.argv[1:5]
    return process.run(run_id, url, engine=engine)


if __name__ == "__main__":
    sys.exit(main())
