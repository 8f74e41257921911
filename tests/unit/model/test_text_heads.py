"""What the heads of texts and pairs compute, against the same by hand."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import a_model
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.batching import TextTargets, collate
from workbench.data.kinds.contrastive import ABSENT
from workbench.data.tokenizing import EncodedExample
from workbench.model.heads import Head
from workbench.model.heads.contrastive import ContrastiveHead, known_mates
from workbench.model.heads.multilabel import MultilabelHead
from workbench.model.heads.regression import RegressionHead
from workbench.model.heads.similarity import SimilarityHead
from workbench.model.heads.text_head import compare

NAN = float("nan")


def targets(labels: object, decisions: int | None = None) -> TextTargets:
    given = torch.tensor(labels)
    return TextTargets(torch.arange(len(given)), given, decisions)


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


# --- Several labels -----------------------------------------------------------------------------


def test_the_loss_of_labels_is_the_mean_over_the_decisions_that_are_known() -> None:
    head = MultilabelHead(2, labels=("a", "b"), dropout=0.0)
    logits = torch.tensor([[1.0, -2.0], [0.5, 3.0]])

    found = head.loss_sum(logits, targets([[1.0, 0.0], [NAN, 1.0]], 3)) / 3

    expected = (softplus(-1.0) + softplus(-2.0) + softplus(-3.0)) / 3
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_a_positive_weight_counts_where_the_label_applies() -> None:
    head = MultilabelHead(2, labels=("a", "b"), dropout=0.0, positive_weights=[3.0, 1.0])
    logits = torch.tensor([[1.0, 1.0], [1.0, 1.0]])

    found = head.loss_sum(logits, targets([[1.0, 1.0], [0.0, 0.0]]))

    assert found.item() == pytest.approx(4 * softplus(-1.0) + 2 * softplus(1.0), rel=1e-5)


def test_labels_are_given_from_their_thresholds_on() -> None:
    head = MultilabelHead(2, labels=("a", "b", "c"), dropout=0.0, thresholds=[0.5, 0.9, 0.1])
    logits = torch.tensor([[0.0, 2.0, -2.0]])

    probabilities, given = head.decode(logits, targets([[0.0, 0.0, 0.0]]))[0]

    assert probabilities.tolist() == pytest.approx([0.5, 0.8808, 0.1192], abs=1e-4)
    assert given.tolist() == [1.0, 0.0, 1.0]


# --- Numbers ------------------------------------------------------------------------------------


@given(st.floats(-1e3, 1e3), st.floats(1e-2, 1e3))
def test_another_unit_changes_no_loss_and_the_number_is_in_it(mean: float, std: float) -> None:
    scores = torch.tensor([-1.5, 0.25, 2.0])
    logits = torch.tensor([[-1.0], [0.0], [2.5]])
    plain = RegressionHead(2, labels=(), dropout=0.0, mean=0.0, std=1.0)
    other = RegressionHead(2, labels=(), dropout=0.0, mean=mean, std=std)

    in_unit = targets((scores.double() * std + mean).tolist())

    loss = plain.loss_sum(logits, targets(scores.tolist())).item()
    assert loss == pytest.approx(0.25 + 0.0625 + 0.25)
    # float32 has seven digits for the mean, and the deviations are what is left of them.
    slack = 1e-3 + 1e-5 * abs(mean) / std
    assert other.loss_sum(logits, in_unit).item() == pytest.approx(loss, rel=slack, abs=slack)
    assert other.decode(logits, in_unit).tolist() == pytest.approx(
        [mean - std, mean, mean + 2.5 * std], rel=1e-5, abs=1e-3
    )


def test_hubers_loss_is_the_square_for_small_errors_and_straight_beyond() -> None:
    head = RegressionHead(2, labels=(), dropout=0.0, mean=0.0, std=1.0, huber_delta=1.0)

    losses = [
        head.loss_sum(torch.tensor([[error]]), targets([0.0])).item() for error in (0.5, 3.0, 4.0)
    ]

    assert losses[0] == pytest.approx(0.25)
    assert losses[2] - losses[1] == pytest.approx(2.0)


# --- Pairs --------------------------------------------------------------------------------------


def test_two_vectors_are_compared_by_difference_and_product() -> None:
    vectors = torch.tensor([[[1.0, 2.0], [3.0, -4.0]]])

    assert compare(vectors).tolist() == [[1, 2, 3, -4, 2, 6, 3, -8]]


def test_segments_reach_a_backbone_that_tells_them_apart(bert: Path) -> None:
    loaded = a_model(bert)
    pair = loaded.tokenizer.pieces([("Ada left", "Kurt left")])[0]
    batch = collate([EncodedExample((pair,), {}, "x:1")], [0], pad_id=0)
    ids, mask = batch.ids, batch.mask

    with_segments = loaded.model.hidden(ids, mask, batch.segments)

    theirs = loaded.model.backbone.encoder(
        input_ids=ids, attention_mask=mask, token_type_ids=batch.segments
    ).last_hidden_state
    assert torch.equal(with_segments, theirs)
    assert not torch.allclose(with_segments, loaded.model.hidden(ids, mask))


def a_similarity(loss: str) -> SimilarityHead:
    return SimilarityHead(
        2, labels=(), dropout=0.0, pair="two", lowest=1.0, highest=5.0, loss=loss, scale=10.0
    )


def test_the_cosine_is_to_be_the_score_on_a_scale_from_0_to_1() -> None:
    head = a_similarity("cosine")
    cosines = head(torch.tensor([[[3.0, 0.0], [5.0, 0.0]], [[1.0, 0.0], [0.0, 2.0]]]))

    found = head.loss_sum(cosines, targets([5.0, 2.0]))

    assert cosines.tolist() == [1.0, 0.0]
    assert found.item() == pytest.approx(0.25**2)


def test_cosent_counts_pairs_of_pairs_in_the_wrong_order() -> None:
    cosines, scores = [0.9, 0.2, 0.5, -0.1], [1.0, 3.0, 1.0, 5.0]

    found = a_similarity("cosent").loss_sum(torch.tensor(cosines), targets(scores))

    wrong = [
        math.exp(10.0 * (cosines[i] - cosines[j]))
        for i, j in itertools.permutations(range(4), 2)
        if scores[i] < scores[j]
    ]
    assert found.item() == pytest.approx(4 * math.log(1 + sum(wrong)), rel=1e-5)


def test_cosent_of_equal_scores_is_nothing() -> None:
    cosines = torch.tensor([0.4, 0.1], requires_grad=True)

    loss = a_similarity("cosent").loss_sum(cosines, targets([2.0, 2.0]))
    loss.backward()

    assert loss.item() == 0.0
    assert cosines.grad is not None
    assert not cosines.grad.any()


# --- In-batch negatives -------------------------------------------------------------------------


def contrastive(*, symmetric: bool = False) -> ContrastiveHead:
    return ContrastiveHead(4, labels=(), dropout=0.0, pair="two", scale=5.0, symmetric=symmetric)


def by_hand(vectors: np.ndarray, keys: list[list[int]]) -> float:
    """Cross-entropy of each second text among what is no mistake."""
    belongs: dict[int, set[int]] = {}
    for row in keys:
        belongs.setdefault(row[0], {row[0]}).add(row[1])
    total = 0.0
    for own, row in enumerate(keys):
        right = 5.0 * vectors[own, 0] @ vectors[own, 1]
        scores = [right]
        for other, others in enumerate(keys):
            for place, key in enumerate(others[1:], start=1):
                if (other, place) != (own, 1) and key and key not in belongs[row[0]]:
                    scores.append(5.0 * vectors[own, 0] @ vectors[other, place])
        total += math.log(sum(math.exp(score - right) for score in scores))
    return total


@given(st.lists(st.tuples(*[st.integers(1, 6)] * 2, st.integers(0, 6)), min_size=1, max_size=6))
def test_only_texts_of_others_that_are_not_known_to_belong_are_negatives(
    rows: list[tuple[int, ...]],
) -> None:
    keys = [list(row) for row in rows]
    random = np.random.default_rng(len(rows))
    by_key = random.normal(size=(7, 4))  # equal texts have equal vectors
    vectors = contrastive()(torch.tensor(by_key[np.array(keys)], dtype=torch.float32))

    found = contrastive().loss_sum(vectors, targets(keys))

    assert found.item() == pytest.approx(by_hand(vectors.numpy(), keys), rel=1e-4, abs=1e-5)


def test_a_duplicate_of_the_right_text_is_no_negative() -> None:
    assert known_mates(torch.tensor([[1, 2], [3, 2], [4, 5]])).tolist() == [
        [False, True, False],
        [True, False, False],
        [False, False, False],
    ]


def test_the_symmetric_loss_is_the_mean_of_both_directions() -> None:
    keys = [[1, 2], [3, 4], [5, 6]]
    vectors = contrastive()(torch.randn(3, 2, 4))
    turned = [[second, first] for first, second in keys]

    both = contrastive(symmetric=True).loss_sum(vectors, targets(keys))

    there = contrastive().loss_sum(vectors, targets(keys))
    back = contrastive().loss_sum(vectors.flip(1), targets(turned))
    assert both.item() == pytest.approx((there.item() + back.item()) / 2, rel=1e-5)


def test_a_batch_of_one_pair_teaches_nothing_and_is_finite() -> None:
    vectors = torch.randn(1, 2, 4, requires_grad=True)

    loss = contrastive().loss_sum(contrastive()(vectors), targets([[1, 2]]))
    loss.backward()

    assert loss.item() == 0.0
    assert vectors.grad is not None
    assert not vectors.grad.any()


@pytest.mark.parametrize(
    ("head", "labels", "expected"),
    [
        ("cosine", [3.0], True),
        ("cosent", [3.0], False),
        ("cosent", [2.0, 2.0, 2.0], False),
        ("cosent", [2.0, 3.0, 2.0], True),
        ("one way", [[1, 2]], False),
        ("one way", [[1, 2], [1, 3]], False),  # each second text belongs to both
        ("both ways", [[1, 2], [1, 3]], False),
        ("one way", [[1, 2], [3, 2]], False),
        ("one way", [[1, 2], [3, 4]], True),
        ("one way", [[1, 2, 9]], True),
        ("one way", [[1, 2, ABSENT]], False),
    ],
)
def test_a_batch_teaches_what_its_loss_has_a_gradient_for(
    head: str, labels: list[Any], expected: bool
) -> None:
    made: Head
    if head in ("cosine", "cosent"):
        made = a_similarity(head)
        vectors = torch.randn(len(labels), 2, 4, requires_grad=True)
        wanted = TextTargets(torch.zeros(len(labels), 2, dtype=torch.long), torch.tensor(labels))
    else:
        made = contrastive(symmetric=head == "both ways")
        vectors = torch.randn(len(labels), len(labels[0]), 4, requires_grad=True)
        wanted = targets(labels)

    made.loss_sum(made(vectors), wanted).backward()

    assert vectors.grad is not None
    assert bool(vectors.grad.abs().max() > 1e-6) is expected
    assert made.teaches(wanted) is expected
