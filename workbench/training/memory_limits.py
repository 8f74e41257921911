"""When memory runs out in the middle of an update: what would fit, or half as much at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from workbench.errors import WorkerError
from workbench.model.heads import Head
from workbench.training.run import Run


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: of a GPU it has a class, of a CPU only words."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def halve(run: Run, indices: Sequence[int]) -> str:
    """Let the next attempt at an update take half as many texts at a time.

    Args:
        run: Its `micro_batch_size` becomes smaller, for the rest of the run.
        indices: The examples of the update that did not fit.

    Returns:
        What a person should know.

    Raises:
        WorkerError: It cannot be halved, or the settings do not want it; says what would fit.
    """
    failed = min(run.micro_batch_size or len(indices), len(indices))
    all_lengths = run.train_split.lengths
    lengths = [int(all_lengths[index]) for index in indices]
    longest = max(lengths)
    half = -(-failed // 2)
    if run.config.training.on_out_of_memory == "halve" and failed > 1:
        run.micro_batch_size = half
        if run.arithmetic.device.type == "cuda":
            torch.cuda.empty_cache()
        return (
            f"Memory ran out at step {run.step + 1} with {failed} text(s) at a time; from here on "
            f"there are {half} at a time, and the update stays the sum over all of them"
            + (
                ", but for tasks that compare texts of a batch: they see fewer."
                if _compares(run)
                else "."
            )
        )
    fits = min(failed - 1, run.fitted_pieces // longest) or half if failed > 1 else 0
    raise WorkerError(
        f"Memory ran out at step {run.step + 1}: {failed} text(s) of up to {longest} pieces at a "
        f"time do not fit on {run.arithmetic.device}.",
        where=f"[training] {'micro_batch_size' if run.micro_batch_size else 'batch_size'}"
        + (f"; the most that fitted was {run.fitted_pieces:,} pieces" if run.fitted_pieces else ""),
        next_step=(
            f"set training.micro_batch_size = {fits}, which leaves the update as it is, or "
            'training.on_out_of_memory = "halve"; or lower backbone.max_length'
            if fits
            else "lower backbone.max_length, freeze more, or take a smaller backbone"
        )
        + "; the checkpoints written before are intact",
    )


def _compares(run: Run) -> bool:
    return any(
        isinstance(head, Head) and head.compares_examples
        for head in run.loaded.model.heads.values()
    )
