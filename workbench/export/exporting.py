"""Write a checkpoint in somebody else's format, and prove that it says the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from workbench.errors import CheckpointError, nearest
from workbench.export.sentence_transformers import write_sentence_transformers
from workbench.export.transformers import write_transformers
from workbench.export.verification import difference_of
from workbench.model.folder import LoadedModel, load_model_folder
from workbench.model.stack import StackBackbone

WRITERS: dict[str, Callable[[LoadedModel, Path], object]] = {
    "sentence-transformers": write_sentence_transformers,
    "transformers": write_transformers,
}


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    largest_difference: float
    """Between the export, opened anew, and the checkpoint: of any vector's value or logit."""


def export_model(
    model_folder: Path, form: str, target: Path, progress: Callable[[str], None]
) -> Exported:
    """Export a model; the target appears only when it is complete and verified.

    Args:
        model_folder: Of the checkpoint.
        form: A name in `WRITERS`.
        target: A folder that is not there yet, or empty.
        progress: Told what happens, in a few words.

    Raises:
        CheckpointError: The format is unknown, the target is in use, the disk is full, or the
            export's numbers are not the checkpoint's.
    """
    if form not in WRITERS:
        raise CheckpointError(
            f'There is no export format "{form}".',
            where="--format",
            next_step=nearest(form, WRITERS),
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CheckpointError(
            f"{target} is there already and not empty.",
            where="--to",
            next_step="name another folder, or remove that one",
        )
    progress("loading the checkpoint")
    loaded = load_model_folder(model_folder)
    if isinstance(loaded.model.backbone, StackBackbone):
        raise CheckpointError(
            "The backbone is a stack of words, which neither sentence-transformers nor "
            "transformers can open.",
            where="[backbone] kind",
            next_step="use it here (predict and encode take the run itself), or train with "
            'kind = "transformer"',
        )
    # Beside the target, under its very name: the name goes into the export's README.
    aside = target.parent / f".{target.name}.writing"
    written = aside / target.name
    shutil.rmtree(aside, ignore_errors=True)
    try:
        written.mkdir(parents=True)
        progress(f"writing {form}")
        WRITERS[form](loaded.with_adapters_merged, written)
        progress("opening it anew and comparing")
        difference = difference_of(loaded, form, written)
        if target.exists():
            target.rmdir()
        written.rename(target)
    except (OSError, SafetensorError) as error:  # safetensors wraps a full disk in its own
        raise CheckpointError(
            f"The export cannot be written: {getattr(error, 'strerror', None) or error}",
            where=str(target),
            next_step="make room on the disk, or name another folder with --to",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Exported(target, difference)
