"""The child's side of errands: reads requests, does them with torch, writes replies."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from workbench.config.experiment import ExperimentConfig
from workbench.data.examples import Example, read_evaluation_split
from workbench.data.labels import LabelSpace
from workbench.data.tokenizing import encode_split
from workbench.data.words import Words
from workbench.errors import Problem, WorkbenchError
from workbench.events import PhaseStarted
from workbench.export.exporting import export_model
from workbench.inference.evaluation import TaskPredictions, predict_split
from workbench.inference.predictor import Predictor, as_json
from workbench.inference.review import (
    TaskReview,
    review_classes,
    review_labels,
    review_others,
    review_tags,
)
from workbench.model.arithmetic import choose_matrix_backend
from workbench.model.threads import use_allowed_threads
from workbench.training.dev_predictions import read_predictions
from workbench.training.evaluation import evaluate
from workbench.training.manifest import MANIFEST, check_checkpoint
from workbench.training.planning import check, measure, uncompiled
from workbench.training.preflight import trials
from workbench.training.preparation import prepare
from workbench.training.resampling import gain, mean_gain_interval


class Tell(Protocol):
    """How an errand speaks before its answer."""

    def __call__(self, text: str, /) -> None:
        """Say what is being done."""

    def done(self, share: float) -> None:
        """Say which share of it is."""


class _Teller:
    """Writes what is said as replies; shares of what is done no oftener than a person looks."""

    def __init__(self, reply: Callable[..., None]) -> None:
        self._reply = reply
        self._said_at = 0.0

    def __call__(self, text: str, /) -> None:
        self._reply(progress=text)

    def done(self, share: float) -> None:
        if (now := time.monotonic()) - self._said_at >= _SHARE_EVERY_SECONDS:
            self._said_at = now
            self._reply(done=share)


_SHARE_EVERY_SECONDS = 0.2


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
            reply(answer=ERRANDS[errand](tell=_Teller(reply), **request))
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


def _predictor(folder: str, precision: str = "fp32") -> Predictor:
    # With its age: a folder may be exported anew while this process lives.
    changed_at = Path(folder).stat().st_mtime_ns if Path(folder).is_dir() else 0
    return _open(folder, changed_at, precision)


@lru_cache(maxsize=2)
def _open(folder: str, changed_at: int, precision: str) -> Predictor:
    return Predictor.open(_checked(Path(folder)), precision)


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
    precision: str = "fp32",
) -> dict[str, Any]:
    predictor = _predictor(model, precision)
    tell.done(0.0)  # from here on it is the texts that take time
    if labels:
        predictor = predictor.described(labels)
    given = [one if isinstance(one, str) else (one[0], one[1]) for one in texts]
    return {"predictions": [as_json(found) for found in predictor.predict(given, tell.done)]}


def _encode(
    *, tell: Tell, model: str, texts: list[str], to: str, precision: str = "fp32"
) -> dict[str, Any]:
    """Vectors go into a file: as JSON they would be ten times their size."""
    predictor = _predictor(model, precision)
    if note := predictor.description.which_vectors:
        tell(note)
    tell.done(0.0)
    vectors = predictor.encode(texts, tell.done)
    np.save(to, vectors, allow_pickle=False)
    return {"texts": len(texts), "dimensions": int(vectors.shape[1])}


def _evaluate(
    *, tell: Tell, model: str, config: dict[str, Any], split: str, precision: str = "fp32"
) -> dict[str, Any]:
    predictor = _predictor(model, precision)
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
    """Gains with their intervals; each comparison names a task, a metric and files by seed.

    `mean` is the interval of the mean relative gain of those that are `in_mean`, if any is.
    """
    tell(f"drawing {len(comparisons)} comparisons anew")
    read = lru_cache(maxsize=None)(read_predictions)
    found, in_mean = [], []
    for one in comparisons:
        together, alone = (
            [read(Path(file))[one["task"]] for file in one[kind]] for kind in ("together", "alone")
        )
        found.append(gain(together, alone, one["metric"]))
        if one["in_mean"]:
            in_mean.append(found[-1])
    return {
        "gains": [asdict(replace(one, drawn=())) for one in found],
        "mean": mean_gain_interval(in_mean) if in_mean else None,
    }


def _trials(*, tell: Tell, config: dict[str, Any]) -> dict[str, Any]:
    """The trials before a run; whatever is written goes into a folder that is then deleted."""
    experiment = ExperimentConfig.model_validate(config, strict=False)
    with tempfile.TemporaryDirectory(prefix="mtl-workbench-") as folder:
        preparation = prepare(uncompiled(experiment), Path(folder))
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


def _review(
    *, tell: Tell, model: str, config: dict[str, Any], split: str, most: int
) -> dict[str, Any]:
    """Where the model is wrong on a split, by task."""
    predictor = _predictor(model)
    labels = {
        task: LabelSpace(task, head.labels, head.kind)
        for task, head in predictor.description.heads.items()
    }
    tell(f"reading {split}")
    experiment = ExperimentConfig.model_validate(config, strict=False)
    examples, _unlabelled = read_evaluation_split(experiment, split, labels)
    tell(f"looking at {len(examples.examples)} texts")
    encoded = encode_split(examples, predictor.loaded.tokenizer, labels)
    found = predict_split(
        predictor.loaded.model,
        encoded,
        labels,
        pad_id=predictor.loaded.tokenizer.pad_id,
        arithmetic=predictor.arithmetic,
    )
    reviews = {}
    for task, predictions in found.items():
        own = [one for one in examples.examples if task in one.labels]
        reviews[task] = asdict(_review_task(predictor, labels[task], own, predictions, most))
    return {"tasks": reviews}


def _review_task(
    predictor: Predictor,
    space: LabelSpace,
    examples: list[Example],
    found: TaskPredictions,
    most: int,
) -> TaskReview:
    texts = [" | ".join(one.texts) for one in examples]
    if space.kind in ("classification", "few_shot"):
        # How sure it was is asked for the mistakes alone.
        wrong = [at for at, right in enumerate(found.expected) if right != found.predicted[at]]
        answers = predictor.predict([_asked(examples[at], space.task) for at in wrong])
        sure = dict.fromkeys(range(len(texts)), 0.0)
        for at, answer in zip(wrong, answers, strict=True):
            plain = answer.tasks[space.task].plain()
            sure[at] = float(plain["probabilities"][found.predicted[at]])
        certainties = [sure[at] for at in range(len(texts))]
        return review_classes(
            space.names, texts, found.expected, found.predicted, certainties, most
        )
    if space.kind == "tagging":
        words = [_words(one, space.task) for one in examples]
        return review_tags(space.names, texts, words, found.expected, found.predicted, most)
    if space.kind == "multilabel":
        given = [one[1] for one in found.predicted]
        return review_labels(space.names, texts, found.expected, given, most)
    return review_others(space.kind, texts, found.expected, found.predicted, most)


def _asked(example: Example, task: str) -> str | tuple[str, str]:
    """What the task reads of an example: a text, or two as one."""
    if task in example.joint and len(example.texts) == 2:
        return example.texts[0], example.texts[1]
    return example.text


def _words(example: Example, task: str) -> list[str]:
    label = example.labels[task]
    assert isinstance(label, Words)
    return [example.text[begin:end] for begin, end in label.spans]


def _check(*, tell: Tell, config: dict[str, Any], is_offline: bool) -> dict[str, Any]:
    experiment = ExperimentConfig.model_validate(config, strict=False)
    return check(experiment, tell, is_offline=is_offline).as_json()


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
    "review": _review,
    "trials": _trials,
}
"""By name: takes `tell` and the request's values, returns plain values."""
