"""The filter language: what it lets through, and what it says when it cannot be read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from summaries import a_run

from workbench.errors import ConfigError
from workbench.operations.filtering import complete, parse_filter, sort_runs
from workbench.tui import columns

RUN = a_run()


@pytest.mark.parametrize(
    ("text", "is_let_through"),
    [
        ("", True),
        ("  ", True),
        ("night", True),
        ("NIGHT", True),
        ("quest", True),
        ("trec", True),
        ("finish", True),
        ("arun", True),
        ("other", False),
        ("night other", False),
        ("night quest", True),
        ('"night run"', True),
        ('"night  run"', False),
        ("state=finished", True),
        ("state = Finished", True),
        ("state!=finished", False),
        ("state=failed or state=finished", True),
        ("not state=finished", False),
        ("not not state=finished", True),
        ("question.accuracy>0.9", False),
        ("question.accuracy >= 0.9", True),
        ("question.accuracy<1 and question.accuracy>0", True),
        ("optimization.learning_rate=2e-5", True),
        ("optimization.learning_rate>1e-4", False),
        ("optimization.head_learning_rate=none", True),
        ("optimization.head_learning_rate>0", False),
        ("training.length_buckets=true", True),
        ("training.epochs=3.0", True),
        ("backbone.model~mini", True),
        ("tasks.question.weight=1", True),
        ("tasks.other.weight=1", False),
        ("tasks.other.weight!=1", True),
        ("name~night", True),
        ('name="night run"', True),
        ('name="Night Run"', True),
        ("name=night", False),
        ("selection>0.8", True),
        ("progress=0.5", True),
        ("other and (b or night)", False),
        ("night and (b or finished)", True),
        # and binds tighter than or
        ("other and other or night", True),
        ("night or other and other", True),
        ("(night or other) and other", False),
        ("not other night", True),
    ],
)
def test_a_filter_lets_through_what_it_says(text: str, is_let_through: bool) -> None:
    assert parse_filter(text).apply([RUN]) == ([RUN] if is_let_through else [])


@pytest.mark.parametrize(
    ("text", "what", "column", "next_step"),
    [
        ("state=", "it ends where more is expected", 7, "add a word"),
        ("(night", "it ends where more is expected", 7, "closing parenthesis"),
        ("night)", 'at ")" this was not expected', 6, "state=finished"),
        ("and night", 'at "and" a word', 1, "state=finished"),
        ("night and", "it ends where more", 10, "add a word"),
        ("night or or x", 'at "or"', 10, "state=finished"),
        ("= 3", 'at "=" a word', 1, "state=finished"),
        ("state==finished", 'at "=" a value for state', 7, "state=finished"),
        ("question.accuracy > high", "> needs a number", 21, "state=finished"),
        ('name="night', "a quotation that does not end", 6, "close it"),
        ("a ! b", '"!"', 3, "compare with"),
        ("state=finishd", '"finishd" is no state', 7, 'did you mean "finished"'),
        ("night and qestion.accuracy>1", 'no run has "qestion.accuracy"', 11, "question.accuracy"),
        ("(" * 200, "nested too deep", 1, "fewer parentheses"),
    ],
)
def test_a_filter_that_cannot_be_read_says_where(
    text: str, what: str, column: int, next_step: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_filter(text).apply([RUN])

    assert what in caught.value.what
    assert caught.value.where.endswith(f"column {column}")
    assert next_step in caught.value.next_step


def test_a_metric_that_some_run_has_is_no_mistake() -> None:
    bare = a_run("brun2345", accuracy=None)

    assert parse_filter("question.accuracy>0.5").apply([bare, RUN]) == [RUN]
    assert parse_filter("question.accuracy!=0.9").apply([bare, RUN]) == [bare]


WORDS = st.sampled_from(
    ["and", "or", "not", "(", ")", "=", "!=", "<", ">=", "~", "state", "night", "0.5", '"', "a.b"]
)


@settings(deadline=None)
@given(st.text(max_size=30) | st.lists(WORDS, max_size=12).map(" ".join))
def test_any_text_is_a_filter_or_our_error(text: str) -> None:
    told = "nothing"

    try:
        parse_filter(text).apply([RUN])
    except ConfigError as error:
        told = error.where and error.next_step

    assert told


def test_runs_are_sorted_and_those_without_the_value_go_last() -> None:
    low, high = a_run("b", accuracy=0.1), a_run("a", accuracy=0.9)
    absent, strange = a_run("c", accuracy=None), a_run("d", accuracy=float("nan"))
    runs = [absent, high, strange, low]

    assert sort_runs(runs, "question.accuracy") == [low, high, absent, strange]
    assert sort_runs(runs, "-question.accuracy") == [high, low, absent, strange]
    assert [run.record.id for run in sort_runs(runs, "id")] == ["a", "b", "c", "d"]


def test_runs_are_sorted_by_their_last_loss() -> None:
    low, high = (
        replace(a_run(name), spark=spark) for name, spark in (("b", (3.0, 0.1)), ("a", (0.2, 0.5)))
    )
    none = a_run("c")

    assert sort_runs([none, high, low], "loss") == [low, high, none]
    assert columns.SORT_KEYS.get("loss", "loss") == "loss"
    assert parse_filter("loss<0.3").apply([none, high, low]) == [low]


def test_a_setting_sorts_as_a_number() -> None:
    long = a_run("a", settings={"training": {"epochs": 10}})
    short = a_run("b", settings={"training": {"epochs": 9}})

    assert sort_runs([long, short], "training.epochs") == [short, long]


def test_an_unknown_key_to_sort_by_gives_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        sort_runs([RUN], "-qestion.accuracy")

    assert 'did you mean "question.accuracy"?' in caught.value.next_step
    assert caught.value.where == "--sort -qestion.accuracy"


# Completion


def offered(typed: str, cursor: int | None = None) -> list[str]:
    return [one.text for one in complete(typed, len(typed) if cursor is None else cursor, [RUN])]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("sta", "state"),
        ("state=fin", "finished"),
        ("question.", "question.accuracy"),
        ("state=finished an", "and"),
        ("(not question.acc", "question.accuracy"),
        ("optimization.learning_r", "optimization.learning_rate"),
        ("name=", '"night run"'),
    ],
)
def test_what_could_come_next_is_offered(typed: str, first: str) -> None:
    assert offered(typed)[0] == first


def test_what_is_typed_whole_is_not_offered_again() -> None:
    assert offered("state=finished") == []


@given(st.text(alphabet='stae=<>~()" .finqu', max_size=30), st.integers(0, 30))
def test_any_text_can_be_completed_and_only_the_word_at_the_cursor_changes(
    typed: str, cursor: int
) -> None:
    cursor = min(cursor, len(typed))

    for one in complete(typed, cursor, [RUN]):
        after, place = one.applied(typed, cursor)

        assert after.startswith(typed[: one.start])
        assert after.endswith(typed[cursor:])
        assert after[one.start : place] == one.text


@pytest.mark.parametrize("typed", ["state=", "name=", "question.accuracy>"])
def test_a_value_that_is_taken_makes_a_filter_that_lets_its_run_through(typed: str) -> None:
    text = typed if not typed.endswith(">") else typed[:-1] + "="
    after, _ = complete(text, len(text), [RUN])[0].applied(text, len(text))
    wanted = after if not after.startswith("state") else "state=finished"

    assert parse_filter(wanted).apply([RUN]) == [RUN]
