from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from builders import LABELS, a_model, an_encoded_example, an_encoded_split, some_encoded_examples
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.pieces import CUT
from workbench.data.tokenizing import EncodedExample, EncodedExamples
from workbench.inference.evaluation import length_sorted_batches, predict_split
from workbench.model.arithmetic import choose_arithmetic

CPU = choose_arithmetic("cpu", "fp32")
TASKS = ("mood", "length", "entity")


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80).map(np.array), st.integers(1, 400))
def test_batches_hold_every_text_once_within_the_budget(lengths: np.ndarray, budget: int) -> None:
    batches = length_sorted_batches(lengths, budget)

    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= budget for batch in batches)


def same(one: object, other: object) -> bool:
    """Equal names; equal numbers up to the rounding of float32 sums."""
    if isinstance(one, np.ndarray | float):
        return np.allclose(one, other, atol=1e-5)  # type: ignore[arg-type]  # of the same type
    return one == other


@pytest.mark.parametrize("task", LABELS)
def test_predictions_and_loss_do_not_depend_on_the_batches(
    task: str, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The loss of a task that compares examples would, if it were that of these batches.
    model = a_model(bert, tasks=(task,)).model
    split = an_encoded_split(*some_encoded_examples(12, tasks=(task,)))

    together = predict_split(model, split, LABELS, pad_id=0, arithmetic=CPU)[task]
    monkeypatch.setattr(
        "workbench.inference.evaluation.length_sorted_batches",
        lambda lengths: [np.array([at]) for at in range(len(lengths))],
    )
    alone = predict_split(model, split, LABELS, pad_id=0, arithmetic=CPU)[task]

    assert all(map(same, together.predicted, alone.predicted))
    assert all(map(same, together.expected, alone.expected))
    assert together.loss == pytest.approx(alone.loss, rel=1e-4)


def test_labels_are_expected_in_the_order_of_the_split(bert: Path) -> None:
    examples = some_encoded_examples(6)[::-1]

    found = predict_split(
        a_model(bert, tasks=TASKS).model,
        an_encoded_split(*examples),
        LABELS,
        pad_id=0,
        arithmetic=CPU,
    )

    names = LABELS["mood"].names
    assert found["mood"].expected == [names[example.labels["mood"]] for example in examples]


def test_a_word_that_was_cut_off_is_predicted_outside_and_still_expected(bert: Path) -> None:
    split = an_encoded_split(
        an_encoded_example(4, words={"entity": [(1, 3), (CUT, 1), (2, 0), (CUT, 2)]})
    )

    found = predict_split(
        a_model(bert, tasks=TASKS).model, split, LABELS, pad_id=0, arithmetic=CPU
    )["entity"]

    names = LABELS["entity"].names
    assert found.expected == [[names[3], names[1], names[0], names[2]]]
    assert (found.predicted[0][1], found.predicted[0][3]) == ("O", "O")


@pytest.mark.parametrize("task", LABELS)
def test_an_example_is_put_together_for_its_batch_only(
    task: str, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    at = EncodedExamples.at

    def counted(table: EncodedExamples, row: int) -> EncodedExample:
        made.append(row)
        return at(table, row)

    monkeypatch.setattr(EncodedExamples, "at", counted)
    split = an_encoded_split(*some_encoded_examples(12, tasks=(task,)))
    model = a_model(bert, tasks=(task,)).model

    predict_split(model, split, LABELS, pad_id=0, arithmetic=CPU)

    assert sorted(made) == list(range(12))


def test_tasks_that_label_nothing_are_left_out(bert: Path) -> None:
    split = an_encoded_split(an_encoded_example(text_labels={"mood": 1}))

    found = predict_split(a_model(bert, tasks=TASKS).model, split, LABELS, pad_id=0, arithmetic=CPU)

    assert found.keys() == {"mood"}


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_drops_nothing_out_keeps_no_graph_and_leaves_the_mode(
    training: bool, bert: Path
) -> None:
    # Evaluation without gradients.
    model = a_model(bert, tasks=TASKS, dropout=0.9).model.train(training)
    split = an_encoded_split(*some_encoded_examples())
    grads: list[bool] = []
    model.backbone.register_forward_hook(lambda *_: grads.append(torch.is_grad_enabled()))

    one, two = (
        predict_split(model, split, LABELS, pad_id=0, arithmetic=CPU)["mood"].loss for _ in range(2)
    )

    assert one == two
    assert set(grads) == {False}
    assert model.training is training
