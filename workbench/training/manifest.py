"""What a checkpoint's folder is called, and whether its files are as they were written.

Knows no torch: whoever lists, forks or repairs runs asks here, too.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from workbench.errors import CheckpointError

MANIFEST = "manifest.json"
FOLDER = "checkpoints"


def checkpoint_name(step: int) -> str:
    """Folder of the checkpoint after a step, relative to the run's folder."""
    return f"{FOLDER}/step-{step:08d}"


def check_checkpoint(folder: Path) -> None:
    """Make sure that every file is as it was written.

    Raises:
        CheckpointError: A file is absent or changed.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name, expected in manifest["sha256"].items():
            if sha256_of(folder / name) != expected:
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


def sha256_of(file: Path) -> str:
    """The hash of a file's bytes, as a manifest has it."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
