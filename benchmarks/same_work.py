"""What the peers of the bench share: the corpora, the clock, and how they say what they did."""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plain_loop import Task

WARM_UP = 5
"""Updates that are left out of a rate: the first pay for what is loaded late."""


def arguments(words: str | None) -> argparse.Namespace:
    """The command line of a peer; sets the threads."""
    parser = argparse.ArgumentParser(description=words)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--dev", action="store_true", help="metrics on dev at the end")
    parser.add_argument("--bilstm-crf", action="store_true", help="Flair only: its other tagger")
    found = parser.parse_args()
    if found.threads:
        import torch

        torch.set_num_threads(found.threads)
    return found


def read_tasks(root: Path, tokenizer: Any) -> list[Task]:
    """TREC-6 questions and WNUT-17 entities, as `plain_loop` reads them."""
    from plain_loop import Task, read_entities, read_questions

    return [
        Task(
            name,
            {split: read(root / folder / f"{split}.{form}") for split in ("train", "dev")},
            tokenizer,
        )
        for name, folder, form, read in (
            ("question", "trec", "jsonl", read_questions),
            ("entity", "wnut17", "conll", read_entities),
        )
    ]


class Clock:
    """Counts texts and updates; rates leave the warm-up out."""

    def __init__(self, steps: int, start: float) -> None:
        self._steps, self._start = steps, start
        self._done = self._texts = self._pieces = 0
        self._begin = self._cpu = 0.0
        self._first: float | None = None
        self._last = (0.0, 0.0)
        self._losses: dict[str, list[float]] = defaultdict(list)

    def note(self, texts: int, pieces: int) -> None:
        """A batch is about to be computed; padding is not counted."""
        self._texts += texts
        self._pieces += pieces

    def losses(self, task: str, loss: Any) -> None:
        """Its loss."""
        self._losses[task].append(float(loss.detach()))

    def step(self) -> bool:
        """An update is done; whether it was the last."""
        now, cpu = time.perf_counter(), time.process_time()
        self._done += 1
        if self._first is None:
            self._first = now - self._start
        if self._done == WARM_UP:
            self._texts = self._pieces = 0
            self._begin, self._cpu = now, cpu
        self._last = (now - self._begin, cpu - self._cpu)
        return self._done >= self._steps

    def tell(self, dev: dict[str, float]) -> None:
        """Print what was done, as JSON."""
        wall, cpu = self._last
        head = {task: round(sum(found[:5]) / 5, 3) for task, found in self._losses.items()}
        tail = {
            task: round(sum(found[-5:]) / len(found[-5:]), 3)
            for task, found in self._losses.items()
        }
        print(
            json.dumps(
                {
                    "steps": self._done,
                    "texts_per_second": round(self._texts / wall, 2),
                    "texts_per_cpu_second": round(self._texts / cpu, 2),
                    "pieces_per_cpu_second": round(self._pieces / cpu, 1),
                    "first_step_seconds": round(self._first or 0.0, 2),
                    "peak_megabytes": round(
                        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                    ),
                    "loss_head": head,
                    "loss_tail": tail,
                    "dev": {task: round(value, 3) for task, value in dev.items()},
                }
            )
        )
