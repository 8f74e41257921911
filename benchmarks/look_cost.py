"""What looking at the tasks' gradients costs, looked-at and other updates taking turns.

python benchmarks/look_cost.py [PRESET] [--data-root CORPORA] [--pairs 30] [--set KEY=VALUE]…
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from itertools import cycle
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the launcher sets it

from workbench.config.loading import load_experiment
from workbench.training.interference import UPDATES_PER_TASK
from workbench.training.preparation import prepare
from workbench.training.run import Run
from workbench.training.update import make_update

WARM_UP = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", nargs="?", default="quickstart")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    config = load_experiment(
        arguments.preset, overrides=arguments.set, data_root=arguments.data_root
    )
    with tempfile.TemporaryDirectory() as folder:
        preparation = prepare(config, Path(folder))
        try:
            while True:
                next(preparation)
        except StopIteration as ended:
            run = ended.value
    seconds = measured(run, arguments.pairs)
    plain, looked = (statistics.median(seconds[looks]) for looks in (False, True))
    tasks = len(config.trained_tasks)
    interval = UPDATES_PER_TASK * tasks
    print(
        json.dumps(
            {
                "tasks": tasks,
                "seconds_per_update": round(plain, 4),
                "seconds_per_look": round(looked - plain, 4),
                "interval": interval,
                "share_of_time": round((looked - plain) / (interval * plain), 4),
            }
        )
    )


def measured(run: Run, pairs: int) -> dict[bool, list[float]]:
    """Seconds of updates without and with a look, on the same texts one after the other."""
    run.loaded.model.train()
    seconds: dict[bool, list[float]] = {False: [], True: []}
    batches = run.sampling.batches(0)
    for number, indices in zip(range(pairs + WARM_UP), cycle(batches), strict=False):
        for looks in (False, True) if number % 2 else (True, False):
            run.looks_every = int(looks)
            begin = time.perf_counter()
            make_update(run, indices.tolist())
            if number >= WARM_UP:
                seconds[looks].append(time.perf_counter() - begin)
    return seconds


if __name__ == "__main__":
    main()
