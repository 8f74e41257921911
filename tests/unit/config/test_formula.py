from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from builders import an_experiment
from hypothesis import given
from hypothesis import strategies as st

from workbench.config.formula import FormulaError, parse_formula, tasks_of, work_out
from workbench.config.loading import validate
from workbench.errors import ConfigError

TASKS = ("question", "entity", "sub-task")
FUNCTIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "max": max,
    "mean": lambda values: sum(values) / len(values),
    "sqrt": lambda values: math.sqrt(values[0]),
    "log": lambda values: math.log(values[0]),
}


def value(text: str, **losses: float) -> float | None:
    named = {name.replace("_", "-"): loss for name, loss in losses.items()}
    found: float | None = work_out(parse_formula(text, TASKS), named, FUNCTIONS)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("question + 0.5 * entity", 3.5),
        ("question - entity - 1", -2.0),
        ("2 * (question + entity) / 4", 2.5),
        ("-question + 2e0*entity", 4.0),
        ("max(question, entity) * min(question, entity, 0.5)", 1.5),
        ("sqrt(question * 4) + log(entity / 3)", math.sqrt(8)),
        ("mean(question, entity, 4)", 3.0),
        ("question--entity", 5.0),
        ("  question\n+\tentity ", 5.0),
    ],
)
def test_a_formula_is_worked_out_as_written(text: str, expected: float) -> None:
    assert value(text, question=2.0, entity=3.0) == pytest.approx(expected)


def test_a_name_with_a_minus_in_it_is_one_name() -> None:
    assert value("question-sub-task", question=5.0, sub_task=2.0) == 3.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("question + 0.5 * entity", 2.0),
        ("0.5 * entity + question", 2.0),
        ("question - entity", 2.0),
        ("question * entity", 2.0),
        ("question / entity", 2.0),
        ("entity / question + question", 2.0),
        ("max(entity, question)", 2.0),
        ("mean(question, entity)", 2.0),
        ("question + sqrt(entity * 3)", 2.0),
        ("entity * 2", None),
        ("log(entity)", None),
    ],
)
def test_a_task_without_labels_is_left_out(text: str, expected: float | None) -> None:
    assert value(text, question=2.0) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("1 + 2", "names no task"),
        ("question + entitiy", r'at character 12 of "question \+ ▸entitiy".*mean "entity"'),
        ("question +", "missing at the end"),
        ("(question", r'"\)" is missing'),
        ("question entity", "an operator is missing before this"),
        ("tan(question)", 'no function "tan"'),
        ("sqrt(question, entity)", "takes one value, not 2"),
        ("question ** 2", "at character 11"),
        ("__import__('os')", "at character 1"),
        ("question.real", "at character 9"),
        ("(" * 200 + "question" + ")" * 200, "within each other"),
    ],
)
def test_a_formula_that_cannot_be_read_says_where(text: str, message: str) -> None:
    with pytest.raises(FormulaError, match=message):
        parse_formula(text, TASKS)


@given(st.text(alphabet="question entity+-*/().,0123456789e\n", max_size=60))
def test_any_text_is_a_formula_or_an_error_of_ours(text: str) -> None:
    with suppress(FormulaError):
        assert set(tasks_of(parse_formula(text, TASKS))) <= set(TASKS)


def test_an_experiment_tells_what_is_wrong_with_its_formula() -> None:
    values = an_experiment().model_dump(mode="json")
    values["weighting"] = {"method": "formula", "formula": "mood + 0.5 * entiti"}

    with pytest.raises(ConfigError, match='there is no task "entiti"'):
        validate(values)


def test_a_formula_names_the_tasks_that_are_trained() -> None:
    config = an_experiment(weighting={"method": "formula", "formula": "2 * entity"})

    assert config.trained_tasks == ["entity"]
