"""How the gradients of the tasks stand to one another on the parameters that they share.

Looked at every so many updates, beside the update: the losses, the random numbers and the
gradients that the update follows are the same to the last bit, looked at or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor

from workbench.conflicts import has_fallen, pair_name, pairs_of, standing_cosine
from workbench.events import InterferenceProbed
from workbench.model.parts import Part
from workbench.training.task_rows import TaskRows

WHOLE = "all"
"""Name of all shared parameters together, beside those of the layers."""
UPDATES_PER_TASK = 30
"""Updates between two looks, times the number of tasks, if nothing else is said. A look costs one
backward pass per task, about two thirds of an update, so this is a 45th of the time."""
MOST_MEMORY_SHARE = 0.25
"""Of a GPU's memory, that the gradients kept for a look may take if nobody asked for looks."""
_KEPT_COSINES = 64


def looks_every(
    asked: int | None, tasks: int, shared_values: int, device: torch.device
) -> tuple[int, str]:
    """How many updates are between two looks; 0 for none.

    Args:
        asked: By the settings; None leaves it to this function.
        tasks: How many are trained.
        shared_values: Values of the shared parameters that are trained.
        device: Where they are.

    Returns:
        The number, and what a person should know of it, empty if nothing.
    """
    if tasks < 2 or not shared_values:
        return 0, ""
    if asked is not None:
        return asked, ""
    memory = (
        torch.cuda.get_device_properties(device).total_memory
        if device.type == "cuda"
        else psutil.virtual_memory().available
    )
    needed = 4 * tasks * shared_values
    if needed > MOST_MEMORY_SHARE * memory:
        return 0, (
            "Interference between the tasks is not looked at: the gradients of "
            f"{tasks} tasks would take {needed / 2**30:.1f} GB. Set "
            "instruments.interference_every to do it all the same."
        )
    return UPDATES_PER_TASK * tasks, ""


@dataclass(frozen=True)
class Interference:
    """One look; the numbers may still be on their way from a GPU."""

    tasks: tuple[str, ...]
    groups: tuple[str, ...]
    """`WHOLE`, then the parts of the shared model, from its bottom up."""
    gramians: Tensor
    """Products of the tasks' gradients, `(groups, tasks, tasks)`."""

    def event(self, step: int, weights: Mapping[str, float]) -> InterferenceProbed:
        """The look as an event; a pair of which one gradient is 0 has no cosine."""
        norms: dict[str, dict[str, float]] = {}
        cosines: dict[str, dict[str, float]] = {}
        for group, gramian in zip(self.groups, self.gramians.cpu().double(), strict=True):
            lengths = gramian.diagonal().clamp(min=0.0).sqrt().tolist()
            norms[group] = dict(zip(self.tasks, lengths, strict=True))
            cosines[group] = {
                pair_name(one, other): float(product) / (norms[group][one] * norms[group][other])
                for (one, other), product in zip(
                    pairs_of(self.tasks), _above_diagonal(gramian), strict=True
                )
                if norms[group][one] > 0
                and norms[group][other] > 0
                and math.isfinite(float(product))  # an overflow in fp16 has no direction
            }
        return InterferenceProbed(step, self.tasks, norms, cosines, dict(weights))


def look(rows: TaskRows, shared: Sequence[Part]) -> Interference:
    """Take the products of the tasks' gradients, of all shared parameters and of each part.

    Args:
        rows: Each task's gradient on the shared parameters that are trained now, in their order.
        shared: The parts that these belong to.
    """
    sizes = {
        part.name: sum(p.numel() for p in part.parameters.values() if p.requires_grad)
        for part in shared
    }
    named = [(name, size) for name, size in sizes.items() if size]
    columns = torch.split(rows.matrix, [size for _, size in named], dim=1)
    products = torch.stack([part @ part.T for part in columns])
    return Interference(
        rows.tasks,
        (WHOLE, *(name for name, _ in named)),
        torch.cat([products.sum(dim=0, keepdim=True), products]),
    )


def _above_diagonal(gramian: Tensor) -> Tensor:
    """The products of each two, in the order of `pairs_of`."""
    rows, columns = torch.triu_indices(len(gramian), len(gramian), offset=1)
    return gramian[rows, columns]


class ConflictWatch:
    """Warns, once a pair, when two tasks pull apart for long and one of them gets worse.

    That is: the mean of the recent cosines of the pair on all shared parameters is below a
    bound, and the dev metric of one of them is lower than at the evaluation before and clearly
    below its best. Neither alone is a sign of harm.
    """

    def __init__(self, metrics: Mapping[str, str], *, warn_below: float) -> None:
        """Watch a run.

        Args:
            metrics: By task, the name of the metric that counts.
            warn_below: The bound of the mean cosine.
        """
        self._metrics, self._warn_below = dict(metrics), warn_below
        self._cosines: dict[str, list[float]] = {}
        self._values: dict[str, list[float]] = {}
        self._told: list[str] = []

    def see(self, probe: InterferenceProbed) -> None:
        """Remember a look."""
        for pair, cosine in probe.cosines[WHOLE].items():
            self._cosines[pair] = [*self._cosines.get(pair, []), cosine][-_KEPT_COSINES:]

    def evaluated(self, metrics: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
        """What a person should know after an evaluation of dev, a sentence for each pair."""
        for task, found in metrics.items():
            self._values.setdefault(task, []).append(found[self._metrics[task]])
        for pair, cosines in self._cosines.items():
            cosine = standing_cosine(cosines)
            if cosine is None or cosine >= self._warn_below or pair in self._told:
                continue
            one, other = pair.split("|")
            for harmed, by in ((one, other), (other, one)):
                values = self._values.get(harmed, [])
                if has_fallen(values):
                    self._told.append(pair)
                    yield (
                        f"{by} may harm {harmed}: their gradients pull apart (mean cosine "
                        f"{cosine:.2f}), and the {self._metrics[harmed]} of {harmed} on dev has "
                        f"fallen from {max(values):.3f} to {values[-1]:.3f}. Try "
                        "weighting.gradients = upgrad or pcgrad, a lower "
                        f"tasks.{by}.weight, or compare with {harmed} alone "
                        "(mtl-workbench baselines)."
                    )
                    break

    def state(self) -> dict[str, Any]:
        """All that `restore` needs."""
        return {"cosines": self._cosines, "values": self._values, "told": self._told}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._cosines = {pair: list(values) for pair, values in state["cosines"].items()}
        self._values = {task: list(values) for task, values in state["values"].items()}
        self._told = list(state["told"])
