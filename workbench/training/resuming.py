"""Going on from a checkpoint as if nothing had happened."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from pydantic import ValidationError

from workbench.config.experiment import ExperimentConfig
from workbench.data.columns import AT_ONCE, Column, Figures, Repeated
from workbench.data.kinds.tagging import WordLabelColumn
from workbench.data.labels import LabelSpace
from workbench.data.tokenizing import EncodedSplit
from workbench.errors import CheckpointError
from workbench.model.arithmetic import Arithmetic, matrix_backend, use_matrix_backend
from workbench.training.manifest import TRAINING, check_training_state, tidy
from workbench.training.run import Run
from workbench.training.state import State, read_state

ORIGIN = "origin"
FORK_INSTEAD = "or begin a new run with its model (mtl-workbench fork RUN)"
MAY_DIFFER = (
    "name",
    "showcase",
    "training.checkpoint_minutes",
    "training.device",
    "training.keep_every",
    "training.max_skipped_updates",
)
"""Settings that what is learned does not depend on, but for rounding."""


def origin_of(
    config: ExperimentConfig,
    splits: Iterable[EncodedSplit],
    labels: Mapping[str, LabelSpace],
    *,
    arithmetic: Arithmetic,
    frozen_checksum: str,
) -> State:
    """What a run is made of, to be compared when it goes on.

    Args:
        config: Its settings.
        splits: What it learns from and is chosen by.
        labels: By task.
        arithmetic: Where and how precisely it computes.
        frozen_checksum: Of what never moves.
    """
    return {
        "config": config.model_dump(mode="json"),
        "labels": {task: list(space.names) for task, space in labels.items()},
        "data": {split.name: _digest_of(split) for split in splits},
        "frozen": frozen_checksum,
        "arithmetic": {
            "device": arithmetic.device.type,
            "precision": arithmetic.precision,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "machine": platform.machine(),
            "matrix products": matrix_backend(),
        },
    }


def state_of(run: Run) -> dict[str, State]:
    """What a checkpoint of the run holds beside the model."""
    return {ORIGIN: run.origin} | {name: member.state() for name, member in run.members.items()}


def resume(run: Run, checkpoint: Path) -> Iterator[str]:
    """Put a run that was just prepared where another one was.

    Args:
        run: Prepared from the same settings and data.
        checkpoint: Folder of a checkpoint.

    Yields:
        What a person should know: why the rest may differ by rounding.

    Raises:
        CheckpointError: The checkpoint has no training state or is damaged, or settings or data
            are not what they were.
    """
    check_training_state(checkpoint)
    states = read_state(checkpoint / TRAINING)
    origin = states.pop(ORIGIN, {})
    _check_origin(origin, run, checkpoint)
    members = run.members
    if different := sorted(states.keys() ^ members.keys()):
        raise CheckpointError(
            f'The checkpoint and this version of the program do not both know "{different[0]}".',
            where=str(checkpoint),
            next_step=f"resume with the version that wrote it, {FORK_INSTEAD}",
        )
    for name, member in members.items():
        try:
            member.restore(states[name])
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"The checkpoint's state of {name} cannot be taken over: {error}.",
                where=str(checkpoint),
                next_step=f"resume from another checkpoint, {FORK_INSTEAD}",
            ) from error
    tidy(run.folder)
    then, now = origin["arithmetic"], run.origin["arithmetic"]
    # It was chosen by a measurement, which may come out otherwise the next time.
    if use_matrix_backend(str(then.get("matrix products", matrix_backend()))):
        now["matrix products"] = matrix_backend()
    for key in sorted(then.keys() & now.keys()):
        if then[key] != now[key]:
            yield (
                f"The run goes on with another {key}, {now[key]} in place of {then[key]}: from "
                "here its numbers may differ by rounding from those of a run without a break."
            )


def _check_origin(then: State, run: Run, checkpoint: Path) -> None:
    now = run.origin
    try:
        config = ExperimentConfig.model_validate(then["config"], strict=False)
        changed = list(_differences(config.model_dump(mode="json"), now["config"]))
        what = f"{changed[0]} is no longer what it was" if changed else ""
        for split, digest in then["data"].items():
            if not what and not is_digest_of(digest, run, split):
                what = f"The {split} examples are no longer what they were"
        if not what and then["labels"] != now["labels"]:
            what = "The labels are no longer what they were"
        if not what and then["frozen"] != now["frozen"]:
            what = f"The frozen weights of {run.config.backbone.model} are no longer what they were"
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        raise CheckpointError(
            "The checkpoint does not say what its run is made of.",
            where=str(checkpoint),
            next_step=f"resume with the version that wrote it, {FORK_INSTEAD}",
        ) from error
    if what:
        raise CheckpointError(
            f"{what}, so the run cannot go on as if nothing had happened.",
            where=str(checkpoint),
            next_step=f"put it back as it was, {FORK_INSTEAD}",
        )


def _differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Where two settings differ, as dotted keys, but for what may."""
    if place in MAY_DIFFER or one == other:
        return
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in [*one, *(key for key in other if key not in one)]:
            inner = f"{place}.{key}" if place else key
            yield from _differences(one.get(key), other.get(key), inner)
    else:
        yield place


def is_digest_of(digest: object, run: Run, name: str) -> bool:
    """Whether a checkpoint's digest is that of a prepared run's train or dev.

    By the way before, too: no run must be lost to how its data are told apart.

    Raises:
        KeyError: There is no such split.
    """
    if digest == run.origin["data"][name]:
        return True
    split = {one.name: one for one in (run.train_split, run.dev_split)}[name]
    return digest == _digest_of_each(split)


def _digest_of(split: EncodedSplit) -> str:
    """SHA-256 over all examples: their pieces and labels, in order."""
    digest = hashlib.sha256()
    table = split.table
    for begin in range(0, len(table), AT_ONCE):
        some = table.take(np.arange(begin, min(begin + AT_ONCE, len(table))))
        inputs = some.inputs[some.rows.places()]
        pieces = some.pieces.take(inputs)
        for array in (some.rows.lengths, pieces.lengths, pieces.flat("ids")):
            digest.update(array.astype(np.int64).tobytes())
        for task, part in some.parts.items():
            labelled = part.row_of >= 0
            digest.update(task.encode() + labelled.tobytes())
            # Which of an example's inputs its task reads follows from their numbers, in order.
            read = part.inputs[part.reads.take(part.row_of[labelled]).places()]
            ranks = np.unique(np.concatenate([inputs, read]), return_inverse=True)[1]
            digest.update(ranks.tobytes())
            digest.update(_content(part.labels.take(part.row_of[labelled])))
    return digest.hexdigest()


def _content(labels: Column[Any]) -> bytes:
    """What tells labels from others, for a few thousand at once."""
    parts: list[bytes] = []
    if isinstance(labels, Figures):
        return labels.figures.tobytes()
    if isinstance(labels, WordLabelColumn):
        places = labels.where.places()
        arrays = (labels.positions, labels.lasts, labels.labels)
        _feed(parts, [labels.where.lengths, *(one[places].astype(np.int64) for one in arrays)])
        return b";".join(parts)
    if isinstance(labels, Repeated):
        told = labels.map(lambda value, row: value)
        _feed(parts, [list(told.values), told.codes])
        return b";".join(parts)
    _feed(parts, list(labels))
    return b";".join(parts)


def _digest_of_each(split: EncodedSplit) -> str:
    """The same as checkpoints of November 2026 have it, which takes half a minute for a million."""
    digest = hashlib.sha256()
    for example in split.examples:
        parts: list[bytes] = []
        for row in example.rows:
            parts += (b"row", row.ids.tobytes())
        _feed(parts, example.labels)
        if example.reads:
            _feed(parts, example.reads)
        digest.update(b";".join(parts))
    return digest.hexdigest()


def _feed(parts: list[bytes], value: Any) -> None:
    if value is None or isinstance(value, str | int | float | np.generic):
        parts.append(repr(value).encode())
    elif isinstance(value, np.ndarray):
        parts += (f"{value.dtype}{value.shape}".encode(), value.tobytes())
    elif isinstance(value, Mapping):
        for key in sorted(value):
            parts.append(key.encode())
            _feed(parts, value[key])
    elif is_dataclass(value):
        for one in fields(value):
            _feed(parts, getattr(value, one.name))
    elif callable(value):
        pass  # how a tokenizer names its pieces; their numbers are in the digest
    elif isinstance(value, Sequence | Set):
        parts.append(b"%d" % len(value))
        # The order of a set of texts differs from process to process.
        for one in sorted(value, key=repr) if isinstance(value, Set) else value:
            _feed(parts, one)
    else:
        raise TypeError(f"an example holds a {type(value).__name__}")
