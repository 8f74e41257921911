"""How many threads a CPU's work is given: what this process may use, not what the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

import torch

CGROUPS = Path("/sys/fs/cgroup")


def use_allowed_threads() -> int:
    """Have torch use no more threads than there are processors for it; how many it uses.

    In a container torch counts the processors of the host: eight threads on a quota of two wait
    for each other at every matrix product. What OMP_NUM_THREADS says is left alone.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        allowed = allowed_processors()
        if allowed < torch.get_num_threads():
            torch.set_num_threads(allowed)
    return torch.get_num_threads()


def allowed_processors(cgroups: Path = CGROUPS) -> int:
    """Processors that affinity and the cgroup's quota leave to this process, one at least.

    Args:
        cgroups: Where the cgroups' files are.
    """
    affinity = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, math.ceil(min(affinity, _quota(cgroups))))


def _quota(cgroups: Path) -> float:
    """Processors' worth of time in the cgroup, infinity without a limit."""
    try:
        quota, period = (cgroups / "cpu.max").read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        try:  # the first version of cgroups
            quota = (cgroups / "cpu/cpu.cfs_quota_us").read_text(encoding="utf-8").strip()
            period = (cgroups / "cpu/cpu.cfs_period_us").read_text(encoding="utf-8").strip()
        except OSError:
            return math.inf
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max"
        return math.inf
    return share if share > 0 else math.inf
