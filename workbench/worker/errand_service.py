"""The child's side of errands: reads requests, does them with torch, writes replies."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from workbench.config.experiment import ExperimentConfig
from workbench.data.examples import read_evaluation_split
from workbench.data.labels import LabelSpace
from workbench.data.tokenizing import encode_split
from workbench.errors import Problem, WorkbenchError
from workbench.events import PhaseStarted
from workbench.export.exporting import export_model
from workbench.inference.predictor import Predictor, as_json
from workbench.model.arithmetic import choose_matrix_backend
from workbench.model.threads import use_allowed_threads
from workbench.training.dev_predictions import read_predictions
from workbench.training.evaluation import evaluate
from workbench.training.manifest import MANIFEST, check_checkpoint
from workbench.training.planning import check, measure
from workbench.training.preflight import trials
from workbench.training.preparation import prepare
from workbench.training.resampling import gain

Tell = Callable[[str], None]


def serve() -> int:
    """Do errands until the input is closed; the process's exit code."""
    # Replies keep the real output to themselves: whatever a library prints goes to the errors.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def reply(**values: object) -> None:
        replies.write(json.dumps(values) + "\n")
        replies.flush()

    use_allowed_threads()
    choose_matrix_backend()
    for line in sys.stdin:
        request = json.loads(line)
        errand = request.pop("errand")
        try:
            reply(answer=ERRANDS[errand](tell=lambda text: reply(progress=text), **request))
        except WorkbenchError as error:
            reply(error=type(error).__name__, problems=[vars(one) for one in error.problems])
        except Exception as error:  # whatever went wrong, the caller is told and the child lives
            traceback.print_exc()
            unexpected = Problem(
                f"{type(error).__name__}: {error}",
                where=f"errand {errand}",
                next_step="please report this, with what you asked for",
            )
            reply(error="WorkerError", problems=[vars(unexpected)])
    return 0


def _predictor(folder: str) -> Predictor:
    # With its age: a folder may be exported anew while this process lives.
    return _open(folder, Path(folder).stat().st_mtime_ns if Path(folder).is_dir() else 0)


@lru_cache(maxsize=2)
def _open(folder: str, changed_at: int) -> Predictor:
    return Predictor.open(_checked(Path(folder)))


def _checked(folder: Path) -> Path:
    """The folder, its hashes compared if it belongs to a checkpoint."""
    if (folder.parent / MANIFEST).is_file():
        check_checkpoint(folder.parent)
    return folder


def _export(*, tell: Tell, model: str, format: str, to: str) -> dict[str, Any]:
    done = export_model(_checked(Path(model)), format, Path(to), tell)
    return {"folder": str(done.folder), "largest_difference": done.largest_difference}


def _predict(
    *,
    tell: Tell,
    model: str,
    texts: list[str | list[str]],
    labels: dict[str, dict[str, str]] | None = None,
) -> dict[str, Any]:
    predictor = _predictor(model)
    if labels:
        predictor = predictor.described(labels)
    given = [one if isinstance(one, str) else (one[0], one[1]) for one in texts]
    return {"predictions": [as_json(found) for found in predictor.predict(given)]}


def _encode(*, tell: Tell, model: str, texts: list[str], to: str) -> dict[str, Any]:
    """Vectors go into a file: as JSON they would be ten times their size."""
    predictor = _predictor(model)
    if note := predictor.description.which_vectors:
        tell(note)
    vectors = predictor.encode(texts)
    np.save(to, vectors, allow_pickle=False)
    return {"texts": len(texts), "dimensions": int(vectors.shape[1])}


def _evaluate(*, tell: Tell, model: str, config: dict[str, Any], split: str) -> dict[str, Any]:
    predictor = _predictor(model)
    labels = {
        task: LabelSpace(task, head.labels, head.kind)
        for task, head in predictor.description.heads.items()
    }
    tell(f"reading {split}")
    experiment = ExperimentConfig.model_validate(config, strict=False)
    examples, unlabelled = read_evaluation_split(experiment, split, labels)
    for place, rows in unlabelled.items():
        tell(f"{place}: {rows} row(s) have no label and are left out of this task")
    tell(f"evaluating {len(examples.examples)} texts")
    encoded = encode_split(examples, predictor.loaded.tokenizer, labels)
    return {"metrics": evaluate(predictor.loaded, encoded, labels, predictor.arithmetic)}


def _gains(*, tell: Tell, comparisons: list[dict[str, Any]]) -> dict[str, Any]:
    """Gains with their intervals; each comparison names a task, a metric and files by seed."""
    tell(f"drawing {len(comparisons)} comparisons anew")
    read = lru_cache(maxsize=None)(read_predictions)
    found = []
    for one in comparisons:
        together, alone = (
            [read(Path(file))[one["task"]] for file in one[kind]] for kind in ("together", "alone")
        )
        found.append(asdict(gain(together, alone, one["metric"])))
    return {"gains": found}


def _trials(*, tell: Tell, config: dict[str, Any]) -> dict[str, Any]:
    """The trials before a run; whatever is written goes into a folder that is then deleted."""
    experiment = ExperimentConfig.model_validate(config, strict=False)
    with tempfile.TemporaryDirectory(prefix="mtl-workbench-") as folder:
        preparation = prepare(experiment, Path(folder))
        while True:
            try:
                event = next(preparation)
            except StopIteration as end:
                run = end.value
                break
            if isinstance(event, PhaseStarted):
                tell(event.phase)
        found = []
        for trial in trials(run):
            tell(trial.name)
            found.append(asdict(trial))
    return {"trials": found}


def _check(*, tell: Tell, config: dict[str, Any]) -> dict[str, Any]:
    return check(ExperimentConfig.model_validate(config, strict=False), tell).as_json()


def _measure(*, tell: Tell, config: dict[str, Any]) -> dict[str, Any]:
    return asdict(measure(ExperimentConfig.model_validate(config, strict=False), tell))


ERRANDS: dict[str, Callable[..., dict[str, Any]]] = {
    "check": _check,
    "encode": _encode,
    "evaluate": _evaluate,
    "export": _export,
    "gains": _gains,
    "measure": _measure,
    "predict": _predict,
    "trials": _trials,
}
"""By name: takes `tell` and the request's values, returns plain values."""
