"""Dropout whose random numbers cost little on a CPU.

torch draws one number after the other for each element there, a tenth of a training step. Here one
64-bit draw serves four elements: another stream of the same distribution. What is dropped is a pure
function of the run's seed and the step, so nothing of it needs to be kept to resume a run.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

LEVELS = 1 << 16


class MaskSource:
    """Where the masks of a model come from; all its dropouts share one."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.start_step(0)

    def start_step(self, step: int) -> None:
        """From here on draw what belongs to this step."""
        self._bits = np.random.SFC64([self._seed, step])

    def keep(self, like: Tensor, dropped_levels: int) -> Tensor:
        """Which elements stay: a boolean tensor shaped as `like`."""
        count = like.numel()
        draws = self._bits.random_raw(-(-count // 4)).view(np.int16)[:count]
        bound = dropped_levels - LEVELS // 2
        return (torch.from_numpy(draws) >= bound).view(like.shape)


class CheapDropout(nn.Module):
    """Drops each element with probability `p`, rounded to 1 in 65,536, and scales the rest.

    The expected value of each element is exactly its own, as the scale fits the rounded rate.
    """

    def __init__(self, p: float, source: MaskSource) -> None:
        super().__init__()
        self.p = p
        self._source = source
        self._levels = min(round(p * LEVELS), LEVELS - 1)

    def forward(self, values: Tensor) -> Tensor:
        """Drop in training, pass through in evaluation; any shape."""
        if not self.training or self._levels == 0:
            return values
        keep = self._source.keep(values, self._levels)
        scale = values.new_tensor(LEVELS / (LEVELS - self._levels))
        return values * torch.where(keep, scale, values.new_zeros(()))


def make_dropout_cheap(model: nn.Module, seed: int) -> MaskSource:
    """Exchange the dropouts of a model that trains on a CPU.

    Args:
        model: All of it. Attention inside it drops out by itself: see `attention`.
        seed: Of the run.

    Returns:
        To be told of each step.
    """
    source = MaskSource(seed)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Dropout:
                setattr(module, name, CheapDropout(child.p, source))
    return source
