"""Which GPU a queued run gets: one that has enough free memory and no other queued run.

Through NVML, which tells of all processes' memory without making a CUDA context. Where there is
none, or no GPU, nothing is chosen and a run sees what its supervisor sees.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

VISIBLE = "CUDA_VISIBLE_DEVICES"
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Gpu:
    """One of this machine's."""

    index: int
    """As NVML and nvidia-smi count."""
    uuid: str
    """What CUDA_VISIBLE_DEVICES takes without a doubt about the order."""
    name: str
    free_mebibytes: int
    total_mebibytes: int


def find_gpus(nvml: Any = None, *, visible: str | None = None) -> list[Gpu]:
    """The GPUs of this machine that may be used.

    Args:
        nvml: The module of nvidia-ml-py, or what behaves like it.
        visible: What CUDA_VISIBLE_DEVICES says; by default that of this process. Numbers and
            UUIDs in it are obeyed.
    """
    if visible is None:
        visible = os.environ.get(VISIBLE)
    try:
        nvml = nvml or import_module("pynvml")  # seldom needed, and it has no types
        nvml.nvmlInit()
    except Exception:  # no library, no driver, no GPU: each has a class of its own
        return []
    try:
        found = [_look_at(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except Exception:  # a GPU that fell off the bus: better none than a wrong one
        return []
    finally:
        nvml.nvmlShutdown()
    return [gpu for gpu in found if may_use(gpu.index, gpu.uuid, visible)]


def may_use(index: int, uuid: str, visible: str | None) -> bool:
    """Whether CUDA_VISIBLE_DEVICES allows a GPU, by its number or its UUID; None allows all."""
    if visible is None:
        return True
    allowed = [part.strip() for part in visible.split(",")]
    return any(part == str(index) or (part and uuid.startswith(part)) for part in allowed)


def choose_gpu(gpus: Sequence[Gpu], *, taken: Collection[str], free_mebibytes: int) -> Gpu | None:
    """The one with the most free memory of those that no queued run has.

    Args:
        gpus: Those that may be used.
        taken: UUIDs of those that queued runs at work were given.
        free_mebibytes: One with less free memory than this is in use by somebody.
    """
    free = [gpu for gpu in gpus if gpu.uuid not in taken and gpu.free_mebibytes >= free_mebibytes]
    return max(free, key=lambda gpu: (gpu.free_mebibytes, -gpu.index), default=None)


def _look_at(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(
        index=index,
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        name=_text(nvml.nvmlDeviceGetName(handle)),
        free_mebibytes=memory.free // _MEBIBYTE,
        total_mebibytes=memory.total // _MEBIBYTE,
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
