from __future__ import annotations

from pathlib import Path

import pytest
import torch
from builders import a_model
from torch import nn

from workbench.model.freezing import freeze
from workbench.model.multitask import MultiTaskModel
from workbench.training.optimizer import build_optimizer, set_rates, trained_parameters


def an_optimizer(model: MultiTaskModel) -> torch.optim.AdamW:
    return build_optimizer(model, learning_rate=0.1, head_learning_rate=0.4, weight_decay=0.5)


def test_only_the_matrices_of_layers_decay(bert: Path) -> None:
    # ENGINE_NOTES trap 8.
    model = a_model(bert).model

    optimizer = an_optimizer(model)

    decayed = {
        id(parameter)
        for group in optimizer.param_groups
        if group["weight_decay"]
        for parameter in group["params"]
    }
    for name, module in model.named_modules():
        for kind, parameter in module.named_parameters(recurse=False):
            plain = isinstance(module, (nn.LayerNorm, nn.Embedding)) or kind == "bias"
            assert (id(parameter) in decayed) is not plain, f"{name}.{kind}"


def test_every_trained_parameter_is_in_exactly_one_group(bert: Path) -> None:
    model = a_model(bert).model

    held = [id(parameter) for parameter in trained_parameters(an_optimizer(model))]

    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())


def test_groups_of_different_rates_keep_their_proportion(bert: Path) -> None:
    optimizer = an_optimizer(a_model(bert).model)

    for factor in (0.5, 0.1, 1.0):
        rates = set_rates(optimizer, factor)

        assert rates == {
            "backbone": pytest.approx(0.1 * factor),
            "heads": pytest.approx(0.4 * factor),
        }
        assert {group["lr"] for group in optimizer.param_groups} == set(rates.values())


def test_a_frozen_backbone_has_no_rate(bert: Path) -> None:
    model = a_model(bert).model
    freeze(model, "backbone")

    assert set_rates(an_optimizer(model), 1.0) == {"heads": 0.4}
