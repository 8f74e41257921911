"""The workbench's own loop at the same work, or at work that only it does (frozen features).

python benchmarks/our_rate.py --data-root CORPORA --steps 60 [--threads N] [--set KEY=VALUE]…
"""

from __future__ import annotations

import time

START = time.perf_counter()

import argparse  # noqa: E402  # the clock starts before the imports, as a user waits for them too
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import tempfile  # noqa: E402
from collections import defaultdict  # noqa: E402
from pathlib import Path  # noqa: E402

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the launcher sets it

from collections.abc import Sequence  # noqa: E402

from workbench.config.loading import load_experiment  # noqa: E402
from workbench.control import Request, StopNow  # noqa: E402
from workbench.events import (  # noqa: E402
    EvaluationFinished,
    FeaturesReady,
    PhaseStarted,
    StepFinished,
)

WARM_UP = 5
"""Updates that are left out of a rate: the first pay for what is loaded late."""


class _StopAfter:
    """A `Control` that lets so many updates be made."""

    def __init__(self, updates: int) -> None:
        self._left = updates

    def take(self) -> Sequence[Request]:
        self._left -= 1
        return [StopNow()] if self._left == 0 else []

    def wait(self, seconds: float) -> None:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--skip", type=int, default=WARM_UP, help="updates left out of the rate")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--profile", action="store_true", help="the share of matrix products")
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    # Heads and rates as the peers have them.
    same_work = ["optimization.head_learning_rate=1e-4", *arguments.set]
    config = load_experiment(
        "tutorial-ner-trec-linear", overrides=same_work, data_root=arguments.data_root
    )
    from workbench.worker.quick_start import import_engine

    import_engine()  # as the worker does
    import torch

    from workbench.training.loop import train

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    steps: list[StepFinished] = []
    losses: dict[str, list[float]] = defaultdict(list)
    result: dict[str, object] = {}
    wall = spent = last = last_cpu = 0.0
    profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
    with tempfile.TemporaryDirectory() as folder:
        for event in train(
            config,
            folder=Path(folder),
            control=_StopAfter(arguments.steps),
        ):
            if isinstance(event, FeaturesReady):
                result["features"] = {
                    "texts": event.texts,
                    "found": event.found,
                    "megabytes": round(event.bytes / 1e6),
                    "seconds": round(event.seconds, 2),
                }
            if isinstance(event, EvaluationFinished):
                result["dev"] = {
                    task: round(values.get("span_f1", values.get("accuracy", 0.0)), 3)
                    for task, values in event.metrics.items()
                }
            if isinstance(event, PhaseStarted):
                # Evaluations and checkpoints are not what the peers' rates hold.
                last, last_cpu = time.perf_counter(), time.process_time()
            if not isinstance(event, StepFinished):
                continue
            steps.append(event)
            now, now_cpu = time.perf_counter(), time.process_time()
            if len(steps) > arguments.skip:
                wall, spent = wall + now - last, spent + now_cpu - last_cpu
            last, last_cpu = now, now_cpu
            for task, loss in event.losses.items():
                losses[task].append(loss)
            if len(steps) == 1:
                result["first_step_seconds"] = round(time.perf_counter() - START, 2)
            if len(steps) == arguments.skip and arguments.profile:
                profiler.start()
    counted = steps[arguments.skip :]
    texts = sum(step.texts for step in counted)
    result |= {
        "steps": len(steps),
        "texts_per_second": round(texts / wall, 2),
        "texts_per_cpu_second": round(texts / spent, 2),
        "pieces_per_cpu_second": round(sum(step.tokens for step in counted) / spent, 1),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "loss_head": {task: round(sum(found[:5]) / 5, 3) for task, found in losses.items()},
        "loss_tail": {task: round(sum(found[-5:]) / 5, 3) for task, found in losses.items()},
    }
    if arguments.profile:
        profiler.stop()
        table = profiler.key_averages()
        whole = sum(row.self_cpu_time_total for row in table)
        products = [row for row in table if row.key in ("aten::mm", "aten::addmm", "aten::bmm")]
        result["matrix_products"] = round(
            sum(row.self_cpu_time_total for row in products) / whole, 3
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
