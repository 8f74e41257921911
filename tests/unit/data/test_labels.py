from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.scheme import IOB2, Entities

from workbench.data.labels import LabelSpace, class_labels, is_bio, spans, tag_labels
from workbench.errors import DataError

TAGS = st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), max_size=12)


def test_classes_are_sorted_and_counted_once() -> None:
    assert class_labels("q", ["b", "a", "b"]).names == ("a", "b")


def test_bio_tags_are_completed_so_that_each_type_can_begin_and_go_on() -> None:
    assert tag_labels("n", ["I-Y", "B-X"]).names == ("O", "B-X", "I-X", "B-Y", "I-Y")


def test_plain_tags_are_left_as_they_are() -> None:
    space = tag_labels("pos", ["VERB", "NOUN", "O"])

    assert space.names == ("NOUN", "O", "VERB")
    assert not space.is_bio


def test_an_unknown_label_is_an_error_with_its_place_and_the_nearest_name() -> None:
    with pytest.raises(DataError, match='the label "postive" does not occur in train') as caught:
        LabelSpace("mood", ("negative", "positive")).index("postive", "dev.csv:7")

    assert caught.value.where == "dev.csv:7"
    assert 'did you mean "positive"?' in caught.value.next_step


@pytest.mark.parametrize(
    ("tags", "expected"),
    [({"O"}, False), ({"O", "B-X"}, True), ({"I-X"}, True), ({"B-"}, False), ({"B-X", "N"}, False)],
)
def test_only_tags_with_types_are_bio(tags: set[str], expected: bool) -> None:
    assert is_bio(tags) is expected


def test_a_tag_that_goes_on_without_a_beginning_begins_no_span() -> None:
    assert spans(["I-X", "I-X", "O", "B-X", "I-Y", "I-Y"]) == [(3, 4, "X")]


@given(TAGS)
def test_spans_are_those_of_seqeval_strict(tags: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [entity.to_tuple()[1:] for entity in Entities([tags], IOB2).entities[0]]

    assert spans(tags) == [(begin, end, kind) for kind, begin, end in expected]
