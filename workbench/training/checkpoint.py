"""Checkpoints: written aside, synced, renamed; never half there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from workbench.errors import CheckpointError
from workbench.model.folder import LoadedModel, save_model_folder
from workbench.training.manifest import MODEL, TRAINING, checkpoint_name, publish, seal
from workbench.training.state import State, write_state


@dataclass(frozen=True)
class Size:
    """What a checkpoint takes on the disk, in bytes."""

    model: int
    training: int


def save_checkpoint(
    run_folder: Path,
    step: int,
    loaded: LoadedModel,
    training: Mapping[str, State] | None = None,
) -> Size:
    """Write what is needed to predict after this step, and to go on from it.

    The folder appears under its name only when all its files are on the disk.

    Args:
        run_folder: Of the run.
        step: The last update that is in it.
        loaded: The model.
        training: States of the run's members; without them it only predicts.

    Raises:
        CheckpointError: The disk is full or cannot be written; earlier checkpoints are intact.
    """
    final = run_folder / checkpoint_name(step)
    aside = final.with_name(f".{final.name}.writing")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        (aside / MODEL).mkdir(parents=True)
        save_model_folder(loaded, aside / MODEL)
        model_bytes = seal(aside, {"step": step}, within=MODEL)
        training_bytes = 0
        if training is not None:
            (aside / TRAINING).mkdir()
            write_state(training, aside / TRAINING)
            training_bytes = seal(aside / TRAINING, {"step": step})
        publish(aside, final)
    except Exception as error:
        shutil.rmtree(aside, ignore_errors=True)
        if not isinstance(error, OSError) and not _is_of_the_disk(error):
            raise
        raise CheckpointError(
            f"The checkpoint of step {step} cannot be written: {error}",
            where=str(final),
            next_step="make room on the disk; the earlier checkpoints are intact, and the run can "
            "be resumed from the last of them",
        ) from error
    return Size(model_bytes, training_bytes)


def _is_of_the_disk(error: Exception) -> bool:
    """Whether an error of a library that writes by itself is one of the operating system."""
    said = str(error)
    is_writers = isinstance(error, SafetensorError)
    return "No space" in said or (is_writers and ("os error" in said or "I/O error" in said))
