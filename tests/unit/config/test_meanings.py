from __future__ import annotations

from workbench.config.fields import FieldSpec
from workbench.config.meanings import Meaning, lead, meanings


def a_choice(*words: str, help: str) -> FieldSpec:
    return FieldSpec(
        path="a.b",
        kind="choice",
        choices=words,
        default=None,
        required=False,
        help=help,
        task_kinds=(),
    )


def test_each_word_has_its_own_lines() -> None:
    field = a_choice("none", "max", "min", help="How. none: not at all. max, min: the ends. Slow.")

    assert meanings(field) == [
        Meaning("none", "not at all.", ""),
        Meaning("max", "the ends. Slow.", ""),
        Meaning("min", "the ends. Slow.", ""),
    ]
    assert lead(field) == "How."


def test_a_source_is_taken_out_of_the_text() -> None:
    field = a_choice("decay", help="decay: lower layers move less (Howard and Ruder 2018); safe.")

    assert meanings(field) == [
        Meaning("decay", "lower layers move less; safe.", "Howard and Ruder 2018")
    ]


def test_a_word_inside_a_sentence_explains_nothing() -> None:
    field = a_choice("last", "mean", help="mean: not the last: the average.")

    assert [meaning.text for meaning in meanings(field)] == ["", "not the last: the average."]


def test_a_longer_word_is_not_taken_for_a_shorter_one() -> None:
    field = a_choice("first", "first+last", help="first: one. first+last: both.")

    assert [meaning.text for meaning in meanings(field)] == ["one.", "both."]
