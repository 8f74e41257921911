"""What holds for every task kind and its head."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from builders import KINDS, LABELS, a_model, an_encoded_example, some_encoded_examples
from torch import nn

from workbench.data.batching import Batch, TextTargets, WordTargets, collate
from workbench.model.backbone import Backbone
from workbench.model.building import HeadSettings, build_model
from workbench.model.heads import HEADS
from workbench.model.multitask import MultiTaskModel
from workbench.model.pooling import PoolingSettings

TASKS = tuple(KINDS)


def a_batch() -> Batch:
    return collate(some_encoded_examples(), range(6), pad_id=0)


def loss_of(model: MultiTaskModel, batch: Batch, task: str) -> torch.Tensor:
    logits = model(batch)[task]
    return model.heads[task].loss_sum(logits, batch.targets[task]) / len(logits)


def moved(part: nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in part.parameters())


def test_every_kind_of_head_is_tested_here() -> None:
    assert set(HEADS) == set(KINDS.values())


@pytest.mark.parametrize("task", TASKS)
def test_a_tasks_loss_moves_only_its_head_and_the_backbone(task: str, bert: Path) -> None:
    model = a_model(bert, tasks=TASKS).model

    loss_of(model, a_batch(), task).backward()

    assert {name for name, head in model.heads.items() if moved(head)} == {task}
    assert moved(model.backbone)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("frozen", [False, True])
def test_one_batch_can_be_overfitted(task: str, frozen: bool, bert: Path) -> None:
    model = a_model(bert, tasks=TASKS).model
    model.backbone.requires_grad_(not frozen)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.1 if frozen else 5e-3, weight_decay=0.0)
    batch = a_batch()

    for _ in range(120 if frozen else 50):
        optimizer.zero_grad()
        loss = loss_of(model, batch, task)
        loss.backward()
        optimizer.step()

    assert loss_of(model, batch, task).item() < 0.1


@pytest.mark.parametrize("task", TASKS)
def test_the_loss_is_in_float32_under_autocast(task: str, bert: Path) -> None:
    model, batch = a_model(bert, tasks=TASKS).model, a_batch()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(batch)[task]
        loss = model.heads[task].loss_sum(logits, batch.targets[task])

    assert logits.dtype == torch.bfloat16
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("kind", HEADS)
def test_the_loss_is_a_sum_so_that_halves_of_a_batch_add_up(kind: str) -> None:
    # Means of means are wrong, sums and counts are not.
    head = HEADS[kind](4, labels=("O", "B-X", "I-X"), dropout=0.0)
    rows, labels = torch.arange(6), torch.tensor([0, 1, 2, 0, 1, 2])
    logits = head(torch.randn(6, 4))

    def targets(part: slice) -> TextTargets | WordTargets:
        if kind == "classification":
            return TextTargets(rows[part], labels[part])
        size = len(rows[part])
        return WordTargets(rows[part], rows[part], rows[part], labels[part], (1,) * size, size)

    whole = head.loss_sum(logits, targets(slice(0, 6)))
    parts = [head.loss_sum(logits[part], targets(part)) for part in (slice(0, 2), slice(2, 6))]

    assert torch.allclose(whole, parts[0] + parts[1])


def test_adding_a_task_leaves_the_first_weights_of_the_others(bert: Path) -> None:
    alone = a_model(bert, tasks=("entity",)).model.heads["entity"]
    beside = a_model(bert, tasks=("mood", "length", "entity")).model.heads["entity"]

    assert torch.equal(alone.linear.weight, beside.linear.weight)


def test_heads_of_two_tasks_and_of_two_seeds_begin_differently(bert: Path) -> None:
    model = a_model(bert, tasks=("mood", "length")).model
    other = a_model(bert, tasks=("mood",), seed=4).model

    assert not torch.equal(
        model.heads["mood"].linear.weight[:2], model.heads["length"].linear.weight
    )
    assert not torch.equal(model.heads["mood"].linear.weight, other.heads["mood"].linear.weight)


def test_the_backbone_sees_each_text_once_for_all_tasks(bert: Path) -> None:
    model = a_model(bert, tasks=TASKS).model
    calls: list[int] = []
    model.backbone.register_forward_hook(lambda *_: calls.append(1))

    logits = model(a_batch())

    assert len(calls) == 1
    assert {task: tuple(scores.shape) for task, scores in logits.items()} == {
        "mood": (6, 3),
        "length": (6, 2),
        "entity": (12, 5),
    }


def test_each_head_gets_the_rows_and_words_that_are_its_own(bert: Path) -> None:
    model = a_model(bert, tasks=TASKS).model
    examples = [
        an_encoded_example(4, text_labels={"mood": 0}),
        an_encoded_example(6, words={"entity": [(3, 1)]}, first_id=30),
    ]
    batch = collate(examples, [0, 1], pad_id=0)

    logits = model(batch)

    hidden = model.hidden(batch.ids, batch.mask)
    pooled = model.pooling(hidden, batch.mask)
    assert logits.keys() == {"mood", "entity"}
    assert torch.allclose(logits["mood"], model.heads["mood"](pooled[:1]))
    assert torch.allclose(logits["entity"], model.heads["entity"](hidden[1:2, 3]))


@pytest.mark.parametrize("name", ["type", "keys", "train", "forward", "add_module", "float"])
def test_a_task_may_have_the_name_of_something_that_torch_has(name: str, bert: Path) -> None:
    loaded = a_model(bert)
    heads = {name: HeadSettings("classification", LABELS["mood"].names, 0.1)}

    model = build_model(loaded.backbone, heads, pooling=PoolingSettings(), seed=1)
    batch = collate([an_encoded_example(text_labels={name: 1})], [0], pad_id=0)

    assert model(batch)[name].shape == (1, 3)
    assert f"{name}.linear.weight" in model.heads.state_dict()
    assert isinstance(model.train().backbone, Backbone)
