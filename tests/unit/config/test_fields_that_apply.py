"""Which settings have any effect beside the values of the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from workbench.config.base import IS_SET, applies
from workbench.config.fields import (
    Condition,
    FieldSpec,
    does_apply,
    experiment_fields,
    field_specs,
)


def values(**said: object) -> Callable[[str], object]:
    """Settings by path, with __ for the dots; else their defaults."""
    by_path = {path.replace("__", "."): value for path, value in said.items()}

    def value_of(path: str) -> object:
        return by_path.get(path.removeprefix("tasks.*."), field_specs(path)[0].default)

    return value_of


def spec(path: str, kind: str | None = None) -> FieldSpec:
    return next(s for s in field_specs(path) if kind is None or kind in s.task_kinds)


@pytest.mark.parametrize(
    ("path", "said", "is_right"),
    [
        ("freezing.layers", {"freezing__mode": "none"}, False),
        ("freezing.layers", {"freezing__mode": "lowest"}, True),
        ("freezing.gradual", {"freezing__mode": "backbone"}, False),
        ("freezing.gradual", {"freezing__mode": "lowest"}, True),
        ("optimization.cycles", {"optimization__schedule": "cosine_restarts"}, True),
        ("optimization.cycles", {}, False),
        ("selection.task", {"selection__rule": "task"}, True),
        ("selection.task", {}, False),
    ],
)
def test_a_setting_applies_where_its_deciding_setting_says_so(
    path: str, said: dict[str, object], is_right: bool
) -> None:
    assert does_apply(spec(path), values(**said)) is is_right


def test_a_setting_of_a_task_is_decided_within_its_task() -> None:
    layers = spec("tasks.*.layers", "tagging")

    assert not does_apply(layers, values(rnn="none"), "tagging")
    assert does_apply(layers, values(rnn="gru"), "tagging")


def test_a_setting_applies_only_if_its_deciding_setting_does() -> None:
    decay = spec("optimization.layer_decay")
    said = {"optimization__layer_rates": "decay"}

    assert does_apply(decay, values(**said))
    assert not does_apply(decay, values(**said, freezing__mode="backbone"))


@pytest.mark.parametrize("value", [None, "", "none", 0, 0.0, False, (), {}])
def test_what_says_nothing_is_not_set(value: object) -> None:
    assert not Condition("data.dev", (IS_SET,)).is_among(value)


def test_any_word_is_set() -> None:
    assert not does_apply(spec("tasks.*.data.dev_share"), values(data__dev="d.jsonl"), "tagging")
    assert does_apply(spec("tasks.*.data.dev_share"), values(), "tagging")


def test_what_is_said_is_in_the_published_schema() -> None:
    said = applies(when={"rnn": ["lstm", "gru"]}, unless={"data.dataset": IS_SET})

    assert said == {"when": {"rnn": ["lstm", "gru"]}, "unless": {"data.dataset": ["*"]}}


CONDITIONS = [
    pytest.param(field, condition, id=f"{field.path} by {condition.path}")
    for field in experiment_fields()
    for condition in field.when
]


@pytest.mark.parametrize(("field", "condition"), CONDITIONS)
def test_every_condition_names_a_setting_and_values_that_it_can_have(
    field: FieldSpec, condition: Condition
) -> None:
    deciding = [
        one
        for one in field_specs(condition.path)
        if not field.task_kinds or set(field.task_kinds) & set(one.task_kinds)
    ]

    assert deciding, f"{condition.path} is no setting beside {field.path}"
    # A section that tasks have, too, may speak of a word that only theirs has.
    twins = field_specs(f"tasks.*.{condition.path}")
    known = {choice for one in (*deciding, *twins) for choice in one.choices}
    if known:
        assert {str(value) for value in condition.values} - {IS_SET} <= known


def test_no_setting_decides_over_itself() -> None:
    def deciders(field: FieldSpec, seen: tuple[str, ...]) -> None:
        assert field.path not in seen, f"{field.path} decides over itself"
        for condition in field.when:
            for one in field_specs(condition.path):
                deciders(one, (*seen, field.path))

    for field in experiment_fields():
        deciders(field, ())
