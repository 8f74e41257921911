from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import a_task, an_experiment, events_of, sentences, write_corpus, write_jsonl
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from workbench.data.columns import Repeated
from workbench.data.examples import read_corpus, read_evaluation_split
from workbench.data.kinds.tagging import WordColumn
from workbench.data.splits import (
    Known,
    bare_keys,
    draw,
    draw_of_each,
    hold_out,
    known_texts,
    overlap,
)
from workbench.events import Warned

TEXTS = st.lists(st.integers(0, 40).map(lambda number: f"text {number}"), max_size=60)


@given(TEXTS, st.integers(1, 70), st.integers(0, 5))
def test_a_draw_takes_as_many_as_asked_in_their_order(
    texts: list[str], count: int, seed: int
) -> None:
    drawn = draw(texts, count, seed).tolist()

    assert len(drawn) == min(count, len(texts))
    assert drawn == sorted(set(drawn))


def test_a_draw_depends_on_the_seed_and_on_the_texts_only() -> None:
    texts = [f"text {number}" for number in range(50)]

    drawn = {texts[number] for number in draw(texts, 10, 1)}

    assert drawn == {texts[::-1][number] for number in draw(texts[::-1], 10, 1)}
    assert drawn != {texts[number] for number in draw(texts, 10, 2)}


@given(TEXTS, st.floats(0.05, 0.9), st.integers(0, 5))
def test_a_share_of_the_different_texts_is_held_out(
    texts: list[str], share: float, seed: int
) -> None:
    different = len(set(texts))

    held = {texts[at] for at in np.flatnonzero(hold_out(texts, share, seed))}

    assert held <= set(texts)
    assert len(held) == max(0, min(round(share * different), different - 1))


@given(
    st.dictionaries(st.integers(0, 80).map(str), st.sampled_from("abc"), max_size=80),
    st.floats(0.05, 0.6),
)
def test_what_is_held_out_has_each_label_by_its_share(
    label_of: dict[str, str], share: float
) -> None:
    texts = list(label_of)
    is_held = hold_out(texts, share, 1, list(label_of.values()))
    held = {texts[at] for at in np.flatnonzero(is_held)}

    counts, kept = Counter(label_of.values()), Counter(label_of[text] for text in held)
    assert all(abs(kept[label] - share * count) < 1 + 1e-9 for label, count in counts.items())
    assert all(kept[label] < count for label, count in counts.items())


def test_labels_that_are_told_apart_for_another_reason_are_held_out_from_as_one() -> None:
    # As sets of labels are that differ only in what nobody knows of a text.
    texts = [f"text {number}" for number in range(60)]
    codes = np.arange(60) % 4
    labels = Repeated(("a", "b", "a", "b"), codes)

    held = hold_out(texts, 0.2, 1, labels)

    assert held.sum() == 12
    assert held.tolist() == hold_out(texts, 0.2, 1, list(labels)).tolist()
    drawn = draw_of_each(texts, labels, 5, 1)
    assert drawn.tolist() == draw_of_each(texts, list(labels), 5, 1).tolist()
    assert len(drawn) == 10


def test_labels_of_which_some_are_unknown_are_held_out_by_the_known_ones(tmp_path: Path) -> None:
    flags = [(1, 0), (1, None), (0, 1), (None, 1), (1, 1)]
    rows = [
        {"text": f"text {number}", "one": flags[number % 5][0], "two": flags[number % 5][1]}
        for number in range(50)
    ]
    data = {
        "train": str(write_jsonl(tmp_path / "flags.jsonl", rows)),
        "label_columns": ["one", "two"],
        "dev_share": 0.2,
    }

    corpus = read_corpus(an_experiment(tasks={"t": {"kind": "multilabel", "data": data}}))

    assert Counter(
        "+".join(sorted(one.labels["t"].present))  # type: ignore[union-attr]  # of this kind
        for one in corpus.dev.examples
    ) == {"one": 4, "two": 4, "one+two": 2}


def known(texts: list[str]) -> Known:
    return known_texts(bare_keys(texts), np.arange(len(texts)), np.ones(len(texts), np.int64))


def test_texts_in_train_and_dev_are_told_whatever_their_spaces_and_case() -> None:
    train = {"a": ["Ada left .", "x"], "b": ["y"], "c": []}
    dev = {"a": ["z"], "b": ["ada LEFT.", "X", "new"], "c": []}

    (said,) = overlap(
        *({task: known(texts) for task, texts in found.items()} for found in (train, dev))
    )

    assert said.startswith("b/dev: 2 of 3 text(s) are in train, too (of a)")


def test_a_run_tells_of_the_overlap_before_it_trains(bert: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    other = write_jsonl(tmp_path / "other.jsonl", sentences(12, first=60))
    tasks = {
        "mood": a_task(tmp_path),
        "entity": a_task(tmp_path, "tagging", data={"train": str(other)}),
    }

    events = events_of(
        an_experiment(backbone=bert, tasks=tasks, training={"epochs": 1}), tmp_path / "run"
    )

    said = [one.message for one in events if isinstance(one, Warned)]
    assert any("mood/dev: 12 of 12 text(s) are in train, too (of entity)" in one for one in said)


@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_train_is_divided_where_there_is_no_dev(kind: str, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    task = a_task(tmp_path, kind, data={"dev": None, "dev_share": 0.25})
    config = an_experiment(tasks={"t": task})

    corpus = read_corpus(config)

    train, dev = ({one.text for one in split.examples} for split in (corpus.train, corpus.dev))
    assert (len(train), len(dev)) == (18, 6)
    assert not train & dev
    again, _ = read_evaluation_split(config, "dev", corpus.labels)
    assert again == corpus.dev
    assert read_evaluation_split(config, "train", corpus.labels)[0] == corpus.train


def test_where_all_is_drawn_from_alike_no_label_is_made_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(words: WordColumn, row: int) -> None:
        raise AssertionError("a label is made")

    write_corpus(tmp_path)
    task = a_task(tmp_path, "tagging", data={"dev": None, "dev_share": 0.25})
    monkeypatch.setattr(WordColumn, "at", never)

    assert len(read_corpus(an_experiment(tasks={"t": task})).dev.examples) == 6


def test_tasks_on_the_same_texts_hold_out_the_same_ones(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    share = {"dev": None, "dev_share": 0.25, "max_examples": 16}
    tasks = {name: a_task(tmp_path, "tagging", data=share) for name in ("one", "two")}

    corpus = read_corpus(an_experiment(tasks=tasks))

    assert len(corpus.dev.examples) == 4
    assert len(corpus.train.examples) == 12
    assert all(len(one.labels) == 2 for one in (*corpus.train.examples, *corpus.dev.examples))
    assert corpus.notes == ()


def test_a_cap_is_on_train_only_and_follows_the_seed(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    tasks = {"t": a_task(tmp_path, data={"max_examples": 9})}

    corpus, again, other = (
        read_corpus(an_experiment(tasks=tasks, seed=seed)) for seed in (1, 1, 2)
    )

    assert (len(corpus.train.examples), len(corpus.dev.examples)) == (9, 12)
    assert corpus.train == again.train
    assert corpus.train != other.train


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"dev_share": 0.1}, "dev and dev_share exclude each other"),
        ({"dev": None, "dev_share": 1.0}, "less than 1"),
        ({"max_examples": 0}, "greater than or equal to 1"),
    ],
)
def test_a_division_that_cannot_be_is_refused(data: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        an_experiment(tasks={"t": a_task(Path("x"), data=data)})


def test_a_task_may_decide_by_the_dev_that_is_a_share_of_train() -> None:
    task = a_task(Path("x"), data={"dev": None, "dev_share": 0.1})

    config = an_experiment(tasks={"t": task}, selection={"rule": "task", "task": "t"})

    assert config.tasks["t"].data.has_dev
