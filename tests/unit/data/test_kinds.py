"""What each kind of task makes of the rows of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import COLUMNS, a_task, an_experiment, sentences, write_corpus, write_jsonl

from workbench.config.tasks import TASK_MODELS
from workbench.data.examples import Corpus, read_corpus, read_evaluation_split
from workbench.data.kinds import KINDS, LabelSet
from workbench.data.kinds.contrastive import TextKeys
from workbench.data.pieces import Pieces
from workbench.errors import DataError

PIECES = Pieces(np.arange(3), np.zeros((3, 2), dtype=np.int64), is_cut=False)


def corpus_of(
    folder: Path,
    kind: str,
    train: list[dict[str, Any]],
    dev: list[dict[str, Any]] | None = None,
    data: dict[str, Any] | None = None,
    **settings: Any,
) -> Corpus:
    """One task `t` on these rows, each with a text of its own if it has none."""
    sources: dict[str, Any] = {"dev": None, "test": None}
    for split, rows in (("train", train), ("dev", dev)):
        if rows is not None:
            numbered = [{"text": f"{split} {at}"} | row for at, row in enumerate(rows)]
            sources[split] = str(write_jsonl(folder / f"{split}.jsonl", numbered))
    task = a_task(folder, kind, data=sources | (data or {}), **settings)
    return read_corpus(an_experiment(tasks={"t": task}))


def labels_of(corpus: Corpus) -> list[Any]:
    return [example.labels["t"] for example in corpus.train.examples]


def test_every_kind_of_the_schema_reads_rows() -> None:
    assert set(KINDS) == set(TASK_MODELS) == set(COLUMNS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_of_examples_is_drawn_and_another_held_out(kind: str, tmp_path: Path) -> None:
    write_corpus(tmp_path, train_size=60)
    data = {"dev": None, "test": None, "dev_share": 0.25, "max_examples": 40}

    corpus = read_corpus(an_experiment(tasks={"t": a_task(tmp_path, kind, data=data)}))

    sizes = len(corpus.train.examples), len(corpus.dev.examples)
    assert sum(sizes) == 40
    assert sizes[1] == 10
    texts = [{example.texts for example in one.examples} for one in (corpus.train, corpus.dev)]
    assert not texts[0] & texts[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_is_read_with_the_label_space_of_train(kind: str, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    config = an_experiment(tasks={"t": a_task(tmp_path, kind)})
    labels = read_corpus(config).labels

    split, unlabelled = read_evaluation_split(config, "test", labels)

    assert len(split.examples) == 12
    assert unlabelled == {}
    for example in split.examples:
        KINDS[kind].number(labels["t"], example.labels["t"], PIECES, "x")


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("classification", "mood"),
        ("tagging", "tags"),
        ("multilabel", "topics"),
        ("regression", "grade"),
        ("similarity", "alike"),
        ("contrastive", "other"),
    ],
)
def test_rows_where_a_task_has_no_label_are_left_to_the_others(
    kind: str, column: str, tmp_path: Path
) -> None:
    rows = sentences(8)
    rows[2][column] = None
    if kind != "tagging":
        rows[5][column] = ""
    write_jsonl(tmp_path / "train.jsonl", rows)
    data = {"dev": None, "test": None}
    tasks = {
        "t": a_task(tmp_path, kind, data=data),
        "length": a_task(tmp_path, data=data | {"label": "length"}),
    }

    corpus = read_corpus(an_experiment(tasks=tasks))

    assert corpus.unlabelled == {"t/train": 1 if kind == "tagging" else 2}
    assert sum("length" in example.labels for example in corpus.train.examples) == 8


# --- Several labels -----------------------------------------------------------------------------


def test_a_list_of_labels_is_a_set_and_an_empty_one_means_that_none_applies(
    tmp_path: Path,
) -> None:
    corpus = corpus_of(
        tmp_path, "multilabel", [{"topics": ["b", "a"]}, {"topics": []}, {"topics": [3, "a"]}]
    )

    assert labels_of(corpus) == [
        LabelSet(frozenset(names)) for names in (("a", "b"), (), ("3", "a"))
    ]
    assert corpus.labels["t"].names == ("3", "a", "b")
    assert corpus.labels["t"].counts == (1, 2, 1)


def test_a_text_lists_labels_with_a_separator(tmp_path: Path) -> None:
    rows = [{"topics": "joy; fear"}, {"topics": " joy "}]

    corpus = corpus_of(tmp_path, "multilabel", rows, data={"separator": ";"})

    assert labels_of(corpus) == [LabelSet(frozenset(("joy", "fear"))), LabelSet(frozenset(["joy"]))]


def test_columns_with_flags_are_labels_in_their_order_and_an_empty_one_is_not_known(
    tmp_path: Path,
) -> None:
    rows = [
        {"joy": 1, "anger": 0},
        {"joy": None, "anger": "true"},
        {"joy": "0", "anger": 1.0},
        {"joy": None, "anger": ""},
    ]

    corpus = corpus_of(tmp_path, "multilabel", rows, data={"label_columns": ["joy", "anger"]})

    space = corpus.labels["t"]
    assert space.names == ("joy", "anger")
    assert corpus.unlabelled == {"t/train": 1}
    flags = [KINDS["multilabel"].number(space, one, PIECES, "x").flags for one in labels_of(corpus)]
    assert np.array_equal(flags, [[1, 0], [np.nan, 1], [0, 1]], equal_nan=True)


@pytest.mark.parametrize(
    ("rows", "data", "what"),
    [
        ([{"topics": {"a": 1}}], {}, "the labels are a dict, where a list of values is expected"),
        ([{"topics": ["a", ""]}], {}, "one of the labels is empty"),
        ([{"topics": "a,,b"}], {}, "one of the labels is empty"),
        ([{"topics": []}], {}, "no text of train has a label"),
        ([{"a": 2}], {"label_columns": ["a"]}, "column \"a\" has '2', where 0 or 1 is expected"),
        ([{"a": 0}], {"label_columns": ["a"]}, 'the label "a" applies to no text of train'),
        ([{"a": 1}], {"label_columns": ["a", "b"]}, 'no column "b"'),
    ],
)
def test_labels_that_cannot_be_read_are_an_error(
    rows: list[dict[str, Any]], data: dict[str, Any], what: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=what):
        corpus_of(tmp_path, "multilabel", rows, data=data)


def test_a_label_of_dev_that_train_does_not_have_is_an_error_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='the label "fera" does not occur in train') as caught:
        corpus_of(tmp_path, "multilabel", [{"topics": ["fear"]}], [{"topics": ["fear", "fera"]}])

    assert caught.value.where == f"{tmp_path / 'dev.jsonl'}:1"
    assert 'did you mean "fear"?' in caught.value.next_step


def test_a_label_that_was_not_drawn_is_known_all_the_same(tmp_path: Path) -> None:
    # Rare labels would be unknown on dev, by the luck of the draw.
    rows = [{"topics": ["often"]}] * 30 + [{"topics": ["rare"]}]

    corpus = corpus_of(
        tmp_path, "multilabel", rows, [{"topics": ["rare"]}], data={"max_examples": 2}
    )

    assert corpus.labels["t"].names == ("often", "rare")
    assert len(corpus.train.examples) == 2


def test_sets_of_labels_are_held_out_alike(tmp_path: Path) -> None:
    rows = [{"topics": topics} for topics in (["a"], ["b"], ["a", "b"], []) for _ in range(10)]

    corpus = corpus_of(tmp_path, "multilabel", rows, data={"dev_share": 0.2})

    held = [sorted(example.labels["t"].present) for example in corpus.dev.examples]
    assert sorted(held) == [[], [], ["a"], ["a"], ["a", "b"], ["a", "b"], ["b"], ["b"]]


# --- Numbers ------------------------------------------------------------------------------------


def test_scores_are_numbers_or_texts_that_are(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "regression", [{"grade": 1}, {"grade": "2.5"}, {"grade": -4e0}])

    assert labels_of(corpus) == [1.0, 2.5, -4.0]
    assert corpus.labels["t"].statistics == {
        "mean": pytest.approx(-1 / 6),
        "std": pytest.approx(np.std([1, 2.5, -4])),
        "lowest": -4.0,
        "highest": 2.5,
    }


@pytest.mark.parametrize("kind", ["regression", "similarity"])
@pytest.mark.parametrize("value", ["1,5", "high", True, [1], "nan", "inf"])
def test_what_is_no_number_is_an_error_with_its_line(
    kind: str, value: object, tmp_path: Path
) -> None:
    rows = [{"grade": 1, "alike": 1, "other": "b"}, {"grade": value, "alike": value, "other": "b"}]

    with pytest.raises(DataError, match="which is no number") as caught:
        corpus_of(tmp_path, kind, rows)

    assert caught.value.where == f"{tmp_path / 'train.jsonl'}:2"


def test_scores_that_are_all_the_same_teach_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every score of train is 3"):
        corpus_of(tmp_path, "regression", [{"grade": 3}, {"grade": 3.0}])
    with pytest.raises(DataError, match="the lowest score is 3 and the highest 3"):
        corpus_of(tmp_path, "similarity", [{"alike": 3, "other": "b"}])


def test_the_ends_of_the_scale_are_those_of_train_or_those_that_are_set(tmp_path: Path) -> None:
    rows = [{"alike": 2, "other": "b"}, {"alike": 4, "other": "c"}]

    found = corpus_of(tmp_path, "similarity", rows).labels["t"].statistics
    told = corpus_of(tmp_path, "similarity", rows, lowest=0, highest=5).labels["t"].statistics

    assert (found["lowest"], found["highest"]) == (2.0, 4.0)
    assert (told["lowest"], told["highest"]) == (0.0, 5.0)


# --- Several texts ------------------------------------------------------------------------------


def test_a_pair_that_two_tasks_label_is_one_example(tmp_path: Path) -> None:
    write_corpus(tmp_path, train_size=6)
    pair = {"text_b": "other"}
    tasks = {
        "near": a_task(tmp_path, "regression", data=pair | {"label": "alike"}, pair="two"),
        "follows": a_task(tmp_path, data=pair | {"label": "follows"}),
        "alike": a_task(tmp_path, "similarity"),
    }

    train = read_corpus(an_experiment(tasks=tasks)).train

    assert len(train.examples) == 6
    first = train.examples[0]
    assert first.texts == ("Ada loves the rain in Paris.", "Ada was in Paris.")
    assert set(first.labels) == set(tasks)
    assert first.joint == {"follows"}
    rows, reads = first.inputs
    assert rows == (*first.texts, first.texts)
    assert reads == {"near": (0, 1), "follows": (2,), "alike": (0, 1)}


def test_a_text_alone_and_in_a_pair_are_two_examples(tmp_path: Path) -> None:
    write_corpus(tmp_path, train_size=6)
    tasks = {"mood": a_task(tmp_path), "alike": a_task(tmp_path, "similarity")}

    train = read_corpus(an_experiment(tasks=tasks)).train

    assert sorted(len(example.texts) for example in train.examples) == [1] * 6 + [2] * 6


def test_negatives_may_be_absent(tmp_path: Path) -> None:
    rows = [
        {"other": "b", "x": "c", "y": "d"},
        {"other": "b", "x": None, "y": "d"},
        {"other": "b", "x": "", "y": None},
    ]

    corpus = corpus_of(tmp_path, "contrastive", rows, data={"negatives": ["x", "y"]})

    texts = [example.texts[1:] for example in corpus.train.examples]
    assert texts == [("b", "c", "d"), ("b", "d"), ("b",)]
    keys = labels_of(corpus)
    assert all(isinstance(one, TextKeys) for one in keys)
    assert keys[0].keys[1] == keys[1].keys[1]
    assert keys[0].keys[3] == keys[1].keys[2]


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression", "similarity"])
def test_an_empty_second_text_is_an_error(kind: str, tmp_path: Path) -> None:
    rows = [row | {"other": " "} for row in sentences(2)]

    with pytest.raises(DataError, match="the text is empty"):
        corpus_of(tmp_path, kind, rows, data={"text_b": "other"})


def test_pairs_of_dev_that_are_in_train_are_told_in_either_order(tmp_path: Path) -> None:
    train = [{"text": "a b", "other": "c", "alike": 1}, {"text": "d", "other": "e", "alike": 2}]
    dev = [{"text": "C", "other": "ab", "alike": 1}, {"text": "a b", "other": "e", "alike": 2}]

    corpus = corpus_of(tmp_path, "similarity", train, dev)

    (note,) = corpus.notes
    assert note.startswith("t/dev: 1 of 2 pair(s) are in train, too (of t)")


def test_a_text_of_dev_that_is_in_a_pair_of_train_is_told(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "pairs.jsonl", [{"text": "a", "other": "b", "alike": n} for n in (1, 2)])
    write_jsonl(tmp_path / "one.jsonl", [{"text": "c", "mood": "x"}, {"text": "d", "mood": "y"}])
    write_jsonl(tmp_path / "two.jsonl", [{"text": "B", "mood": "x"}])
    none = {"dev": None, "test": None}
    tasks = {
        "alike": a_task(
            tmp_path, "similarity", data=none | {"train": str(tmp_path / "pairs.jsonl")}
        ),
        "mood": a_task(
            tmp_path,
            data=none | {"train": str(tmp_path / "one.jsonl"), "dev": str(tmp_path / "two.jsonl")},
        ),
    }

    notes = read_corpus(an_experiment(tasks=tasks)).notes

    assert [note.split(":")[0] for note in notes] == ["mood/dev"]
    assert "1 of 1 text(s) are in train, too (of alike)" in notes[0]
