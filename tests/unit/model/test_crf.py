"""The CRF against enumeration, and against pytorch-crf where that one is right."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workbench.data.pieces import NO_LABEL
from workbench.data.schemes import spans, transition_rules
from workbench.model.heads.crf import Crf, Transitions, log_partition, viterbi

TAGS = ("O", "B-X", "I-X", "B-Y", "I-Y")
LENGTHS = st.lists(st.integers(1, 4), min_size=1, max_size=3)


def a_crf(seed: int, *, constrained: bool = False) -> Crf:
    crf = Crf(len(TAGS), transition_rules(TAGS) if constrained else None)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_(generator=generator)
    return crf


def emissions_for(lengths: list[int], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    # What is beyond a sentence's end is not to matter: it is large.
    padded = torch.full((len(lengths), max(lengths), len(TAGS)), 50.0)
    for row, length in enumerate(lengths):
        padded[row, :length] = 3 * torch.randn(length, len(TAGS), generator=generator)
    return padded


def all_ways(crf: Crf, emissions: Tensor) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every way to tag one sentence, with its score in double precision."""
    start, pairs, end = (scores.double().tolist() for scores in crf.scores())
    given_scores = emissions.double().tolist()
    for tags in itertools.product(range(len(TAGS)), repeat=len(given_scores)):
        score = start[tags[0]] + end[tags[-1]]
        score += sum(given_scores[at][tag] for at, tag in enumerate(tags))
        score += sum(pairs[a][b] for a, b in itertools.pairwise(tags))
        yield tags, score


def log_sum(scores: list[float]) -> float:
    highest = max(scores)
    return highest + math.log(sum(math.exp(score - highest) for score in scores))


@settings(max_examples=25)
@given(LENGTHS, st.integers(0, 1000), st.booleans())
def test_the_partition_is_the_sum_over_all_ways(
    lengths: list[int], seed: int, constrained: bool
) -> None:
    crf, emissions = a_crf(seed, constrained=constrained), emissions_for(lengths, seed)

    found = log_partition(emissions, lengths, crf.scores())

    for row, length in enumerate(lengths):
        ways = [score for _, score in all_ways(crf, emissions[row, :length])]
        assert found[row].item() == pytest.approx(log_sum(ways), abs=1e-3)


@settings(max_examples=25)
@given(LENGTHS, st.integers(0, 1000), st.booleans(), st.data())
def test_the_loss_is_minus_the_log_of_the_share_of_the_ways_that_fit(
    lengths: list[int], seed: int, constrained: bool, data: st.DataObject
) -> None:
    # Every tag may be unknown, so this is the marginal likelihood; all known, the usual one.
    crf, emissions = a_crf(seed, constrained=constrained), emissions_for(lengths, seed)
    labels = torch.full(emissions.shape[:2], NO_LABEL)
    expected = 0.0
    for row, length in enumerate(lengths):
        tags = data.draw(
            st.lists(st.integers(NO_LABEL, len(TAGS) - 1), min_size=length, max_size=length)
        )
        labels[row, :length] = torch.tensor(tags)
        ways = list(all_ways(crf, emissions[row, :length]))
        fitting = [
            score
            for way, score in ways
            if all(tag in (NO_LABEL, given) for tag, given in zip(tags, way, strict=True))
        ]
        if max(fitting) > -5e4:  # else the rules forbid these tags, and nothing is learned
            expected += log_sum([score for _, score in ways]) - log_sum(fitting)

    loss = crf.loss_sum(emissions, labels, lengths)

    assert loss.item() == pytest.approx(expected, abs=2e-3)


@settings(max_examples=25)
@given(LENGTHS, st.integers(0, 1000), st.booleans())
def test_viterbi_finds_the_best_of_all_ways(
    lengths: list[int], seed: int, constrained: bool
) -> None:
    crf, emissions = a_crf(seed, constrained=constrained), emissions_for(lengths, seed)

    found = viterbi(emissions, lengths, crf.scores())

    for row, length in enumerate(lengths):
        best, _ = max(all_ways(crf, emissions[row, :length]), key=lambda way: way[1])
        assert tuple(found[row, :length].tolist()) == best
        assert not found[row, length:].any()


@settings(max_examples=25)
@given(LENGTHS, st.integers(0, 1000), st.booleans())
def test_constrained_tags_are_all_inside_spans(
    lengths: list[int], seed: int, learned: bool
) -> None:
    rules = transition_rules(TAGS)
    scores = (
        a_crf(seed, constrained=True).scores()
        if learned
        else Transitions(len(TAGS), rules).scores()
    )

    found = viterbi(emissions_for(lengths, seed), lengths, scores)

    for row, length in enumerate(lengths):
        tags = [TAGS[number] for number in found[row, :length]]
        inside = sum(end - begin for begin, end, _ in spans(tags))
        assert inside == sum(tag != "O" for tag in tags)


def test_a_sentence_that_the_rules_forbid_teaches_nothing() -> None:
    crf = a_crf(1, constrained=True)
    emissions = emissions_for([2], 1).requires_grad_()

    loss = crf.loss_sum(emissions, torch.tensor([[2, 0]]), [2])  # I-X O
    loss.backward()

    assert loss.item() == 0.0
    assert emissions.grad is not None
    assert not emissions.grad.any()


def test_sentences_without_any_tag_teach_nothing() -> None:
    crf = a_crf(1)

    loss = crf.loss_sum(emissions_for([3, 2], 1), torch.full((2, 3), NO_LABEL), [3, 2])

    assert loss.item() == pytest.approx(0.0, abs=1e-5)


def test_a_long_sentence_keeps_its_precision_under_autocast() -> None:
    # pytorch-crf in bfloat16 is off by 90 nats here.
    crf, emissions = a_crf(1), emissions_for([400], 1)
    labels = torch.randint(0, len(TAGS), (1, 400), generator=torch.Generator().manual_seed(1))
    exact = crf.double().loss_sum(emissions, labels, [400]).item()

    crf.float()
    found = crf.loss_sum(emissions, labels, [400]).item()

    assert found == pytest.approx(exact, rel=1e-5)


def test_what_is_forbidden_is_neither_trained_nor_saved_nor_decayed() -> None:
    crf = a_crf(1, constrained=True)

    assert set(crf.state_dict()) == {"start", "pairs", "end"}
    assert all(parameter.no_decay for parameter in crf.parameters())


@pytest.mark.parametrize("seed", range(5))
def test_loss_and_tags_are_those_of_pytorch_crf(seed: int) -> None:
    torchcrf = pytest.importorskip("torchcrf", reason="pip install pytorch-crf==0.7.2")
    crf, lengths = a_crf(seed), [5, 1, 3]
    emissions = emissions_for(lengths, seed)
    labels = torch.randint(0, len(TAGS), (3, 5), generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(5) < torch.tensor(lengths).unsqueeze(1)
    theirs = torchcrf.CRF(len(TAGS), batch_first=True)
    with torch.no_grad():
        theirs.start_transitions.copy_(crf.start)
        theirs.end_transitions.copy_(crf.end)
        theirs.transitions.copy_(crf.pairs)

    expected = -theirs(emissions, labels, mask=mask, reduction="sum")

    assert crf.loss_sum(emissions, labels, lengths).item() == pytest.approx(expected.item(), 1e-4)
    found = viterbi(emissions, lengths, crf.scores())
    assert theirs.decode(emissions, mask=mask) == [
        found[row, :length].tolist() for row, length in enumerate(lengths)
    ]
