"""Checkpoints: written aside, synced, renamed; never half there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.errors import CheckpointError
from workbench.model.folder import LoadedModel, save_model_folder

MANIFEST = "manifest.json"
FOLDER = "checkpoints"


def checkpoint_name(step: int) -> str:
    """Folder of the checkpoint after a step, relative to the run's folder."""
    return f"{FOLDER}/step-{step:08d}"


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
        files = {str(file.relative_to(aside)): _sha256(file) for file in _files(aside)}
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


def check_checkpoint(folder: Path) -> None:
    """Make sure that every file is as it was written.

    Raises:
        CheckpointError: A file is absent or changed.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name, expected in manifest["sha256"].items():
            if _sha256(folder / name) != expected:
                raise CheckpointError(
                    f"{name} is not as it was written.",
                    where=str(folder),
                    next_step="take another checkpoint (mtl-workbench checkpoints RUN)",
                )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"The checkpoint is not complete: {error}",
            where=str(folder),
            next_step="its files may be on another machine, or deleted; take another checkpoint "
            "(mtl-workbench checkpoints RUN)",
        ) from error


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
