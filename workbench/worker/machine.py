"""What the machine that a run works on is doing: its processors, its memory, its GPUs.

What cannot be known is None or missing; nothing here ever raises. Figures of a run on another
machine are not to be had from here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from workbench.store.records import ProcessIdentity
from workbench.worker.devices import may_use
from workbench.worker.liveness import current_identity, is_alive


@dataclass(frozen=True)
class GpuFigures:
    """One GPU."""

    index: int
    uuid: str
    name: str
    busy: float | None
    """Share of the time in which it computed, 0 to 1."""
    memory_used: int
    """Bytes."""
    memory_total: int
    temperature: float | None
    """Degrees Celsius."""


@dataclass(frozen=True)
class MachineFigures:
    """One moment."""

    process_cpu: float
    """Of the worker, in cores."""
    process_memory: int
    """Of the worker, resident bytes."""
    host_memory_bytes: int
    """All of it."""
    host_cpu: float
    """Share of all cores that is busy, 0 to 1."""
    host_memory: float
    """Share of memory that is in use, 0 to 1."""
    cores: int
    gpus: tuple[GpuFigures, ...]


def as_shares(figures: MachineFigures, visible: str | None = None) -> dict[str, float]:
    """What part of each thing is in use, 0 to 1, as `events.MachineSampled` has it.

    Args:
        figures: Of one moment.
        visible: What CUDA_VISIBLE_DEVICES says: other GPUs are none of the run's business.
    """
    shares = {
        "worker cpu": figures.process_cpu / figures.cores,
        "worker memory": figures.process_memory / figures.host_memory_bytes,
        "host cpu": figures.host_cpu,
        "host memory": figures.host_memory,
    }
    for gpu in figures.gpus:
        if may_use(gpu.index, gpu.uuid, visible):
            if gpu.busy is not None:
                shares[f"gpu{gpu.index}"] = gpu.busy
            if gpu.memory_total:  # a driver in trouble says 0
                shares[f"gpu{gpu.index} memory"] = gpu.memory_used / gpu.memory_total
    return shares


class MachineWatch:
    """Looks at the process of a run; keeps what the next look is compared with."""

    def __init__(self) -> None:
        self._process: psutil.Process | None = None
        self._gpus: Any = None
        self._has_tried = False

    def look(self, process: ProcessIdentity | None) -> MachineFigures | None:
        """The figures of now; None for a process that is gone or on another machine.

        The first look at a process has nothing to compare with: its processor figures are 0.
        """
        if process is None or process.host != current_identity().host or not is_alive(process):
            return None
        with suppress(psutil.Error, OSError):
            if self._process is None or self._process.pid != process.pid:
                self._process = psutil.Process(process.pid)
                self._process.cpu_percent()
                psutil.cpu_percent()
            one, memory = self._process, psutil.virtual_memory()
            return MachineFigures(
                process_cpu=one.cpu_percent() / 100,
                process_memory=one.memory_info().rss,
                host_memory_bytes=memory.total,
                host_cpu=psutil.cpu_percent() / 100,
                host_memory=memory.percent / 100,
                cores=psutil.cpu_count() or 1,
                gpus=self._look_at_gpus(),
            )
        return None

    def _look_at_gpus(self) -> tuple[GpuFigures, ...]:
        if not self._has_tried:
            self._has_tried = True
            # Any failure means the same: no GPU whose figures can be had.
            with suppress(Exception):
                import pynvml  # type: ignore[import-untyped]  # 20 ms, and only while one watches

                pynvml.nvmlInit()
                self._gpus = pynvml
        if self._gpus is None:
            return ()
        found = []
        with suppress(Exception):
            for index in range(self._gpus.nvmlDeviceGetCount()):
                found.append(_gpu(self._gpus, index))
        return tuple(found)


def _gpu(library: Any, index: int) -> GpuFigures:
    handle = library.nvmlDeviceGetHandleByIndex(index)
    uuid = library.nvmlDeviceGetUUID(handle)
    memory = library.nvmlDeviceGetMemoryInfo(handle)
    name = library.nvmlDeviceGetName(handle)
    busy = temperature = None
    with suppress(Exception):
        busy = library.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    with suppress(Exception):
        temperature = float(library.nvmlDeviceGetTemperature(handle, 0))
    return GpuFigures(
        index,
        uuid.decode() if isinstance(uuid, bytes) else str(uuid),
        name.decode() if isinstance(name, bytes) else str(name),
        busy,
        int(memory.used),
        int(memory.total),
        temperature,
    )
