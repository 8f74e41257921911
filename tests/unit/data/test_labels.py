from __future__ import annotations

import pytest

from workbench.data.labels import LabelSpace, class_labels, tag_labels
from workbench.errors import DataError


def test_classes_are_sorted_and_counted_once() -> None:
    assert class_labels("q", ["b", "a", "b"]).names == ("a", "b")


def test_bio_tags_are_completed_so_that_each_type_can_begin_and_go_on() -> None:
    assert tag_labels("n", ["I-Y", "B-X"]).names == ("O", "B-X", "I-X", "B-Y", "I-Y")


def test_bioes_tags_are_completed_with_all_four_marks() -> None:
    assert tag_labels("n", ["S-X"]).names == ("O", "B-X", "I-X", "E-X", "S-X")


def test_plain_tags_are_left_as_they_are() -> None:
    space = tag_labels("pos", ["VERB", "NOUN", "O"])

    assert space.names == ("NOUN", "O", "VERB")
    assert not space.has_spans


def test_an_unknown_label_is_an_error_with_its_place_and_the_nearest_name() -> None:
    with pytest.raises(DataError, match='the label "postive" does not occur in train') as caught:
        LabelSpace("mood", ("negative", "positive"), "classification").index("postive", "dev.csv:7")

    assert caught.value.where == "dev.csv:7"
    assert 'did you mean "positive"?' in caught.value.next_step
