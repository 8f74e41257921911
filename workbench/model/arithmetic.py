"""Where and how precisely to compute: device, mixed precision, the CPU's matrix back end."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.nn import functional

from workbench.errors import ConfigError

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Arithmetic:
    """A device and the precision of the forward pass; weights stay in float32."""

    device: torch.device
    precision: str
    """fp32, bf16 or fp16."""

    def autocast(self) -> AbstractContextManager[object]:
        """What the forward pass runs in."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_DTYPES[self.precision])

    def weights_cast_once(self) -> AbstractContextManager[object]:
        """What several forward passes without updates between them run in, each in `autocast`.

        The weights are then rounded once and kept, not at each pass. Outside of `autocast`
        everything is computed as it would be.
        """
        if self.precision == "fp32":
            return nullcontext()
        # torch drops what it has cast when the outermost block ends, even if that casts nothing.
        return torch.autocast(self.device.type, dtype=_DTYPES[self.precision], enabled=False)

    def scaler(self) -> torch.amp.GradScaler:
        """Scales the loss for fp16, whose gradients would vanish; else does nothing."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")


def choose_arithmetic(device: str, precision: str) -> Arithmetic:
    """Decide what `auto` means on this machine.

    Args:
        device: auto, cpu, mps, cuda or cuda:N.
        precision: auto, fp32, bf16 or fp16.

    Raises:
        ConfigError: The machine has no such device, or the device no such precision.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(device)
    if chosen.type == "cuda" and (
        not torch.cuda.is_available() or (chosen.index or 0) >= torch.cuda.device_count()
    ):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise ConfigError(
            f"The device {device} is not there; torch sees {count} GPU(s).",
            where="[training] device",
            next_step='set device = "auto", or install a torch build for this GPU',
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(
            "The device mps is not there.",
            where="[training] device",
            next_step='set device = "auto"',
        )
    if precision == "auto":
        has_bf16 = chosen.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bf16" if has_bf16 else "fp32"
    if precision == "fp16" and chosen.type != "cuda":
        raise ConfigError(
            f"fp16 is for GPUs; the device here is {chosen.type}.",
            where="[training] precision",
            next_step='set precision = "bf16" or "fp32"',
        )
    return Arithmetic(chosen, precision)


@cache
def choose_matrix_backend() -> str:
    """Let the CPU multiply float32 matrices with whichever library is faster here and as exact.

    On some CPUs oneDNN is 2.3 times as fast as the default BLAS at the same error, on others
    slower, and where it has bfloat16 units it may round through them; so both are tried for
    30 ms, and a candidate that is not as exact as the default is refused. Once in a process:
    what was chosen would else be the default that the next choice is measured by.

    They are tried on one thread. What differs between them is how they use a core; several threads
    wait for each other at the end of a product, and on a busy machine that wait is ten times the
    product, so that equal configs would choose, and round, unequally.

    Returns:
        The name of what was chosen, for the log.
    """
    settings: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # not in the stubs
    default: str = settings.fp32_precision
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(256, 384, generator=random)
    weights = torch.randn(1536, 384, generator=random)
    exact = functional.linear(inputs.double(), weights.double())
    best, best_seconds = default, float("inf")
    bound = 0.0
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for candidate in (default, "tf32", "bf16"):
            try:
                settings.fp32_precision = candidate
            except RuntimeError:  # this build does not know it
                continue
            error = (functional.linear(inputs, weights).double() - exact).abs().max().item()
            bound = bound or 2 * error
            seconds = _fastest(inputs, weights) if error <= bound else float("inf")
            # A quarter must be gained before the default is left: where two are alike, what is
            # left of noise must not decide.
            if seconds < best_seconds * (1.0 if candidate == default else 0.75):
                best, best_seconds = candidate, seconds
    finally:
        torch.set_num_threads(threads)
    settings.fp32_precision = best
    return best


def _fastest(inputs: torch.Tensor, weights: torch.Tensor) -> float:
    seconds = []
    for _ in range(5):
        begin = time.thread_time()  # the clock on the wall measures what others do
        functional.linear(inputs, weights)
        seconds.append(time.thread_time() - begin)
    return min(seconds)


def matrix_backend() -> str:
    """What `choose_matrix_backend` chose in this process, or the default."""
    settings: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # not in the stubs
    return str(settings.fp32_precision)


def use_matrix_backend(name: str) -> bool:
    """Multiply matrices as another process did; whether this build can."""
    settings: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # not in the stubs
    try:
        settings.fp32_precision = name
    except RuntimeError:
        return False
    return True
