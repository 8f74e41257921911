"""Parameters that do not move: no gradient, no optimizer state, no decay, evaluation mode."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from workbench.model.multitask import MultiTaskModel


def _nothing(model: MultiTaskModel) -> list[nn.Module]:
    return []


def _backbone(model: MultiTaskModel) -> list[nn.Module]:
    return [model.backbone]


FREEZINGS: dict[str, Callable[[MultiTaskModel], list[nn.Module]]] = {
    "none": _nothing,
    "backbone": _backbone,
}
"""By mode: the parts that do not move."""


def freeze(model: MultiTaskModel, mode: str) -> None:
    """Freeze the parts that `mode` names, for good.

    Args:
        model: Not yet given to an optimizer.
        mode: A name in `FREEZINGS`.
    """
    for part in FREEZINGS[mode](model):
        for parameter in part.parameters():
            parameter.requires_grad_(False)
            # A stale gradient would still move the parameter at the next update.
            parameter.grad = None


def is_frozen(part: nn.Module) -> bool:
    """Whether no parameter of this part is trained."""
    return not any(parameter.requires_grad for parameter in part.parameters())


def frozen_checksum(model: nn.Module) -> str:
    """SHA-256 over names and values of all frozen parameters; empty if there is none."""
    digest = hashlib.sha256()
    frozen = sorted(
        (name, parameter)
        for name, parameter in model.named_parameters()
        if not parameter.requires_grad
    )
    for name, parameter in frozen:
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest() if frozen else ""
