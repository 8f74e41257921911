from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.scheme import IOB2, IOBES, Entities

from workbench.data.schemes import (
    Scheme,
    chains,
    convert,
    is_iob1,
    scheme_of_names,
    spans,
    transition_rules,
)

BIO = ["O", *(f"{mark}-{kind}" for kind in "XY" for mark in "BI")]
BIOES = ["O", *(f"{mark}-{kind}" for kind in "XY" for mark in "BIES")]
NAMES: dict[Scheme, list[str]] = {"bio": BIO, "bioes": BIOES}
SEQEVAL: dict[Scheme, Any] = {"bio": IOB2, "bioes": IOBES}


@st.composite
def valid_tags(draw: st.DrawFn, scheme: Scheme) -> list[str]:
    """Spans and words outside, written by hand in one scheme."""
    tags: list[str] = []
    for kind, length in draw(st.lists(st.tuples(st.sampled_from("OXY"), st.integers(1, 3)))):
        if kind == "O":
            tags += ["O"] * length
        elif scheme == "bio":
            tags += [f"B-{kind}"] + [f"I-{kind}"] * (length - 1)
        elif length == 1:
            tags += [f"S-{kind}"]
        else:
            tags += [f"B-{kind}", *[f"I-{kind}"] * (length - 2), f"E-{kind}"]
    return tags


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"O"}, "plain"),
        ({"O", "B-X"}, "bio"),
        ({"I-X"}, "bio"),
        ({"I-X", "?"}, "bio"),
        ({"O", "S-X"}, "bioes"),
        ({"B-X", "E-X"}, "bioes"),
        ({"S-X"}, "bioes"),
        ({"NOUN"}, "plain"),
        ({"B-"}, "plain"),
        ({"B-X", "N"}, "plain"),
    ],
)
def test_a_set_of_tags_shows_its_scheme(names: set[str], expected: str) -> None:
    assert scheme_of_names(names) == expected


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        ([["I-X", "O"], ["O"]], True),
        ([["I-X", "B-X", "I-Y"]], True),
        ([["O", "I-X"], ["B-X"]], False),  # a B- after no span of its type: a stray I-
        ([["B-X", "I-X", "O"]], False),
        ([["?", "I-X", "O"]], False),
        ([], False),
    ],
)
def test_sentences_show_whether_they_are_iob1(sentences: list[list[str]], expected: bool) -> None:
    assert is_iob1(sentences) is expected


def test_the_first_span_that_is_bio_shows_it_and_the_rest_is_not_looked_at() -> None:
    rest = iter([["O", "B-X"], ["I-X"]])

    assert not is_iob1(rest)
    assert list(rest) == [["I-X"]]


@pytest.mark.parametrize("scheme", NAMES)
@given(data=st.data())
def test_spans_are_those_of_seqeval_strict(scheme: Scheme, data: st.DataObject) -> None:
    tags = data.draw(st.lists(st.sampled_from(NAMES[scheme]), max_size=12))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Entities([tags], SEQEVAL[scheme]).entities[0]

    assert spans(tags, scheme) == [
        (begin, end, kind) for kind, begin, end in (one.to_tuple()[1:] for one in found)
    ]


@given(valid_tags("bioes"))
def test_bioes_as_bio_and_back_is_the_same(tags: list[str]) -> None:
    as_bio, lost = convert(tags, "bioes", "bio")

    assert lost == 0
    assert spans(as_bio, "bio") == spans(tags, "bioes")
    assert convert(as_bio, "bio", "bioes") == (tuple(tags), 0)


@given(valid_tags("bio"))
def test_iob1_is_read_as_the_bio_that_it_means(tags: list[str]) -> None:
    pairs = list(zip(["O", *tags], tags, strict=False))
    iob1 = [f"I-{tag[2:]}" if tag[0] == "B" and old[2:] != tag[2:] else tag for old, tag in pairs]

    assert convert(iob1, "iob1", "bio") == (tuple(tags), 0)


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
@given(data=st.data())
def test_what_is_converted_has_the_spans_of_before_and_keeps_the_rules(
    source: Scheme, target: Scheme, data: st.DataObject
) -> None:
    tags = data.draw(st.lists(st.sampled_from(NAMES[source]), max_size=10))

    written, lost = convert(tags, source, target)

    assert spans(written, target) == spans(tags, source)
    inside = sum(end - begin for begin, end, _ in spans(tags, source))
    assert lost == sum(tag != "O" for tag in tags) - inside
    assert is_allowed(NAMES[target], written)


def is_allowed(names: list[str], tags: tuple[str, ...] | list[str]) -> bool:
    rules, numbers = transition_rules(names), [names.index(tag) for tag in tags]
    return not numbers or bool(
        rules.start[numbers[0]]
        and rules.end[numbers[-1]]
        and all(rules.pairs[a, b] for a, b in itertools.pairwise(numbers))
    )


@pytest.mark.parametrize("scheme", NAMES)
@given(data=st.data())
def test_the_rules_allow_just_what_has_no_stray(scheme: Scheme, data: st.DataObject) -> None:
    tags = data.draw(st.lists(st.sampled_from(NAMES[scheme]), min_size=1, max_size=6))

    inside = sum(end - begin for begin, end, _ in spans(tags, scheme))

    assert is_allowed(NAMES[scheme], tags) == (inside == sum(tag != "O" for tag in tags))


def test_plain_tags_have_no_rules() -> None:
    rules = transition_rules(["NOUN", "VERB"])

    assert rules.start.all()
    assert rules.pairs.all()
    assert rules.end.all()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-X ? O", "? ? O"),  # B- or S-: nobody knows
        ("B-X I-X ? O", "B-X ? ? O"),
        ("? I-X O", "? E-X O"),
        ("O ? B-X", "O ? S-X"),
        ("? I-X ?", "? ? ?"),
    ],
)
def test_what_depends_on_a_word_without_a_tag_has_none_itself(tags: str, expected: str) -> None:
    assert convert(tags.split(), "bio", "bioes") == (tuple(expected.split()), 0)


@given(valid_tags("bio"), st.lists(st.booleans(), min_size=40, max_size=40))
def test_a_conversion_of_partial_tags_agrees_with_that_of_the_whole(
    tags: list[str], hidden: list[bool]
) -> None:
    partial = ["?" if hide else tag for tag, hide in zip(tags, hidden, strict=False)]

    written, lost = convert(partial, "bio", "bioes")

    whole, _ = convert(tags[: len(partial)], "bio", "bioes")
    assert lost == 0
    last = len(partial) - 1  # cut there, a span may end that goes on
    assert all(a in ("?", b) for a, b in zip(written[:last], whole[:last], strict=True))


def test_spans_that_are_open_to_a_word_without_a_tag_are_told_apart() -> None:
    (chain,) = chains(["?", "I-X", "?"], "bio")

    assert (chain.is_begun, chain.is_ended) == (False, None)
    assert spans(["?", "I-X", "?"], "bio") == []
