"""Trying a checkpoint on sentences, and looking at where it is wrong, with one child kept for it.

The child that knows torch starts with the first question and ends with `close`, or when this
process does; the model that it loaded stays for the next question.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import WorkbenchError, WorkerError
from workbench.operations.artefacts import BEST, find_checkpoint, model_folder
from workbench.operations.reading import find_run
from workbench.operations.workspace import Workspace
from workbench.worker.errands import ErrandProcess

Progress = Callable[[str], None]
MOST_MISTAKES = 500


def _ignore(message: str) -> None:
    return None


@dataclass(frozen=True)
class Tried:
    """What a checkpoint says of some sentences."""

    texts: tuple[str, ...]
    predictions: tuple[Mapping[str, Mapping[str, Any]], ...]
    """Of each, by task: a class with probabilities, words with tags and entities, a number."""
    vectors: NDArray[np.float32]
    """`(texts, hidden)`."""


class Playground:
    """Safe to use from several threads: one question after the other."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._child: ErrandProcess | None = None
        self._lock = Lock()
        self._is_closed = False

    def try_texts(
        self, run_id: str, texts: Sequence[str], *, checkpoint: str = BEST,
        progress: Progress = _ignore,
    ) -> Tried:  # fmt: skip
        """What a checkpoint of a run says of texts, and their vectors.

        Raises:
            NotFoundError: There is no such run or checkpoint.
            CheckpointError: Its files are not on this machine, or cannot be loaded.
            WorkerError: The child died.
        """
        model = self._model(run_id, checkpoint)
        with self._lock, tempfile.TemporaryDirectory(prefix="mtl-workbench-") as folder:
            file = Path(folder) / "vectors.npy"
            request = {"model": model, "texts": list(texts)}
            answer = self._ask("predict", request, progress)
            self._ask("encode", request | {"to": str(file)}, progress)
            vectors: NDArray[np.float32] = np.load(file, allow_pickle=False)
        return Tried(tuple(texts), tuple(one["tasks"] for one in answer["predictions"]), vectors)

    def review(
        self, run_id: str, *, checkpoint: str = BEST, split: str = "dev",
        progress: Progress = _ignore,
    ) -> Mapping[str, Mapping[str, Any]]:  # fmt: skip
        """Where a checkpoint is wrong on a split, by task.

        Returns:
            By task kind, examples, wrong, labels, confusion, classes (label, precision, recall,
            f1, support) and mistakes (text, expected, predicted, badness, words), the worst first.

        Raises:
            DataError: No task has the split, or it cannot be read.
            NotFoundError: There is no such run or checkpoint.
            CheckpointError: Its files are not on this machine, or cannot be loaded.
            WorkerError: The child died.
        """
        config = find_run(self._workspace, run_id).config.model_dump(mode="json")
        request = {
            "model": self._model(run_id, checkpoint),
            "config": config,
            "split": split,
            "most": MOST_MISTAKES,
        }
        with self._lock:
            tasks: dict[str, dict[str, Any]] = self._ask("review", request, progress)["tasks"]
        return tasks

    def close(self) -> None:
        """End the child, even in the middle of an answer; whoever asks later gets an error."""
        self._is_closed = True
        if self._child is not None:
            self._child.end()
        with self._lock:  # soon free: who waits for the answer gets an error
            self._let_go()

    def _model(self, run_id: str, checkpoint: str) -> str:
        record = find_run(self._workspace, run_id)
        chosen = find_checkpoint(self._workspace, record, checkpoint)
        return str(model_folder(self._workspace, record, chosen))

    def _ask(self, errand: str, request: dict[str, Any], progress: Progress) -> dict[str, Any]:
        if self._child is None and not self._is_closed:
            progress("loading the model")
            self._child = ErrandProcess()
        if self._child is None or self._is_closed:  # looked at last: `close` may come at any time
            self._let_go()
            raise WorkerError(f"Left before {errand} was done.", next_step="ask again")
        try:
            return self._child.ask(errand, request, progress)
        except WorkbenchError:
            if not self._child.is_alive:
                self._let_go()
            raise

    def _let_go(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def cosines(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The cosine of each two vectors, `(texts, texts)`; 0 with a vector of zeros."""
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    unit = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)
    found: NDArray[np.float64] = np.clip(unit @ unit.T, -1.0, 1.0)
    return found
