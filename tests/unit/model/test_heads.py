"""What holds for every task kind and its head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from builders import KINDS, LABELS, a_model, an_encoded_example, some_encoded_examples
from torch import nn

from workbench.data.batching import Batch, collate
from workbench.inference.evaluation import share_out
from workbench.model.backbone import Backbone
from workbench.model.building import HeadSettings, build_model
from workbench.model.heads import HEADS
from workbench.model.multitask import MultiTaskModel
from workbench.model.pooling import PoolingSettings

TASKS = tuple(KINDS)
COSINES = ("alike", "answer", "named")


def a_batch() -> Batch:
    return collate(some_encoded_examples(tasks=TASKS), range(6), pad_id=0)


def loss_of(model: MultiTaskModel, batch: Batch, task: str) -> torch.Tensor:
    targets = batch.targets[task]
    return model.heads[task].loss_sum(model(batch)[task], targets) / targets.count


def moved(part: nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in part.parameters())


def test_every_kind_of_head_is_tested_here() -> None:
    # What is hidden from a backbone is made with its tokenizer: see test_masked_lm.
    assert set(HEADS) == set(KINDS.values()) | {"masked_lm"}


@pytest.mark.parametrize("task", TASKS)
def test_a_tasks_loss_moves_only_its_head_and_the_backbone(task: str, bert: Path) -> None:
    model = a_model(bert, tasks=TASKS).model

    loss_of(model, a_batch(), task).backward()

    has_layers = any(True for _ in model.heads[task].parameters())
    assert {name for name, head in model.heads.items() if moved(head)} == (
        {task} if has_layers else set()
    )
    assert moved(model.backbone)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("frozen", [False, True])
def test_one_batch_can_be_overfitted(task: str, frozen: bool, bert: Path) -> None:
    model = a_model(bert, tasks=TASKS).model
    model.backbone.requires_grad_(not frozen)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if frozen and all(parameter.ndim == 0 for parameter in model.heads[task].parameters()):
        return  # it trains the backbone alone, and perhaps a scale
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

    assert logits.dtype == (torch.float32 if task in COSINES else torch.bfloat16)
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("task", TASKS)
def test_a_batch_in_parts_teaches_what_it_teaches_as_a_whole(task: str, bert: Path) -> None:
    # Means of means are wrong, sums and counts are not: the parts are of unequal size.
    model = a_model(bert, tasks=TASKS).model
    if model.heads[task].compares_examples:
        return  # micro-batches are other batches to it
    examples = some_encoded_examples(8, tasks=(task,))
    whole = collate(examples, range(8), pad_id=0)
    parts = [
        collate(examples[begin:end], range(begin, end), pad_id=0)
        for begin, end in ((0, 1), (1, 4), (4, 6), (6, 8))
    ]

    loss_of(model, whole, task).backward()
    gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    model.zero_grad(set_to_none=True)
    labels = sum(part.targets[task].count for part in parts)
    for part in parts:
        (loss_of(model, part, task) * part.targets[task].count / labels).backward()

    assert labels == whole.targets[task].count
    for one, other in zip(gradients, model.parameters(), strict=True):
        assert (one is None) == (other.grad is None)
        assert one is None or torch.allclose(one, other.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_padding_and_batch_mates_change_no_score(task: str, bert: Path) -> None:
    model = a_model(bert, tasks=TASKS).model
    examples = some_encoded_examples(tasks=(task,))

    beside = model(collate(examples, range(6), pad_id=0))[task]

    shares = share_out(KINDS[task], task, examples, beside.detach().numpy())
    for row, example in enumerate(examples):
        alone = model(collate([example], [0], pad_id=0))[task].detach().numpy()
        assert np.abs(alone - shares[row]).max() < 1e-4


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
        "topics": (6, 3),
        "grade": (6, 1),
        "follows": (6, 2),
        "alike": (6,),
        "answer": (6, 2, 8),
        "named": (6, 3),
    }


def test_a_text_of_several_pairs_and_tasks_is_one_row() -> None:
    batch = a_batch()

    assert batch.texts == 6
    assert len(batch.ids) == 6 + 3  # neighbours have their second text in common
    assert batch.targets["mood"].rows.tolist() == [0, 2, 3, 5, 6, 8]
    assert batch.targets["alike"].rows.tolist() == [[0, 1], [2, 1], [3, 4], [5, 4], [6, 7], [8, 7]]


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
