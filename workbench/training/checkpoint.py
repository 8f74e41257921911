"""Checkpoints: written aside, synced, renamed; never half there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import CheckpointError
from workbench.model.folder import LoadedModel, save_model_folder
from workbench.training.manifest import MANIFEST, checkpoint_name, sha256_of


def save_checkpoint(run_folder: Path, step: int, loaded: LoadedModel) -> int:
    """Write what is needed to predict after this step.

    The folder appears under its name only when all its files are on the disk.

    Returns:
        Its size in bytes.

    Raises:
        CheckpointError: The disk is full or cannot be written; earlier checkpoints are intact.
    """
    final = run_folder / checkpoint_name(step)
    aside = final.with_name(f".{final.name}.writing")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        (aside / "model").mkdir(parents=True)
        save_model_folder(loaded, aside / "model")
        files = {str(file.relative_to(aside)): sha256_of(file) for file in _files(aside)}
        manifest = {"step": step, "sha256": files}
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        size = sum(_sync(file) for file in _files(aside))
        shutil.rmtree(final, ignore_errors=True)
        aside.rename(final)
        _sync_folder(final.parent)
    except Exception as error:
        shutil.rmtree(aside, ignore_errors=True)
        if not isinstance(error, OSError) and "No space" not in str(error):
            raise
        raise CheckpointError(
            f"The checkpoint of step {step} cannot be written: {error}",
            where=str(final),
            next_step="make room on the disk; the earlier checkpoints are intact",
        ) from error
    return size


def remove_checkpoint(run_folder: Path, step: int) -> None:
    """Delete a checkpoint; first out of sight, so that a half-deleted one is never offered."""
    folder = run_folder / checkpoint_name(step)
    if folder.is_dir():
        doomed = folder.with_name(f".{folder.name}.removing")
        folder.rename(doomed)
        shutil.rmtree(doomed)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _sync(file: Path) -> int:
    """Force a file to the disk; its size."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
    return file.stat().st_size


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
