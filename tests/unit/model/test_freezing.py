from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from builders import a_model, some_encoded_examples

from workbench.data.batching import Batch, collate
from workbench.errors import ConfigError
from workbench.model.freezing import (
    FREEZINGS,
    GradualUnfreezing,
    first_steps,
    freeze,
    frozen_checksum,
    is_frozen,
)
from workbench.model.multitask import MultiTaskModel
from workbench.training.optimizer import Rates, build_optimizer

TASKS = ("mood", "length", "entity")
FROZEN: dict[str, dict[str, Any]] = {
    **{name: {"mode": name} for name in FREEZINGS},
    "lowest": {"mode": "lowest", "layers": 1},
    "all_but_top": {"mode": "all_but_top", "layers": 1},
    "all_but_both": {"mode": "all_but_top", "layers": 2},
    "a head": {"mode": "none", "heads": ["mood"]},
    "backbone and heads": {"mode": "backbone", "heads": ["mood", "entity"]},
    "patterns": {"mode": "none", "patterns": ["*.attention.*", "heads.length.linear.bias"]},
    "embeddings and a pattern": {"mode": "embeddings", "patterns": ["*.layer.1.*"]},
}
LEARNING = [name for name in FROZEN if name != "everything"]


def a_batch() -> Batch:
    return collate(some_encoded_examples(), range(6), pad_id=0)


def an_optimizer(model: MultiTaskModel) -> torch.optim.Optimizer:
    return build_optimizer(model, rates=Rates(backbone=0.01, heads=0.01), weight_decay=0.5)


def update(model: MultiTaskModel, optimizer: torch.optim.Optimizer) -> None:
    batch = a_batch()
    logits = model(batch)
    losses = [model.heads[task].loss_sum(logits[task], batch.targets[task]) for task in logits]
    optimizer.zero_grad(set_to_none=True)
    torch.stack(losses).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("frozen", LEARNING)
def test_what_is_frozen_does_not_move_and_the_rest_does(frozen: str, bert: Path) -> None:
    model = a_model(bert, tasks=TASKS).model
    names = freeze(model, **FROZEN[frozen])
    assert names == {name for name, one in model.named_parameters() if not one.requires_grad}
    optimizer = an_optimizer(model.train())
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    checksum = frozen_checksum(model)

    for _ in range(3):
        update(model, optimizer)

    assert frozen_checksum(model) == checksum
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name]) is not value.requires_grad, name


@pytest.mark.parametrize("frozen", LEARNING)
def test_what_is_frozen_has_no_gradient_and_no_optimizer_state(frozen: str, bert: Path) -> None:
    # A stale or zero gradient still moves a weight.
    model = a_model(bert, tasks=TASKS).model
    update(model, torch.optim.SGD(model.parameters(), lr=0.0))  # leaves gradients behind
    freeze(model, **FROZEN[frozen])
    optimizer = an_optimizer(model.train())

    update(model, optimizer)

    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, name
            assert id(parameter) not in held, name
            assert parameter not in optimizer.state, name


def test_a_frozen_backbone_gives_in_training_the_vectors_of_evaluation(bert: Path) -> None:
    # Left in training mode its dropout makes the cosine 0.95.
    model, batch = a_model(bert, tasks=TASKS).model, a_batch()
    freeze(model, "backbone")
    expected = model.eval().encode(batch.ids, batch.mask)

    model.train()
    in_training = model.encode(batch.ids, batch.mask)

    assert torch.equal(in_training, expected)
    assert not any(module.training for module in model.backbone.modules())
    assert all(head.training for head in model.heads.values())
    assert not in_training.requires_grad


def test_a_trained_backbone_does_drop_out_in_training(bert: Path) -> None:
    model, batch = a_model(bert, tasks=TASKS).model.train(), a_batch()

    one, two = (model.encode(batch.ids, batch.mask) for _ in range(2))

    assert not torch.equal(one, two)


def test_the_checksum_is_empty_without_frozen_parameters_and_tells_one_bit(bert: Path) -> None:
    model = a_model(bert).model
    assert frozen_checksum(model) == ""
    freeze(model, "backbone")
    before = frozen_checksum(model)
    weight = next(model.backbone.parameters())

    with torch.no_grad():
        weight.view(-1)[0] = torch.nextafter(weight.view(-1)[0], torch.tensor(9.0))

    assert frozen_checksum(model) != before
    assert is_frozen(model.backbone)


@pytest.mark.parametrize("frozen", FROZEN)
def test_what_is_wholly_frozen_is_in_evaluation_mode_and_the_rest_is_not(
    frozen: str, bert: Path
) -> None:
    # `train()` comes again after every evaluation.
    model = a_model(bert, tasks=TASKS).model
    freeze(model, **FROZEN[frozen])

    model.eval()
    model.train()

    for name, module in model.named_modules():
        own = list(module.parameters())
        if own:
            assert module.training is any(one.requires_grad for one in own), name
            if not module.training:
                assert not any(inner.training for inner in module.modules()), name


def trained_names(model: MultiTaskModel) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("frozen", "expected"),
    [
        ({"mode": "lowest", "layers": 1}, {"encoder.layer.1.", "heads."}),
        ({"mode": "lowest", "layers": 2}, {"heads."}),
        ({"mode": "all_but_top", "layers": 1}, {"encoder.layer.1.", "heads."}),
        ({"mode": "all_but_top", "layers": 2}, {"encoder.layer.", "heads."}),
        ({"mode": "embeddings"}, {"encoder.layer.", "heads."}),
        ({"mode": "backbone"}, {"heads."}),
        ({"mode": "biases_only"}, {".bias", "heads."}),
        ({"mode": "norms_only"}, {"LayerNorm", "heads."}),
        ({"mode": "none", "heads": ["mood"]}, {"backbone.", "heads.length", "heads.entity"}),
        ({"mode": "none", "patterns": ["heads.*"]}, {"backbone."}),
    ],
)
def test_what_is_trained_is_what_the_mode_says(
    frozen: dict[str, Any], expected: set[str], bert: Path
) -> None:
    model = a_model(bert, tasks=TASKS).model

    freeze(model, **frozen)

    assert trained_names(model) == {
        name for name, _ in model.named_parameters() if any(piece in name for piece in expected)
    }


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        ({"mode": "lowest", "layers": 3}, "freezing.layers is 3, but the backbone has 2 layers"),
        ({"mode": "all_but_top", "layers": 9}, "freezing.layers is 9"),
        ({"mode": "none", "patterns": ["*.layers.*"]}, '"\\*.layers.\\*" fits no parameter'),
    ],
)
def test_what_is_not_there_cannot_be_frozen(
    frozen: dict[str, Any], message: str, bert: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        freeze(a_model(bert).model, **frozen)


# --- Gradual unfreezing -------------------------------------------------------------------------


def test_the_backbone_thaws_from_the_top_and_what_is_frozen_stays_so(bert: Path) -> None:
    # A schedule that owns `requires_grad` undid the user's freezing.
    model = a_model(bert, tasks=TASKS).model
    frozen = freeze(model, "embeddings", heads=["mood"], patterns=["*.layer.0.attention.*"])
    checksum = frozen_checksum(model, frozen)
    plan = {"share": 0.5, "total_steps": 8}
    begins = first_steps(model, **plan)
    unfreezing = GradualUnfreezing(model, **plan)
    optimizer = an_optimizer(model.train())
    seen = []

    for step in range(8):
        unfreezing.start_step(step)
        moving = trained_names(model)
        assert moving == {
            name
            for name, _ in model.named_parameters()
            if name not in frozen and begins.get(name, 0) <= step
        }
        before = {name: value.detach().clone() for name, value in model.named_parameters()}
        update(model, optimizer)
        for name, value in model.named_parameters():
            assert torch.equal(value, before[name]) is (name not in moving), name
            assert (value in optimizer.state) is (name in moving), name
        seen.append(sorted({name.split(".")[4] for name in moving if ".layer." in name}))
        assert model.backbone.encoder.encoder.layer[0].training is (step >= 4)

    assert seen == [[]] * 2 + [["1"]] * 2 + [["0", "1"]] * 4
    assert frozen_checksum(model, frozen) == checksum


def test_the_state_of_a_thawed_part_begins_with_it(bert: Path) -> None:
    model = a_model(bert, tasks=TASKS).model
    unfreezing = GradualUnfreezing(model, share=0.6, total_steps=10)
    optimizer = an_optimizer(model.train())

    for step in range(10):
        unfreezing.start_step(step)
        update(model, optimizer)

    steps = {
        name: int(optimizer.state[parameter]["step"])
        for name, parameter in model.named_parameters()
    }
    assert {steps[name] for name in steps if name.startswith("heads.")} == {10}
    assert {steps[name] for name in steps if ".layer.1." in name} == {8}
    assert {steps[name] for name in steps if ".layer.0." in name} == {6}
    assert {steps[name] for name in steps if ".embeddings." in name} == {4}


def test_without_gradual_unfreezing_all_moves_at_once(bert: Path) -> None:
    model = a_model(bert).model

    GradualUnfreezing(model, share=0.0, total_steps=8).start_step(0)

    assert first_steps(model, share=0.0, total_steps=8) == {}
    assert trained_names(model) == {name for name, _ in model.named_parameters()}
