"""Checkpoints as files: their names, their hashes, how they appear and go. Without torch.

    checkpoints/step-00000100/
        manifest.json           step, and the hashes of what is in model/
        model/                  what predicts (see `model.folder`)
        training/               what a run needs to go on exactly (see `training.state`)
            manifest.json       the hashes of the rest; this folder may go while model/ stays

A name that begins with a dot is of something that is being written or removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import CheckpointError

MANIFEST = "manifest.json"
FOLDER = "checkpoints"
MODEL, TRAINING = "model", "training"
BEST_ON_DEV = Path("predictions") / "dev-best.jsonl.gz"
"""What the best one says of dev (see `training.dev_predictions`), relative to the run's folder."""
_VERIFIED = "verified.json"
_REPLACED = ".replaced"
OTHER_CHECKPOINT = "take another checkpoint (mtl-workbench checkpoints RUN)"


def checkpoint_name(step: int) -> str:
    """Folder of the checkpoint after a step, relative to the run's folder."""
    return f"{FOLDER}/step-{step:08d}"


def checkpoint_steps(run_folder: Path) -> list[int]:
    """Steps of the checkpoints that are there and whole by their names, ascending."""
    found = []
    for manifest in (run_folder / FOLDER).glob(f"step-*/{MANIFEST}"):
        number = manifest.parent.name.removeprefix("step-")
        if number.isdigit():
            found.append(int(number))
    return sorted(found)


def has_training_state(folder: Path) -> bool:
    """Whether a run can go on exactly from a checkpoint's folder."""
    return (folder / TRAINING / MANIFEST).is_file()


def seal(folder: Path, about: Mapping[str, Any], *, within: str = "") -> int:
    """Write the manifest of a folder and force all of it to the disk.

    Args:
        folder: Where the manifest goes.
        about: What else it says.
        within: The sub-folder whose files it holds the hashes of; the whole folder by default.

    Returns:
        The size of those files and of the manifest, in bytes.
    """
    files = list(_files(folder / within))
    hashes = {str(file.relative_to(folder)): sha256_of(file) for file in files}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps(dict(about) | {"sha256": hashes}, indent=2), encoding="utf-8")
    size = sum(_sync(file) for file in [*files, manifest])
    for inner in {file.parent for file in [*files, manifest]}:
        _sync_folder(inner)
    return size


def publish(aside: Path, final: Path) -> None:
    """Give a folder that is complete its name; one that has it already goes afterwards."""
    replaced = final.with_name(f".{final.name}{_REPLACED}")
    if final.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        final.rename(replaced)
    aside.rename(final)
    _sync_folder(final.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def tidy(run_folder: Path) -> None:
    """Clear away what a process that was killed left half written or half removed.

    Call it while nobody else writes checkpoints there.
    """
    for left in (run_folder / FOLDER).glob(".step-*"):
        final = left.with_name(left.name.removeprefix(".").removesuffix(_REPLACED))
        if left.name.endswith(_REPLACED) and not final.exists():
            left.rename(final)  # it was killed between the two renames
        else:
            shutil.rmtree(left, ignore_errors=True)
    for left in (run_folder / FOLDER).glob(f"step-*/.{TRAINING}.removing"):
        shutil.rmtree(left, ignore_errors=True)


def remove_checkpoint(run_folder: Path, step: int) -> None:
    """Delete a checkpoint; first out of sight, so that a half-deleted one is never offered."""
    _remove(run_folder / checkpoint_name(step))


def remove_training_state(run_folder: Path, step: int) -> None:
    """Delete what only an exact resume needs; the model stays."""
    _remove(run_folder / checkpoint_name(step) / TRAINING)


def check_checkpoint(folder: Path) -> None:
    """Make sure that every file of the model is as it was written.

    What was found right once is believed as long as size and time of change are the same.

    Raises:
        CheckpointError: A file is absent or changed.
    """
    _check(folder, folder)


def is_whole(folder: Path) -> bool:
    """Whether every file of the model is as it was written."""
    try:
        check_checkpoint(folder)
    except CheckpointError:
        return False
    return True


def check_training_state(folder: Path) -> None:
    """The same for what a run needs to go on.

    Raises:
        CheckpointError: There is none, or a file is absent or changed.
    """
    if not has_training_state(folder):
        raise CheckpointError(
            "The checkpoint has no training state, so a run cannot go on from it exactly.",
            where=str(folder),
            next_step="resume from the run's last checkpoint, or begin a new run from this one's "
            "model: mtl-workbench fork RUN --checkpoint STEP",
        )
    _check(folder / TRAINING, folder)


def _check(sealed: Path, folder: Path) -> None:
    try:
        manifest: dict[str, Any] = json.loads((sealed / MANIFEST).read_text(encoding="utf-8"))
        hashes: dict[str, str] = manifest["sha256"]
        known = _verified(sealed)
        now = {name: _stamp(sealed / name, right) for name, right in hashes.items()}
        for name, right in hashes.items():
            if known.get(name) == now[name]:
                continue
            if sha256_of(sealed / name) != right:
                raise CheckpointError(
                    f"{(sealed / name).relative_to(folder)} is not as it was written.",
                    where=str(folder),
                    next_step=OTHER_CHECKPOINT,
                )
        if known != now:
            _remember(sealed, now)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"The checkpoint is not complete: {error}",
            where=str(folder),
            next_step="its files may be on another machine, or deleted; " + OTHER_CHECKPOINT,
        ) from error


def _verified(sealed: Path) -> dict[str, Any]:
    try:
        found = json.loads((sealed / _VERIFIED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(sealed: Path, stamps: Mapping[str, Any]) -> None:
    aside = sealed / f".{_VERIFIED}.{os.getpid()}"
    try:
        aside.write_text(json.dumps(stamps), encoding="utf-8")
        aside.rename(sealed / _VERIFIED)
    except OSError:  # a folder that cannot be written is checked each time
        aside.unlink(missing_ok=True)


def _stamp(file: Path, right: str) -> list[Any]:
    """What changes when a file does: its size and times, and which file it is."""
    found = file.stat()
    return [right, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _remove(folder: Path) -> None:
    if folder.is_dir():
        doomed = folder.with_name(f".{folder.name}.removing")
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        shutil.rmtree(doomed)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def sha256_of(file: Path) -> str:
    """The hash of a file's bytes, as a manifest has it."""
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
