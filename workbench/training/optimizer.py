"""AdamW over parameter groups built from the structure of the model, never from names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from workbench.model.multitask import MultiTaskModel
from workbench.model.vocabulary import OccurringRows

BACKBONE, HEADS = "backbone", "heads"


def build_optimizer(
    model: MultiTaskModel,
    *,
    learning_rate: float,
    head_learning_rate: float,
    weight_decay: float,
) -> torch.optim.AdamW:
    """An optimizer of the parameters that are trained.

    Every group carries its `name` and its highest rate as `peak`. Vectors (biases, the
    weights of norms) and embeddings are in groups without decay.

    Args:
        model: Frozen where it shall be frozen.
        learning_rate: Highest rate of the backbone.
        head_learning_rate: Highest rate of the heads.
        weight_decay: Decoupled decay of the matrices of layers.
    """
    groups: list[dict[str, Any]] = []
    for name, module, rate in (
        (BACKBONE, model.backbone, learning_rate),
        (HEADS, model.heads, head_learning_rate),
    ):
        for parameters, decay in (
            (_trained(module, decayed=True), weight_decay),
            (_trained(module, decayed=False), 0.0),
        ):
            if parameters:
                groups.append(
                    {
                        "params": parameters,
                        "lr": rate,
                        "peak": rate,
                        "weight_decay": decay,
                        "name": name,
                    }
                )
    return torch.optim.AdamW(groups, fused=True)


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> dict[str, float]:
    """Give each group its highest rate times `factor`.

    Returns:
        The rates by group name.
    """
    rates = {}
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
        rates[group["name"]] = group["lr"]
    return rates


def trained_parameters(optimizer: torch.optim.Optimizer) -> Iterable[nn.Parameter]:
    """All parameters that the optimizer moves."""
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def _trained(module: nn.Module, *, decayed: bool) -> list[nn.Parameter]:
    embeddings = {
        id(parameter)
        for part in module.modules()
        if isinstance(part, (nn.Embedding, OccurringRows))
        for parameter in part.parameters(recurse=False)
    }
    return [
        parameter
        for parameter in module.parameters()
        if parameter.requires_grad
        and (parameter.ndim > 1 and id(parameter) not in embeddings) == decayed
    ]
