from __future__ import annotations

import numpy as np
import pytest
import torch
from builders import an_encoded_example

from workbench.data.batching import Batch, TextTargets, WordTargets, collate, pad
from workbench.data.pieces import CUT


def a_batch() -> Batch:
    examples = [
        an_encoded_example(3, text_labels={"mood": 2}),
        an_encoded_example(5, words={"entity": [(1, 4), (CUT, 3), (2, 0)]}),
        an_encoded_example(2, text_labels={"mood": 1}, words={"entity": [(1, 2)]}),
    ]
    return collate(examples, [7, 3, 5], pad_id=99)


def test_padding_is_on_the_right_and_masked() -> None:
    ids, mask = pad([np.array([4, 5, 6]), np.array([7])], pad_id=1)

    assert ids.tolist() == [[4, 5, 6], [7, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_targets_select_the_texts_that_a_task_labels() -> None:
    targets = a_batch().targets["mood"]

    assert isinstance(targets, TextTargets)
    assert targets.rows.tolist() == [0, 2]
    assert targets.labels.tolist() == [2, 1]


def test_targets_select_the_words_that_a_task_tags_and_leave_cut_ones_out() -> None:
    targets = a_batch().targets["entity"]

    assert isinstance(targets, WordTargets)
    assert targets.rows.tolist() == [1, 1, 2]
    assert targets.positions.tolist() == [1, 2, 1]
    assert targets.labels.tolist() == [4, 0, 2]


def test_a_batch_counts_its_texts_and_its_pieces_without_padding() -> None:
    batch = a_batch()

    assert (batch.texts, batch.tokens, batch.indices) == (3, 10, (7, 3, 5))
    assert batch.ids[0, 3:].tolist() == [99, 99]


def test_a_task_that_labels_nothing_in_a_batch_has_no_targets() -> None:
    # An empty cross-entropy would be NaN.
    batch = collate([an_encoded_example(words={"entity": [(CUT, 1)]})], [0], pad_id=0)

    assert dict(batch.targets) == {}


def test_a_batch_stays_where_it_is_on_the_cpu() -> None:
    batch = a_batch()

    assert batch.to(torch.device("cpu")) is batch


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_every_tensor_goes_to_the_device_and_is_pinned_for_a_gpu(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, object]] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        steps.append(("pin", tuple(tensor.shape)))
        return tensor

    def move(tensor: torch.Tensor, device: torch.device, *, non_blocking: bool) -> torch.Tensor:
        steps.append((device.type, non_blocking))
        return tensor

    batch = a_batch()
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", move)

    moved = batch.to(torch.device(kind))

    tensors = 2 + 2 + 4
    assert steps.count((kind, True)) == tensors
    assert sum(name == "pin" for name, _ in steps) == (tensors if kind == "cuda" else 0)
    assert (moved.texts, moved.tokens, moved.indices) == (3, 10, (7, 3, 5))
    assert moved.targets.keys() == batch.targets.keys()
