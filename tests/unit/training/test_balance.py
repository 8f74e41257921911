from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import (
    a_model,
    a_task,
    an_encoded_example,
    an_experiment,
    events_of,
    some_encoded_examples,
)
from torch import Tensor

from workbench.config.weighting import WeightingConfig
from workbench.data.batching import Batch, collate
from workbench.data.tokenizing import EncodedExample
from workbench.events import StepFinished, Warned
from workbench.model.folder import LoadedModel
from workbench.model.freezing import freeze
from workbench.model.parts import parts_of
from workbench.training.aggregation import AGGREGATIONS
from workbench.training.balance import Balance, Balanced, moving
from workbench.training.weighting import WEIGHTINGS

TASKS = ("mood", "length", "entity")
OFF = torch.amp.GradScaler("cpu", enabled=False)
METHODS = [{"method": name} for name in WEIGHTINGS] + [{"gradients": name} for name in AGGREGATIONS]
METHODS += [
    {"method": "uncertainty", "gradients": "upgrad"},
    {"method": "geometric", "gradients": "pcgrad", "last_layers": 1},
    {"gradients": "cagrad", "match_norm": True},
]


def named(settings: dict[str, Any]) -> str:
    return "-".join(map(str, settings.values()))


def partly_labelled(count: int = 32) -> list[EncodedExample]:
    """Texts of all sorts: labelled by all tasks, by two, by one, and long runs without a task."""
    examples = []
    for number in range(count):
        text_labels = {}
        if number % 3 != 1:
            text_labels["mood"] = number % 3
        if number >= count // 2:  # absent from the first micro-batches altogether
            text_labels["length"] = number % 2
        words = {"entity": [(1, number % 5), (2, 0)][: 1 + number % 2]} if number % 4 else {}
        examples.append(
            an_encoded_example(
                4 + number % 9, text_labels=text_labels, words=words, first_id=10 + number
            )
        )
    return examples


def batches_of(examples: Sequence[EncodedExample], size: int) -> list[Batch]:
    return [
        collate(examples[at : at + size], range(at, at + size), pad_id=0)
        for at in range(0, len(examples), size)
    ]


def shares(loaded: LoadedModel, batch: Batch, counts: Counter[str]) -> dict[str, Tensor]:
    """What a micro-batch adds to each task's mean loss."""
    logits = loaded.model(batch)
    return {
        task: loaded.model.heads[task].loss_sum(scores, batch.targets[task]) / counts[task]  # type: ignore[operator,union-attr]
        for task, scores in logits.items()
    }


def counts_of(batches: Sequence[Batch]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update({task: targets.count for task, targets in batch.targets.items()})
    return counts


def a_balance(loaded: LoadedModel, **settings: Any) -> Balance:
    if settings.get("method") == "formula":
        settings.setdefault("formula", "mood + 0.5 * entity + max(length, 0.1 * mood)")
    return Balance(
        loaded.model,
        tasks=TASKS,
        config=WeightingConfig(**settings),
        seed=3,
        updates_per_epoch=4,
        device=torch.device("cpu"),
    )


def balanced_by(
    loaded: LoadedModel,
    balance: Balance,
    batches: Sequence[Batch],
    own: dict[str, float] | None = None,
    scaler: torch.amp.GradScaler = OFF,
    step: int = 0,
) -> tuple[Balanced, dict[str, Tensor]]:
    """One update's balance, and the gradients that it left."""
    loaded.model.zero_grad(set_to_none=True)
    counts = counts_of(batches)
    weights = {task: (own or {}).get(task, 1.0) for task in TASKS if task in counts}
    balance.begin(step, weights, micro_batches=len(batches), scaler=scaler)
    for batch in batches:
        balance.add(shares(loaded, batch, counts))
    found = balance.finish()
    again: dict[str, Tensor] = {}
    if balance.wants_losses_again:
        again = {task: 0.9 * loss for task, loss in found.losses.items()}
    balance.learn(again)
    return found, {
        name: parameter.grad.clone()
        for name, parameter in loaded.model.named_parameters()
        if parameter.grad is not None
    }


def task_gradient(loaded: LoadedModel, examples: Sequence[EncodedExample], task: str) -> Any:
    """By hand: the mean loss over all labels of one task, and its gradient by name."""
    (batch,) = batches_of(examples, len(examples))
    loss = shares(loaded, batch, counts_of([batch]))[task]
    loaded.model.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    found = {
        name: parameter.grad.clone()
        for name, parameter in loaded.model.named_parameters()
        if parameter.grad is not None
    }
    return loss.detach(), found


def assert_alike(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float = 2e-5) -> None:
    assert one.keys() == other.keys()
    largest = max(float(gradient.abs().max()) for gradient in one.values())
    for name, gradient in one.items():
        assert torch.allclose(gradient, other[name], rtol=1e-3, atol=tolerance * largest), name


@pytest.mark.parametrize("settings", METHODS, ids=named)
def test_four_micro_batches_of_eight_are_one_batch_of_32(
    settings: dict[str, Any], bert: Path
) -> None:
    examples = partly_labelled(32)
    one, four = a_model(bert, tasks=TASKS), a_model(bert, tasks=TASKS)
    whole, parts = a_balance(one, **settings), a_balance(four, **settings)

    for step in range(3):  # what a method has learned from the first shows in the next
        at_once, gradients = balanced_by(one, whole, batches_of(examples, 32), step=step)
        in_parts, summed = balanced_by(four, parts, batches_of(examples, 8), step=step)

        assert_alike(gradients, summed, tolerance=1e-3 if "graddrop" in settings.values() else 2e-5)
        for task in TASKS:
            assert float(at_once.losses[task]) == pytest.approx(float(in_parts.losses[task]))
        assert {task: float(weight) for task, weight in in_parts.weights.items()} == pytest.approx(
            {task: float(weight) for task, weight in at_once.weights.items()}, rel=1e-3
        )


@pytest.mark.parametrize("method", WEIGHTINGS)
def test_partly_labelled_texts_give_the_gradient_worked_out_by_hand(
    method: str, bert: Path
) -> None:
    loaded, examples = a_model(bert, tasks=TASKS), partly_labelled(24)
    own = {"mood": 0.5, "length": 2.0, "entity": 1.0}
    balance = a_balance(loaded, method=method)
    found, gradients = balanced_by(loaded, balance, batches_of(examples, 24), own)

    by_hand = {task: task_gradient(loaded, examples, task) for task in TASKS}

    losses = {task: loss for task, (loss, _) in by_hand.items()}
    fresh = a_balance(loaded, method=method).weighting.weights(TASKS, losses, 0)
    expected: dict[str, Tensor] = {}
    for task, weight in zip(TASKS, fresh, strict=True):
        factor = weight * (1.0 if method == "formula" else own[task])
        for name, gradient in by_hand[task][1].items():
            expected[name] = expected.get(name, torch.zeros_like(gradient)) + factor * gradient
        assert float(found.losses[task]) == pytest.approx(float(losses[task]), rel=1e-5)
    assert_alike(gradients, expected)


@pytest.mark.parametrize("method", AGGREGATIONS)
def test_a_method_combines_the_tasks_gradients_and_leaves_heads_their_own(
    method: str, bert: Path
) -> None:
    loaded, examples = a_model(bert, tasks=TASKS), partly_labelled(24)
    own = {"mood": 0.5, "length": 2.0, "entity": 1.0}
    found, gradients = balanced_by(
        loaded, a_balance(loaded, gradients=method), batches_of(examples, 24), own
    )

    by_hand = {task: task_gradient(loaded, examples, task)[1] for task in TASKS}

    shared = [name for part in parts_of(loaded.model) if not part.task for name in part.parameters]
    shared = [name for name in shared if name in gradients]
    rows = torch.stack(
        [
            own[task] * torch.cat([by_hand[task][name].flatten() for name in shared])
            for task in TASKS
        ]
    )
    reference = a_balance(loaded, gradients=method).aggregation
    assert reference is not None
    expected = reference.combine(rows, (rows @ rows.T).double(), TASKS, 0)
    combined = torch.cat([gradients[name].flatten() for name in shared])
    assert torch.cosine_similarity(combined, expected.vector, dim=0) > 0.9999
    assert float(combined.norm()) == pytest.approx(float(expected.vector.norm()), rel=1e-3)
    for task in TASKS:
        assert float(found.norms[task]) == pytest.approx(
            float(torch.cat([by_hand[task][name].flatten() for name in shared]).norm()), rel=1e-4
        )
        for name in gradients:
            if name.startswith(f"heads.{task}."):
                assert torch.allclose(gradients[name], own[task] * by_hand[task][name], atol=1e-6)


def test_the_plain_sum_is_one_backward_pass_to_the_last_bit(bert: Path) -> None:
    loaded, examples = a_model(bert, tasks=TASKS), partly_labelled(16)
    (batch,) = batches_of(examples, 16)
    _, gradients = balanced_by(loaded, a_balance(loaded), [batch], {"mood": 0.5})

    losses = shares(loaded, batch, counts_of([batch]))
    loaded.model.zero_grad(set_to_none=True)
    weights = {"mood": 0.5, "length": 1.0, "entity": 1.0}
    torch.stack([losses[task] * weights[task] for task in losses]).sum().backward()  # type: ignore[no-untyped-call]

    for name, parameter in loaded.model.named_parameters():
        assert (parameter.grad is None) == (name not in gradients)
        assert parameter.grad is None or torch.equal(parameter.grad, gradients[name])


@pytest.mark.parametrize("settings", METHODS, ids=named)
def test_a_task_without_labels_changes_nothing_for_the_others(
    settings: dict[str, Any], bert: Path
) -> None:
    examples = [example for example in partly_labelled(32) if "length" not in example.labels]
    loaded = a_model(bert, tasks=TASKS)
    two = {"tasks": TASKS[::2]}
    if settings.get("method") == "formula":
        two["formula"] = "mood + 0.5 * entity + max(0.1 * mood, 0.1 * mood)"
    only = Balance(
        loaded.model,
        tasks=("mood", "entity"),
        config=WeightingConfig(
            **(settings | {key: value for key, value in two.items() if key == "formula"})
        ),
        seed=3,
        updates_per_epoch=4,
        device=torch.device("cpu"),
    )

    found, gradients = balanced_by(loaded, a_balance(loaded, **settings), batches_of(examples, 16))
    _, expected = balanced_by(loaded, only, batches_of(examples, 16))

    assert found.losses.keys() == {"mood", "entity"}
    assert "length" not in found.weights
    assert not any(name.startswith("heads.length") for name in gradients)
    assert_alike(gradients, expected)


def test_matching_gives_every_method_the_length_of_the_sum(bert: Path) -> None:
    loaded, batches = a_model(bert, tasks=TASKS), batches_of(partly_labelled(24), 24)
    shared = moving([part for part in parts_of(loaded.model) if not part.task])

    def length(**settings: Any) -> float:
        balanced_by(loaded, a_balance(loaded, **settings), batches)
        gradients = [p.grad for p in shared if p.grad is not None]
        return float(torch.cat([gradient.flatten() for gradient in gradients]).norm())

    lengths = {
        name: (length(gradients=name), length(gradients=name, match_norm=True))
        for name in AGGREGATIONS
    }

    assert all(matched == pytest.approx(length(), rel=1e-3) for _, matched in lengths.values())
    assert max(plain for plain, _ in lengths.values()) > 2 * min(p for p, _ in lengths.values())


def test_below_the_last_layers_gradients_are_added_up_plainly(bert: Path) -> None:
    loaded, batches = a_model(bert, tasks=TASKS), batches_of(partly_labelled(24), 24)
    _, plain = balanced_by(loaded, a_balance(loaded), batches)
    _, everywhere = balanced_by(loaded, a_balance(loaded, gradients="mgda"), batches)

    _, restricted = balanced_by(loaded, a_balance(loaded, gradients="mgda", last_layers=1), batches)

    top = {name for part in parts_of(loaded.model) if part.layer == 1 for name in part.parameters}
    assert restricted.keys() == plain.keys()
    for name, gradient in restricted.items():
        is_plain = torch.allclose(gradient, plain[name], rtol=1e-3, atol=1e-6)
        # The topmost bias of the keys has no gradient but rounding.
        assert is_plain or name in top
    weight = next(name for name in top if name.endswith("output.dense.weight"))
    assert not torch.allclose(restricted[weight], plain[weight], rtol=1e-2)
    assert not torch.allclose(restricted[weight], everywhere[weight], rtol=1e-6)


@pytest.mark.parametrize("settings", METHODS, ids=named)
def test_where_nothing_is_shared_heads_learn_all_the_same(
    settings: dict[str, Any], bert: Path
) -> None:
    loaded = a_model(bert, tasks=TASKS)
    freeze(loaded.model, "backbone")

    found, gradients = balanced_by(
        loaded, a_balance(loaded, **settings), batches_of(partly_labelled(32), 8)
    )

    assert found.has_gradient
    assert gradients.keys() == {
        name for name, p in loaded.model.named_parameters() if p.requires_grad
    }


def test_an_update_that_sends_nothing_back_has_no_gradient(bert: Path) -> None:
    loaded = a_model(bert, tasks=TASKS)
    balance = a_balance(loaded, method="formula", formula=TASKS[0])
    examples = some_encoded_examples(4, TASKS[1:2])

    found, gradients = balanced_by(loaded, balance, batches_of(examples, 4))

    assert not found.has_gradient
    assert not gradients


@pytest.mark.parametrize("settings", METHODS, ids=named)
def test_scaled_losses_lead_to_the_same_gradients(settings: dict[str, Any], bert: Path) -> None:
    loaded, batches = a_model(bert, tasks=TASKS), batches_of(partly_labelled(32), 16)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    plain, expected = balanced_by(loaded, a_balance(loaded, **settings), batches)

    scaled, gradients = balanced_by(loaded, a_balance(loaded, **settings), batches, scaler=scaler)

    assert_alike({name: value / 1024 for name, value in gradients.items()}, expected)
    assert {task: float(norm) for task, norm in scaled.norms.items()} == pytest.approx(
        {task: float(norm) for task, norm in plain.norms.items()}, rel=1e-4
    )


@pytest.mark.parametrize(
    "settings",
    [{"method": "geometric"}, {"gradients": "pcgrad"}, {"method": "gradnorm"}, {"method": "famo"}],
    ids=named,
)
def test_a_whole_run_in_micro_batches_is_the_run_without(
    settings: dict[str, Any], bert: Path, corpus: Path, tmp_path: Path
) -> None:
    runs = []
    for size in (0, 3):
        tasks = {
            "mood": a_task(corpus, dropout=0.0),
            "entity": a_task(corpus, "tagging", dropout=0.0),
        }
        config = an_experiment(
            backbone=write_still_backbone(bert, tmp_path / "still"),
            tasks=tasks,
            weighting=settings,
            training={"epochs": 1, "batch_size": 8, "micro_batch_size": size},
            optimization={"learning_rate": 1e-3},
        )
        events = events_of(config, tmp_path / str(size))
        runs.append([event for event in events if isinstance(event, StepFinished)])

    for one, other in zip(*runs, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-3)
        assert one.weights == pytest.approx(other.weights, rel=1e-2)
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-2)


def write_still_backbone(bert: Path, folder: Path) -> Path:
    """The backbone without dropout, which differs between passes of different sizes."""
    if not folder.exists():
        shutil.copytree(bert, folder)
        file = folder / "config.json"
        values = json.loads(file.read_text())
        values |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        file.write_text(json.dumps(values))
    return folder


def test_what_changes_nothing_here_is_told(bert: Path, corpus: Path, tmp_path: Path) -> None:
    config = an_experiment(
        backbone=bert,
        folder=corpus,
        weighting={"gradients": "upgrad"},
        freezing={"mode": "backbone"},
        sampling={"strategy": "uniform"},
        training={"epochs": 1, "batch_size": 24},
    )

    said = [event.message for event in events_of(config, tmp_path) if isinstance(event, Warned)]

    assert any("upgrad has nothing to combine" in message for message in said)
    assert any("uniform changes nothing" in message for message in said)
