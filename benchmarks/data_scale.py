"""What data cost by their size: from rows to batches, without a model. Needs the extra `offline`.

python benchmarks/data_scale.py [--rows 1000 10000 …] [--tagging 1000 …] [--folder FOLDER]

For each size a file of synthetic texts is written (words of the tokenizer's vocabulary by Zipf's
law, log-normally many a text, seeded) and read by two fresh processes that share a cache folder:
the first finds it empty, the second full. Each prepares a run's data as training does (rows,
labels, word pieces, plan) and makes all batches of an epoch. Times are of the process (user and
system, all threads): on a machine that is busy the clock says nothing. Memory is the peak above
what the process took when its imports were done: all of it, and without mapped files, which the
system takes back when it needs the room.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np

TASK_KINDS = ("classification", "tagging")
TEXTS_PER_CHUNK = 10_000
WORDS_MEDIAN, WORDS_SIGMA, WORDS_MOST = 18, 0.6, 400
"""Words of a text: half have fewer than 18, one in twenty more than 48; what corpora of sentences
and short messages have."""
LABELS = 20
BATCH_SIZE = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[10**3, 10**4, 10**5, 10**6])
    parser.add_argument("--tagging", type=int, nargs="*", default=[10**3, 10**4, 10**5])
    parser.add_argument("--folder", type=Path, help="where files are made; removed afterwards")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(measure(asked.child[0], Path(asked.child[1]))))
        return
    print(
        "| task | rows | cache | rows to labels, µs/row | to pieces, µs/row | plan, µs/row | "
        "batches, µs/sentence | memory, MB | without mapped files, MB |"
    )
    print("| --- " * 3 + "| ---: " * 6 + "|")
    for kind, sizes in zip(TASK_KINDS, (asked.rows, asked.tagging), strict=True):
        for rows in sizes:
            with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
                file = Path(folder) / "train.jsonl"
                write_texts(file, rows, kind)
                for state in ("empty", "full"):
                    print(line_of(kind, rows, state, in_child(kind, file)), flush=True)


def in_child(kind: str, file: Path) -> dict[str, float]:
    """Measure in a process of its own, whose cache is beside the file."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", kind, str(file)],
        env=os.environ | {"MTL_WORKBENCH_CACHE": str(file.parent / "cache")},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def line_of(kind: str, rows: int, state: str, found: dict[str, float]) -> str:
    times = (f"{found[part] / rows * 1e6:.1f}" for part in ("read", "pieces", "plan", "batches"))
    memory = (f"{found[part]:.0f}" for part in ("memory", "own"))
    return f"| {' | '.join([kind, f'{rows:,}', state, *times, *memory])} |"


# --- Texts --------------------------------------------------------------------------------------


def write_texts(file: Path, rows: int, kind: str) -> None:
    """Rows with a text and a label, or words and tags."""
    random = np.random.default_rng(0)
    words = a_vocabulary()
    weights = 1.0 / np.arange(1, len(words) + 1)
    edges = np.cumsum(weights / weights.sum())
    with file.open("w", encoding="utf-8") as out:
        for begin in range(0, rows, TEXTS_PER_CHUNK):
            count = min(TEXTS_PER_CHUNK, rows - begin)
            sizes = np.exp(random.normal(np.log(WORDS_MEDIAN), WORDS_SIGMA, count)).astype(int)
            sizes = sizes.clip(1, WORDS_MOST)
            drawn = np.minimum(np.searchsorted(edges, random.random(sizes.sum())), len(words) - 1)
            for part in np.split(drawn, np.cumsum(sizes)[:-1]):
                out.write(json.dumps(a_row(kind, [words[number] for number in part], part)) + "\n")


def a_row(kind: str, words: list[str], numbers: np.ndarray) -> dict[str, object]:
    if kind == "tagging":
        tags = ["B-NAME" if number % 9 == 0 else "O" for number in numbers.tolist()]
        return {"tokens": words, "tags": tags}
    return {"text": " ".join(words), "label": f"label {int(numbers.sum()) % LABELS}"}


def a_vocabulary() -> list[str]:
    """Whole words and, rarer, words of two pieces."""
    content = json.loads(tokenizer_file().read_text(encoding="utf-8"))
    pieces = sorted(content["model"]["vocab"], key=content["model"]["vocab"].get)
    whole = [piece for piece in pieces if piece.isalpha() and piece.isascii() and len(piece) > 1]
    ends = [piece[2:] for piece in pieces if piece.startswith("##") and piece[2:].isalpha()]
    made = [one + ends[number % len(ends)] for number, one in enumerate(whole)]
    return whole[:10_000] + made


def tokenizer_file() -> Path:
    from workbench.model.sources import locate

    return Path(locate("minilm", with_weights=False)) / "tokenizer.json"


# --- Measuring ----------------------------------------------------------------------------------


def measure(kind: str, file: Path) -> dict[str, float]:
    """CPU seconds of each stage, and megabytes."""
    from workbench.config.experiment import ExperimentConfig
    from workbench.data.batching import collate
    from workbench.data.examples import read_corpus
    from workbench.data.token_cache import cached_pieces
    from workbench.data.tokenizing import Tokenizer, encode_split
    from workbench.paths import cache_folder
    from workbench.training.preparation import _sampling_plan

    config = ExperimentConfig.model_validate(
        {
            "name": "scale",
            "backbone": {"model": "minilm"},
            "tasks": {"t": {"kind": kind, "data": {"train": str(file)}}},
            "training": {"epochs": 10, "batch_size": BATCH_SIZE},
        }
    )
    tokenizer = Tokenizer.from_file(tokenizer_file(), max_length=128, pad_id=0)
    tokenizer.pieces(["warm"])
    watch = _MemoryWatch()
    times = [_cpu()]
    corpus = read_corpus(config)
    times.append(_cpu())
    make = partial(cached_pieces, tokenizer, root=cache_folder(), most_bytes=1 << 40)
    split = encode_split(corpus.train, tokenizer, corpus.labels, make)
    times.append(_cpu())
    plan = _sampling_plan(config, split)
    _ = plan.total_steps, split.lengths
    times.append(_cpu())
    for step, indices in enumerate(plan.batches(0)):
        collate(
            [split.examples[index] for index in indices], indices.tolist(), pad_id=0, draw=(0, step)
        )
    times.append(_cpu())
    stages = dict(zip(("read", "pieces", "plan", "batches"), np.diff(times).tolist(), strict=True))
    return stages | watch.end()


def _cpu() -> float:
    return time.process_time()


class _MemoryWatch(threading.Thread):
    """Peaks above what there was at the start, looked at twenty times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._first = self._most = self._now()
        self._is_over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._is_over.wait(0.05):
            self._most = np.maximum(self._most, self._now())

    def end(self) -> dict[str, float]:
        self._is_over.set()
        self.join()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found = np.maximum(self._most, self._now()) - self._first
        return {"memory": max(float(found[0]), peak - self._first[0]), "own": float(found[1])}

    def _now(self) -> np.ndarray:
        """Resident megabytes: all, and those that no file stands behind."""
        lines = Path("/proc/self/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return np.array([int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon")])


if __name__ == "__main__":
    main()
