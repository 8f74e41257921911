from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import pytest
import torch
import transformers
from builders import a_model, some_encoded_examples
from torch import nn

from workbench.config.optimization import OptimizerName
from workbench.data.batching import collate
from workbench.errors import ConfigError
from workbench.model.backbone import Backbone
from workbench.model.freezing import freeze
from workbench.model.multitask import MultiTaskModel
from workbench.model.pooling import PoolingSettings, TextPooling
from workbench.schedules import SEED_TABLE
from workbench.training.optimizer import (
    OPTIMIZERS,
    Rates,
    build_optimizer,
    parameter_table,
    set_rates,
    trained_parameters,
    weights_to_train,
    weights_to_use,
)

TASKS = ("mood", "length", "entity")
RATES = Rates(backbone=0.1, heads=0.4)


def an_optimizer(
    model: MultiTaskModel, rates: Rates = RATES, kind: str = "adamw"
) -> torch.optim.Optimizer:
    return build_optimizer(model, rates=rates, weight_decay=0.5, kind=kind)


def test_only_the_matrices_of_layers_decay(bert: Path) -> None:
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


def test_what_says_no_decay_has_none(bert: Path) -> None:
    # Transitions of a CRF, weights of a mix.
    model = a_model(bert).model
    matrix = model.heads["mood"].linear.weight
    matrix.no_decay = True

    optimizer = an_optimizer(model)

    decays = {
        group["weight_decay"]
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter is matrix
    }
    assert decays == {0.0}


# --- Rates by layer -----------------------------------------------------------------------------


def peaks(model: MultiTaskModel, rates: Rates) -> dict[str, float]:
    return {
        name: group["peak"]
        for group in an_optimizer(model, rates).param_groups
        for name, parameter in model.named_parameters()
        if any(parameter is held for held in group["params"])
    }


def test_rates_decay_from_the_heads_to_the_embeddings(bert: Path) -> None:
    found = peaks(a_model(bert).model, Rates(backbone=0.1, heads=0.4, layers="decay", decay=0.5))

    for name, rate in found.items():
        expected = (
            0.4 if name.startswith("heads.")
            else 0.05 if ".layer.1." in name
            else 0.025 if ".layer.0." in name
            else 0.0125
        )  # fmt: skip
        assert rate == pytest.approx(expected), name


def test_the_table_of_the_seed_gives_layer_10_its_own_rate() -> None:
    encoder = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=30, hidden_size=8, num_hidden_layers=12, num_attention_heads=2,
            intermediate_size=8, max_position_embeddings=8,
        ),
        add_pooling_layer=False,
    )  # fmt: skip
    head = nn.Linear(8, 2)
    model = MultiTaskModel(
        Backbone(encoder), {"mood": head}, pooling=TextPooling(8, PoolingSettings())
    )

    found = peaks(model, Rates(backbone=2e-5, heads=2e-5, layers="table", table=SEED_TABLE))

    for name, rate in found.items():
        pieces = name.split(".")
        expected = (
            1.0 if name.startswith("heads.")
            else 0.1 if "embeddings" in pieces
            else SEED_TABLE[int(pieces[4])]
        )  # fmt: skip
        assert rate == pytest.approx(2e-5 * expected), name


def test_a_task_may_have_its_own_rate(bert: Path) -> None:
    model = a_model(bert, tasks=("mood", "entity")).model

    rates = set_rates(an_optimizer(model, Rates(0.1, 0.4, tasks={"mood": 0.7})), 1.0)

    assert rates == {"backbone": 0.1, "head mood": 0.7, "heads": 0.4}


def test_the_table_of_groups_accounts_for_every_parameter(bert: Path) -> None:
    model = a_model(bert).model
    freeze(model, "embeddings")

    table = parameter_table(
        model,
        rates=Rates(backbone=0.1, heads=0.4, layers="decay", decay=0.5),
        weight_decay=0.5,
        begins={name: 3 for name, _ in model.named_parameters() if ".layer.1." in name},
    )

    assert sum(row.parameters for row in table) == sum(p.numel() for p in model.parameters())
    assert [row.name for row in table if row.frozen] == ["embeddings"]
    assert {row.name: row.rate for row in table} == {
        "embeddings": 0.0, "layer 0": 0.025, "layer 1": 0.05, "head mood": 0.4, "head entity": 0.4,
    }  # fmt: skip
    assert {row.name for row in table if row.first_step == 4} == {"layer 1"}
    layer = [row for row in table if row.name == "layer 0"]
    assert sorted(row.decay for row in layer) == [0.0, 0.5]


# --- Optimizers ---------------------------------------------------------------------------------


def losses_of(model: MultiTaskModel, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    batch = collate(some_encoded_examples(), range(6), pad_id=0)
    losses = []
    for _ in range(steps):
        logits = model(batch)
        loss = torch.stack(
            [model.heads[task].loss_sum(logits[task], batch.targets[task]) for task in logits]
        ).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def needs(kind: str) -> None:
    if kind == "schedule_free":
        pytest.importorskip("schedulefree", reason="the extra schedulefree is not installed")


def test_the_settings_name_every_optimizer() -> None:
    assert get_args(OptimizerName) == tuple(OPTIMIZERS)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_learns_and_leaves_alone_what_is_frozen(kind: str, bert: Path) -> None:
    needs(kind)
    model = a_model(bert, tasks=TASKS).model
    names = freeze(model, "embeddings")
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = an_optimizer(model.train(), Rates(backbone=0.003, heads=0.01), kind)
    weights_to_train(optimizer)

    losses = losses_of(model, optimizer, 12)
    weights_to_use(optimizer)

    assert losses[-1] < 0.7 * losses[0]
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name]) is (name in names), name


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_wholly_frozen_model_has_an_optimizer_of_nothing(kind: str, bert: Path) -> None:
    needs(kind)
    model = a_model(bert, tasks=TASKS).model
    freeze(model, "everything")

    optimizer = an_optimizer(model, kind=kind)

    assert list(trained_parameters(optimizer)) == []
    assert set_rates(optimizer, 1.0) == {}


def test_schedule_free_shows_its_average_and_goes_on_where_it_was(bert: Path) -> None:
    needs("schedule_free")
    model = a_model(bert, tasks=TASKS).model.train()
    optimizer = an_optimizer(model, Rates(backbone=0.01, heads=0.01), "schedule_free")
    weights_to_train(optimizer)
    losses_of(model, optimizer, 5)
    weight = model.heads["mood"].linear.weight
    moving = weight.detach().clone()

    weights_to_use(optimizer)
    average = weight.detach().clone()
    weights_to_use(optimizer)  # again changes nothing
    assert torch.equal(weight, average)
    weights_to_train(optimizer)

    assert not torch.allclose(average, moving, atol=1e-5)
    torch.testing.assert_close(weight.detach(), moving)


def test_without_its_extra_schedule_free_says_what_to_install(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "schedulefree", None)

    with pytest.raises(ConfigError, match=r"mtl-workbench\[schedulefree\]"):
        an_optimizer(a_model(bert, tasks=TASKS).model, kind="schedule_free")
