"""What the best checkpoint says of dev, kept beside the run: for intervals and comparisons.

    predictions/dev-best.jsonl.gz    one line of JSON for each task

Texts are there as fingerprints only: two runs that read them in another order can be laid side by
side, text by text, and the file tells nobody what they say.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.data.examples import Split, TaskPart
from workbench.data.labels import LabelSpace
from workbench.errors import CheckpointError
from workbench.inference.evaluation import TaskPredictions
from workbench.training.manifest import BEST_ON_DEV

LARGEST = 1000
"""Numbers that a text may have; what says more, as vectors that are compared, is not kept."""


@dataclass(frozen=True)
class KeptPredictions:
    """What a task's head said of dev."""

    task: str
    kind: str
    step: int
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    """Fingerprint of each text; the k-th occurrence of a text has a fingerprint of its own."""
    expected: tuple[Any, ...]
    """As the metrics take it, text by text."""
    predicted: tuple[Any, ...]


def keep_predictions(
    run_folder: Path,
    step: int,
    predictions: Mapping[str, TaskPredictions],
    split: Split,
    labels: Mapping[str, LabelSpace],
) -> None:
    """Write down what was said of dev, in place of what was there.

    Args:
        run_folder: The run's folder.
        step: Of the checkpoint.
        predictions: By task, in the order of the split.
        split: Dev, with its texts.
        labels: Label space of every task.

    Raises:
        CheckpointError: The disk is full or cannot be written; what was there stays.
    """
    file = run_folder / BEST_ON_DEV
    aside = file.with_name(f".{file.name}.writing")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(aside, step, predictions, split, labels)
        os.replace(aside, file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise CheckpointError(
            f"What the model says of dev cannot be written: {error}",
            where=str(file),
            next_step="make room on the disk; the earlier checkpoints are intact, and the run can "
            "be resumed from the last of them",
        ) from error


def _write(
    file: Path,
    step: int,
    predictions: Mapping[str, TaskPredictions],
    split: Split,
    labels: Mapping[str, LabelSpace],
) -> None:
    with file.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as stream:
        for task, found in predictions.items():
            if np.size(found.predicted[0]) > LARGEST:
                continue
            kept = KeptPredictions(
                task=task,
                kind=labels[task].kind,
                step=step,
                labels=labels[task].names,
                texts=_fingerprints(_texts_of(split.examples.parts[task])),
                expected=tuple(found.expected),
                predicted=tuple(found.predicted),
            )
            line = json.dumps(asdict(kept), ensure_ascii=False, default=_plain)
            stream.write(line.encode("utf-8", "surrogatepass") + b"\n")


def read_predictions(file: Path) -> dict[str, KeptPredictions]:
    """What was kept, by task.

    Raises:
        CheckpointError: The file is absent or damaged.
    """
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            found = [json.loads(line) for line in lines]
        kept = [
            KeptPredictions(
                task=one["task"],
                kind=one["kind"],
                step=one["step"],
                labels=tuple(one["labels"]),
                texts=tuple(one["texts"]),
                expected=tuple(one["expected"]),
                predicted=tuple(one["predicted"]),
            )
            for one in found
        ]
    except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"The kept predictions cannot be read: {error}",
            where=str(file),
            next_step="evaluate the run again, or leave it out of the comparison",
        ) from error
    return {one.task: one for one in kept}


def _plain(value: Any) -> Any:
    """A number of NumPy's as one of Python's."""
    return value.tolist()


def _texts_of(part: TaskPart) -> Iterator[str]:
    """The texts that a task labels, those of an example as one."""
    for row in part.row_of[part.labelled].tolist():
        yield "\0".join(part.rows.texts_at(row))


def _fingerprints(texts: Iterable[str]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    marks = []
    for text in texts:
        mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        marks.append(f"{mark}-{seen[mark]}" if seen[mark] else mark)
        seen[mark] += 1
    return tuple(marks)
