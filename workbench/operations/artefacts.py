"""What a checkpoint is good for: export it, predict and encode with it, evaluate it.

Nothing here imports torch: a child process does the work (see `workbench.worker.errands`).
Every function waits for it, or the iterator that it returns does; a screen calls them in a thread.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from workbench.data.new_texts import NewText, windows
from workbench.errors import CheckpointError, NotFoundError, nearest
from workbench.events import EvaluationFinished
from workbench.operations.reading import find_run
from workbench.operations.workspace import Workspace
from workbench.store.records import CheckpointRecord, ExportRecord, RunRecord
from workbench.training.manifest import MODEL, check_checkpoint, is_whole
from workbench.worker.additions import add_evaluation, add_export
from workbench.worker.errands import ErrandProcess, run_errand

Progress = Callable[[str], None]
Advance = Callable[[float, int], None]
"""Told how many texts are done, and how many were read so far."""
BEST, LAST = "best", "last"
EXACT = "fp32"
"""Precision of a forward pass; the others are bf16, and auto: bf16 on a GPU that has it."""
ENCODED_AT_A_TIME = 10_000
"""Texts that are sorted by length together: enough that batches have hardly any padding."""
PREDICTED_AT_A_TIME = 2_000
"""The same of predictions, which are larger than vectors: with 150 labels 12 KB each."""


def _ignore(message: str) -> None:
    return None


def _stand_still(done: float, read: int) -> None:
    return None


def export(
    ws: Workspace,
    ref: str,
    *,
    checkpoint: str = BEST,
    format: str,
    to: Path | None = None,
    progress: Progress = _ignore,
) -> ExportRecord:
    """Write a checkpoint in another library's format, reopen it and compare the numbers.

    Args:
        ws: Where.
        ref: The run.
        checkpoint: best, last, best:TASK, or a step.
        format: sentence-transformers or transformers.
        to: A folder that is not there yet or empty; by default one in the run's folder.
        progress: Told what is being done.

    Returns:
        What was written, as it is also kept with the run.

    Raises:
        NotFoundError: There is no such run or checkpoint.
        CheckpointError: The checkpoint is damaged, the target in use, or the result differs.
    """
    record = find_run(ws, ref)
    chosen = find_checkpoint(ws, record, checkpoint)
    folder = to or (
        ws.location.run_folder(record.id) / "exports" / f"step-{chosen.step:08d}" / format
    )
    answer = run_errand(
        "export",
        {
            "model": str(model_folder(ws, record, chosen)),
            "format": format,
            "to": str(folder.expanduser().resolve()),
        },
        progress,
    )
    exported = ExportRecord(
        at=datetime.now(UTC),
        format=format,
        folder=answer["folder"],
        step=chosen.step,
        largest_difference=answer["largest_difference"],
    )
    add_export(ws.store, ws.location, record.id, exported)
    return exported


def predict(
    ws: Workspace,
    source: str,
    texts: Iterable[NewText],
    checkpoint: str = BEST,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    *,
    precision: str = EXACT,
    progress: Progress = _ignore,
    advance: Advance = _stand_still,
) -> Iterator[dict[str, Any]]:
    """What every task says of each text, or of two, in their order.

    The child begins when the first answer is asked for. It is given a window of texts at a time,
    so neither here nor there more than that is held.

    Args:
        ws: Where.
        source: A run, or a folder that `export` wrote.
        texts: Each a text or a pair; all of a kind, as many as one likes.
        checkpoint: best, last, best:TASK, or a step; of a run only.
        labels: Descriptions by task and label, for tasks that match texts with them; the labels
            need not be those of training.
        precision: fp32, bf16 or auto.
        progress: Told what is being done.
        advance: Told how far it is.

    Returns:
        One `{"text": …, "tasks": {task: …}}` per text, for a pair with `text_b`. Tasks that read
        pairs are among the tasks of a pair, the others among those of a text. A classification
        has label, probabilities and logits, a multilabel the same with labels, a tagging words,
        tags and entities, a regression value, similarity and contrastive similarity.

    Raises:
        NotFoundError: There is no such run, folder or checkpoint.
        CheckpointError: It cannot be loaded.
    """
    request = {
        "model": str(_source_folder(ws, source, checkpoint)),
        "labels": labels or {},
        "precision": precision,
    }
    parts = windows(texts, most_texts=PREDICTED_AT_A_TIME)
    return (
        prediction
        for _, answer in _ask_for_each(parts, "predict", request, progress, advance)
        for prediction in answer["predictions"]
    )


def encode(
    ws: Workspace,
    source: str,
    texts: Iterable[NewText],
    checkpoint: str = BEST,
    *,
    precision: str = EXACT,
    progress: Progress = _ignore,
    advance: Advance = _stand_still,
) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """One vector per text, by the pooling that tasks share: some texts at a time.

    Arguments and errors as for `predict`; `progress` is told if tasks have poolings of their own.

    Returns:
        Windows of texts in their order, each with its vectors, `(texts, width)`.
    """
    request = {"model": str(_source_folder(ws, source, checkpoint)), "precision": precision}
    return _encode(request, windows(texts, most_texts=ENCODED_AT_A_TIME), progress, advance)


def _encode(
    request: Mapping[str, Any],
    parts: Iterable[list[NewText]],
    progress: Progress,
    advance: Advance,
) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    with tempfile.TemporaryDirectory(prefix="mtl-workbench-") as folder:
        file = Path(folder) / "vectors.npy"
        asked = {**request, "to": str(file)}
        for part, _ in _ask_for_each(parts, "encode", asked, progress, advance):
            yield cast(list[str], part), np.load(file, allow_pickle=False)


def _ask_for_each(
    parts: Iterable[list[NewText]],
    errand: str,
    request: Mapping[str, Any],
    progress: Progress,
    advance: Advance,
) -> Iterator[tuple[list[NewText], dict[str, Any]]]:
    """Each window of texts with what one child says of it; what the child tells, it tells once."""
    left = iter(parts)
    # Before the child is started: what is wrong with the beginning of a file is then told at once.
    part = next(left, None)
    told: set[str] = set()
    finished = 0

    def tell(message: str) -> None:
        if message not in told:
            told.add(message)
            progress(message)

    with ErrandProcess() as child:
        while part is not None:
            read = finished + len(part)

            def move(share: float, before: int = finished, after: int = read) -> None:
                advance(before + share * (after - before), after)

            answer = child.ask(errand, {**request, "texts": part}, tell, move)
            advance(read, read)
            finished = read
            yield part, answer
            part = next(left, None)


def evaluate(
    ws: Workspace,
    ref: str,
    split: str = "test",
    checkpoint: str = BEST,
    progress: Progress = _ignore,
    *,
    precision: str = EXACT,
) -> Mapping[str, Mapping[str, float]]:
    """Metrics of a checkpoint on a split; exact ones on dev and test are kept with the run.

    Args:
        ws: Where.
        ref: The run.
        split: train, dev or test; test is read for this only.
        checkpoint: best, last, best:TASK, or a step.
        progress: Told what is being done.
        precision: fp32, bf16 or auto.

    Returns:
        By task that has the split, by metric.

    Raises:
        NotFoundError: There is no such run or checkpoint.
        DataError: No task has the split, or it cannot be read.
    """
    record = find_run(ws, ref)
    chosen = find_checkpoint(ws, record, checkpoint)
    begin = time.monotonic()
    answer = run_errand(
        "evaluate",
        {
            "model": str(model_folder(ws, record, chosen)),
            "config": record.config.model_dump(mode="json"),
            "split": split,
            "precision": precision,
        },
        progress,
    )
    metrics: dict[str, dict[str, float]] = answer["metrics"]
    # The curves of train hold the losses of the updates, which these must not replace.
    if split == "train" or precision != EXACT:
        return metrics
    # Dev metrics replace those of training at this step: what was selected by stays known.
    selection = chosen.selection if split == "dev" else None
    seconds = time.monotonic() - begin
    found = EvaluationFinished(chosen.step, split, metrics, selection, seconds)
    add_evaluation(ws.store, ws.location, record.id, found)
    return metrics


def thresholds(ws: Workspace, ref: str, checkpoint: str = BEST) -> dict[str, dict[str, float]]:
    """From which probability on a checkpoint gives each label, by multilabel task and label.

    Empty where there is no such task, no checkpoint yet, or its files are on another machine.
    """
    record = find_run(ws, ref)
    try:
        # Only looked at: nothing is loaded from there, so its hashes are of no account.
        folder = ws.location.run_folder(record.id) / find_checkpoint(ws, record, checkpoint).folder
        description = (folder / MODEL / "model.json").read_text(encoding="utf-8")
        heads = json.loads(description)["heads"]
    except (NotFoundError, CheckpointError, OSError, ValueError, KeyError):
        return {}
    return {
        task: dict(zip(head["labels"], head["options"]["thresholds"], strict=False))
        for task, head in heads.items()
        if "thresholds" in head.get("options", {})
    }


def find_checkpoint(ws: Workspace, record: RunRecord, wanted: str) -> CheckpointRecord:
    """The checkpoint that is meant.

    Args:
        ws: Where.
        record: The run.
        wanted: best (the last, where the run has no dev data to choose by), last, best:TASK (by
            that task's own metric), or a step.

    Raises:
        NotFoundError: The run has no such checkpoint.
    """
    there = ws.store.checkpoints(record.id)
    where = f"run {record.id} ({record.name})"
    if not there:
        raise NotFoundError(
            "The run has no checkpoint yet.",
            where=where,
            next_step=f"wait for its first evaluation: mtl-workbench watch {record.id}",
        )
    kind, _, task = wanted.partition(":")
    if kind == BEST and task:
        return _best_for(record, there, task, where)
    if wanted in (BEST, LAST):
        return _in_order(there, wanted)[0]
    for one in there:
        if wanted == str(one.step):
            return one
    steps = ", ".join(str(one.step) for one in there)
    raise NotFoundError(
        f'The run has no checkpoint "{wanted}".',
        where=where,
        next_step=f"say best, last, best:TASK, or one of the steps {steps}",
    )


def _best_for(
    record: RunRecord, there: Sequence[CheckpointRecord], task: str, where: str
) -> CheckpointRecord:
    """Where a task's own metric was highest; of two alike the earlier."""
    if task not in record.config.tasks:
        raise NotFoundError(
            f'The run has no task "{task}".',
            where=where,
            next_step=nearest(task, record.config.tasks),
        )
    metric = record.config.tasks[task].metric
    judged = [one for one in there if metric in one.metrics.get(task, {})]
    if not judged:
        raise NotFoundError(
            f"No checkpoint of the run was evaluated on {task}.",
            where=where,
            next_step=f"give it dev data ([tasks.{task}.data] dev), or say best or last",
        )
    return max(judged, key=lambda one: (one.metrics[task][metric], -one.step))


def _in_order(there: Sequence[CheckpointRecord], wanted: str = BEST) -> list[CheckpointRecord]:
    """The checkpoints, what is wanted first: the newest, or the best by the run's rule."""
    newest = sorted(there, key=lambda one: -one.step)
    if wanted == LAST:
        return newest
    return sorted(newest, key=lambda one: (not one.is_best, -(one.selection or 0.0)))


def _source_folder(ws: Workspace, source: str, checkpoint: str) -> Path:
    """Model folder of a run's checkpoint, or an exported folder."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder.resolve()
    try:
        record = find_run(ws, source)
    except NotFoundError as error:
        if "/" not in source:
            raise
        raise NotFoundError(
            f'There is no folder "{source}".',
            next_step="name a run, or a folder that `mtl-workbench export` wrote",
        ) from error
    return model_folder(ws, record, find_checkpoint(ws, record, checkpoint))


def model_folder(ws: Workspace, record: RunRecord, checkpoint: CheckpointRecord) -> Path:
    """The model of a checkpoint, whose files are as they were written.

    Raises:
        CheckpointError: They are not; names the next best checkpoint that is whole.
    """
    run_folder = ws.location.run_folder(record.id)
    folder = run_folder / checkpoint.folder
    try:
        _check(folder, checkpoint.step)
    except CheckpointError as error:
        for other in _in_order(ws.store.checkpoints(record.id)):
            if other.step != checkpoint.step and is_whole(run_folder / other.folder):
                say = f"--checkpoint {other.step}{_on_dev(other)}"
                raise CheckpointError(
                    error.what,
                    where=error.where,
                    next_step=f"take the next best, which is whole: {say}",
                ) from error
        raise
    return folder / MODEL


def _on_dev(checkpoint: CheckpointRecord) -> str:
    found = checkpoint.selection
    return "" if found is None else f" ({found:.3f} on dev)"


def _check(folder: Path, step: int) -> None:
    if not (folder / MODEL).is_dir():
        raise CheckpointError(
            f"The files of step {step} are not on this machine.",
            where=str(folder / MODEL),
            next_step="copy the run's folder here from where it was trained, or run it again",
        )
    check_checkpoint(folder)
