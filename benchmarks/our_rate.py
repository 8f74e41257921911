"""Texts per second of the workbench's own loop, to lay beside `plain_loop.py --steps N`.

python benchmarks/our_rate.py --data-root CORPORA --steps 60 [--set KEY=VALUE]…
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the launcher sets it

from workbench.config.loading import load_experiment
from workbench.control import Request, StopNow
from workbench.events import StepFinished
from workbench.training.loop import train

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
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    config = load_experiment(
        "tutorial-ner-trec", overrides=arguments.set, data_root=arguments.data_root
    )
    steps: list[StepFinished] = []
    with tempfile.TemporaryDirectory() as folder:
        for event in train(
            config,
            folder=Path(folder),
            control=_StopAfter(arguments.steps),
        ):
            if isinstance(event, StepFinished):
                steps.append(event)
    counted = steps[WARM_UP:]
    rate = sum(step.texts for step in counted) / sum(step.seconds for step in counted)
    print(json.dumps({"steps": len(steps), "texts_per_second": round(rate, 1)}))


if __name__ == "__main__":
    main()
