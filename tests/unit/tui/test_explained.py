"""A setting's help, taken apart by its words."""

from __future__ import annotations

import pytest

from workbench.config.fields import FieldSpec, experiment_fields, field_specs
from workbench.tui.explained import explain


def test_of_a_choice_the_chosen_word_is_explained() -> None:
    explained = explain(field_specs("freezing.mode")[0])

    assert explained.of("embeddings").startswith("Words that training does not show keep")
    assert "backbone" not in explained.of("embeddings")


def test_words_that_are_explained_together_share_their_text() -> None:
    explained = explain(field_specs("pooling.mode")[0])

    assert explained.words["max"] == explained.words["min"]


def test_a_setting_without_words_is_explained_as_a_whole() -> None:
    spec = field_specs("training.epochs")[0]

    assert explain(spec).of("") == spec.help


@pytest.mark.parametrize(
    "spec", [one for one in experiment_fields() if one.choices], ids=lambda spec: spec.path
)
def test_nothing_of_the_help_is_lost(spec: FieldSpec) -> None:
    explained = explain(spec)

    said = " ".join([explained.intro, *explained.words.values()]).lower()
    without_words = spec.help.lower()
    for word in explained.words:
        without_words = without_words.replace(f"{word}:", "")
    assert {part for part in without_words.split() if part.isalpha()} <= {
        part.strip(".,;:()") for part in said.split()
    } | set(spec.choices)
