"""The schema as a flat list, and values typed by it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.config.fields import FieldSpec, coerce, experiment_fields, field_specs
from workbench.config.tasks import TASK_MODELS
from workbench.errors import ConfigError


def spec(path: str, kind: str = "") -> FieldSpec:
    return next(s for s in field_specs(path) if not kind or kind in s.task_kinds)


def test_every_setting_is_explained() -> None:
    assert [field.path for field in experiment_fields() if not field.help] == []


def test_a_setting_of_each_kind_is_described() -> None:
    assert spec("optimization.learning_rate").kind == "number"
    assert spec("training.epochs").kind == "integer"
    assert spec("training.length_buckets").kind == "switch"
    assert spec("selection.rule").choices == ("mean", "worst", "task", "gain")
    assert spec("showcase.texts").kind == "list"
    assert spec("selection.weights").kind == "table"
    assert spec("name").kind == "text"


def test_optional_and_required_settings_are_told_apart() -> None:
    assert spec("optimization.head_learning_rate").optional
    assert spec("tasks.*.data.train").required
    assert not spec("tasks.*.data.dev").required


def test_task_settings_know_the_kinds_that_have_them() -> None:
    assert spec("tasks.*.weight").task_kinds == tuple(TASK_MODELS)
    assert spec("tasks.*.data.label").task_kinds == ("classification",)
    assert spec("tasks.*.data.label", "regression").default == "score"
    assert spec("tasks.*.pair").task_kinds == ("classification", "multilabel", "regression")
    assert spec("tasks.*.metric", "tagging").default == "span_f1"
    assert spec("tasks.*.metric", "classification").choices == ("accuracy", "macro_f1")


def test_the_kind_of_a_task_is_one_choice_of_all_kinds() -> None:
    (kind,) = field_specs("tasks.question.kind")

    assert kind.choices == tuple(TASK_MODELS)


@pytest.mark.parametrize(
    ("path", "raw", "value"),
    [
        ("optimization.learning_rate", "3e-5", 3e-5),
        ("optimization.learning_rate", ".5", 0.5),
        ("optimization.learning_rate", "1", 1.0),
        ("optimization.head_learning_rate", "none", None),
        ("optimization.head_learning_rate", "", None),
        ("training.epochs", " 4 ", 4),
        ("training.epochs", "1_000", 1000),
        ("training.length_buckets", "false", False),
        ("training.length_buckets", "yes", True),
        ("freezing.mode", "none", "none"),
        ("name", "a = 'b' # c", "a = 'b' # c"),
        ("tasks.question.data.dev", "none", None),
        ("tasks.question.data.dev", '"none"', "none"),
        ("tasks.question.weight", "0.5", 0.5),
        ("tasks.question.metric", "span_f1", "span_f1"),
        ("selection.weights", "{question = 2}", {"question": 2}),
        ("selection.weights.question", "2", 2.0),
        ("showcase.texts", '["one", "two"]', ["one", "two"]),
    ],
)
def test_a_typed_value_gets_the_type_of_its_setting(path: str, raw: str, value: object) -> None:
    result = coerce(path, raw)

    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("path", "raw", "what", "next_step"),
    [
        ("training.epochs", "2.5", '"2.5" is not a whole number', "write one such as 3"),
        ("training.epochs", "true", '"true" is not a whole number', "3"),
        ("optimization.learning_rate", "fast", '"fast" is not a number', "2e-5"),
        ("optimization.learning_rate", "9" * 400, "is too large a number", "0.1"),
        ("training.length_buckets", "maybe", "neither true nor false", "true or false"),
        ("freezing.mode", "bakcbone", "none of the known words", 'did you mean "backbone"?'),
        ("showcase.texts", "one", "is not a list", "a list such as"),
        ("showcase.texts", '["a"]\nb = 2', "is not a list", "a list such as"),
        ("optimization.learning_rat", "1", "There is no setting", 'did you mean "learning_rate"'),
        ("optimisation.learning_rate", "1", "no setting", '"optimization.learning_rate"'),
        ("optimization", "1", "is a section", "as optimization.optimizer: optimizer, learning"),
        ("tasks.question.wieght", "1", "no setting", 'did you mean "weight"'),
        ("selection.weights.question", "much", "is not a number", "0.1"),
    ],
)
def test_a_value_of_another_type_is_an_error_in_words(
    path: str, raw: str, what: str, next_step: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        coerce(path, raw)

    assert what in caught.value.what
    assert next_step in caught.value.next_step
    assert caught.value.where == path


@given(
    path=st.sampled_from([f.in_task("x") for f in experiment_fields()]) | st.text(max_size=30),
    raw=st.text(max_size=40) | st.sampled_from(["1" * 5000, "[" * 3000, "nan", "1e999", "{}"]),
)
def test_no_typed_text_raises_anything_but_our_error(path: str, raw: str) -> None:
    next_step = "none is needed"

    try:
        coerce(path, raw)
    except ConfigError as error:
        next_step = error.next_step

    assert next_step
