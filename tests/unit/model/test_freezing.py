from __future__ import annotations

from pathlib import Path

import pytest
import torch
from builders import a_model, some_encoded_examples

from workbench.data.batching import Batch, collate
from workbench.model.freezing import FREEZINGS, freeze, frozen_checksum, is_frozen
from workbench.model.multitask import MultiTaskModel
from workbench.training.optimizer import build_optimizer

TASKS = ("mood", "length", "entity")


def a_batch() -> Batch:
    return collate(some_encoded_examples(), range(6), pad_id=0)


def an_optimizer(model: MultiTaskModel) -> torch.optim.AdamW:
    return build_optimizer(model, learning_rate=0.01, head_learning_rate=0.01, weight_decay=0.5)


def update(model: MultiTaskModel, optimizer: torch.optim.Optimizer) -> None:
    batch = a_batch()
    logits = model(batch)
    losses = [model.heads[task].loss_sum(logits[task], batch.targets[task]) for task in logits]
    optimizer.zero_grad(set_to_none=True)
    torch.stack(losses).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("mode", FREEZINGS)
def test_what_is_frozen_does_not_move_and_the_rest_does(mode: str, bert: Path) -> None:
    model = a_model(bert, tasks=TASKS).model
    freeze(model, mode)
    optimizer = an_optimizer(model.train())
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    checksum = frozen_checksum(model)

    for _ in range(3):
        update(model, optimizer)

    assert frozen_checksum(model) == checksum
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name]) is not value.requires_grad, name


@pytest.mark.parametrize("mode", FREEZINGS)
def test_what_is_frozen_has_no_gradient_and_no_optimizer_state(mode: str, bert: Path) -> None:
    # ENGINE_NOTES trap 7: a stale or zero gradient still moves a weight.
    model = a_model(bert, tasks=TASKS).model
    update(model, torch.optim.SGD(model.parameters(), lr=0.0))  # leaves gradients behind
    freeze(model, mode)
    optimizer = an_optimizer(model.train())

    update(model, optimizer)

    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, name
            assert id(parameter) not in held, name
            assert parameter not in optimizer.state, name


def test_a_frozen_backbone_gives_in_training_the_vectors_of_evaluation(bert: Path) -> None:
    # ENGINE_NOTES trap 6: left in training mode its dropout makes the cosine 0.95.
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
