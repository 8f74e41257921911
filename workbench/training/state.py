"""What a run must remember to go on exactly: nested values, as JSON and safetensors.

    state.json              everything but tensors, by member; a tensor is named by where it is
    tensors.safetensors     the tensors

Whatever has a memory is `Stateful` and is a member of the run (`Run.members`); the rest of a run
is made anew from its settings and its data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench.errors import CheckpointError

VALUES, TENSORS = "state.json", "tensors.safetensors"
_TENSOR = "__tensor__"

State = dict[str, Any]
"""Nested dictionaries and lists of JSON values and tensors; the keys are text."""


class Stateful(Protocol):
    """Something with a memory."""

    def state(self) -> State:
        """Everything that is needed to go on from here. Tensors need not be copies."""

    def restore(self, state: State) -> None:
        """Go on from there. The tensors are copied where they are kept.

        Raises:
            ValueError: The state is that of something else.
        """


def write_state(state: Mapping[str, State], folder: Path) -> None:
    """Write states by member into a folder that is there already.

    Raises:
        TypeError: There is something in it that is neither a tensor nor a JSON value.
    """
    tensors: dict[str, Tensor] = {}
    values = _without_tensors(dict(state), "", tensors)
    content = json.dumps(values, indent=1, ensure_ascii=False)
    (folder / VALUES).write_text(content, encoding="utf-8")
    save_file(tensors, folder / TENSORS)


def read_state(folder: Path) -> dict[str, State]:
    """The states by member again, with tensors on the CPU.

    Raises:
        CheckpointError: The files are absent or damaged.
    """
    try:
        values = json.loads((folder / VALUES).read_text(encoding="utf-8"))
        # From their own memory, not from the mapped file: what a kernel computes may depend on
        # how its inputs are aligned.
        tensors = {name: value.clone() for name, value in load_file(folder / TENSORS).items()}
        found: dict[str, State] = _with_tensors(values, tensors)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(
            f"The training state cannot be read: {error}",
            where=str(folder),
            next_step="resume from another checkpoint, or begin a new run from this one's model",
        ) from error
    return found


def is_same(one: Any, other: Any) -> bool:
    """Whether two states are equal to the last bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one.cpu(), other.cpu())
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def _without_tensors(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        if place in tensors:
            raise TypeError(f"two tensors are called {place}")
        tensors[place] = value.detach().cpu().contiguous()
        return {_TENSOR: place}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"{place}: a key is not text")
        return {
            key: _without_tensors(inner, f"{place}/{key}" if place else key, tensors)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            _without_tensors(inner, f"{place}/{number}", tensors)
            for number, inner in enumerate(value)
        ]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{place} is a {type(value).__name__}, which a state cannot hold")


def _with_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_TENSOR}:
            return tensors[value[_TENSOR]]
        return {key: _with_tensors(inner, tensors) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_tensors(inner, tensors) for inner in value]
    return value
