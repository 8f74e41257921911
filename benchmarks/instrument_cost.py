"""What recording costs: CPU time of recorder and store per update, as a share of a step.

python benchmarks/instrument_cost.py [--updates 2000] [--per-second 20]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from workbench.config.experiment import ExperimentConfig
from workbench.events import StepFinished
from workbench.store.records import ExitRecord, RunRecord
from workbench.store.run_store import RunStore
from workbench.worker.recorder import Recorder
from workbench.worker.wishes import Wishes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--per-second", type=float, default=20.0)
    asked = parser.parse_args()
    now = datetime.now(UTC)
    config = ExperimentConfig.model_validate(
        {"tasks": {name: {"kind": "classification", "data": {"train": "q.jsonl"}} for name in "ab"}}
    )
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore.open(f"sqlite:///{Path(folder) / 'bench.db'}")
        store.add_run(RunRecord("bench", "bench", now, config, ""))
        recorder = Recorder(store, "bench", Path(folder), Wishes())
        recorder.start()
        time.sleep(1.0)  # what is loaded late is not what an update costs
        cpu = time.process_time()
        for step in range(1, asked.updates + 1):
            recorder.put(
                StepFinished(
                    step=step,
                    epoch=step / 100,
                    losses={"a": 0.5, "b": 0.7},
                    total_loss=1.2,
                    learning_rates={"backbone": 1e-4, "heads": 1e-4},
                    gradient_norm=1.0,
                    texts=32,
                    tokens=600,
                    seconds=1 / asked.per_second,
                )
            )
            time.sleep(1 / asked.per_second)
        recorder.close(ExitRecord("finished", datetime.now(UTC)))
        spent = (time.process_time() - cpu) / asked.updates
        store.close()
    share = spent * asked.per_second
    print(
        json.dumps({"cpu_milliseconds_per_update": round(spent * 1e3, 3), "share": round(share, 4)})
    )


if __name__ == "__main__":
    main()
