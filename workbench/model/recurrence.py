"""Running an LSTM or GRU, in whichever mode it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def fit_for_gradients(cells: nn.RNNBase) -> Iterator[None]:
    """Let a gradient flow back through cells that are in evaluation mode.

    A frozen RNN is so while the backbone below it moves. cuDNN refuses the way back then, torch's
    own kernels do not.

    Args:
        cells: That are run inside.
    """
    before = torch.backends.cudnn.enabled
    if cells.training or not torch.is_grad_enabled() or not before:
        yield
        return
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = before
