from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders import a_task, an_experiment, sentences, spaces, write_corpus, write_jsonl

from workbench.config.experiment import ExperimentConfig
from workbench.data.examples import read_corpus, read_evaluation_split
from workbench.data.labels import tag_labels
from workbench.data.parsing import parse_split
from workbench.data.words import Words
from workbench.errors import DataError


def an_experiment_on(folder: Path, *, rows: list[dict[str, Any]], kind: str) -> ExperimentConfig:
    write_jsonl(folder / "train.jsonl", rows)
    task = a_task(folder, kind, data={"dev": None, "test": None})
    return an_experiment(tasks={"t": task})


def test_a_text_that_several_tasks_label_is_one_example(tmp_path: Path) -> None:
    write_corpus(tmp_path, train_size=6)

    corpus = read_corpus(an_experiment(folder=tmp_path))

    assert len(corpus.train.examples) == 6
    first = corpus.train.examples[0]
    assert first.text == "Ada loves the rain in Paris."
    assert first.labels["mood"] == "good"
    words = first.labels["entity"]
    assert isinstance(words, Words)
    assert [first.text[begin:end] for begin, end in words.spans][-2:] == ["Paris", "."]
    assert first.place.endswith("train.jsonl:1")


def test_a_text_that_one_task_labels_lacks_the_others_label(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": "both", "label": "x"}, {"text": "a", "label": "y"}])
    write_jsonl(tmp_path / "b.jsonl", [{"text": "both", "label": "1"}, {"text": "b", "label": "2"}])
    tasks = {
        name: {"kind": "classification", "data": {"train": str(tmp_path / f"{name}.jsonl")}}
        for name in ("a", "b")
    }

    train = read_corpus(an_experiment(tasks=tasks)).train

    labels = {example.text: dict(example.labels) for example in train.examples}
    assert labels == {"both": {"a": "x", "b": "1"}, "a": {"a": "y"}, "b": {"b": "2"}}
    labelled = [tuple(example.labels) for example in train.examples]
    assert sum("a" in tasks for tasks in labelled) == sum("b" in tasks for tasks in labelled) == 2


def test_the_second_occurrence_of_a_text_pairs_with_the_second_in_the_other_task(
    tmp_path: Path,
) -> None:
    rows = [{"text": "so", "x": number % 2, "y": f"y{number}"} for number in range(3)]
    write_jsonl(tmp_path / "a.jsonl", rows)
    tasks = {
        name: {
            "kind": "classification",
            "data": {"train": str(tmp_path / "a.jsonl"), "label": name},
        }
        for name in ("x", "y")
    }

    train = read_corpus(an_experiment(tasks=tasks)).train

    assert [dict(example.labels) for example in train.examples] == [
        {"x": "0", "y": "y0"},
        {"x": "1", "y": "y1"},
        {"x": "0", "y": "y2"},
    ]


def test_rows_without_a_label_are_counted_not_forgotten(tmp_path: Path) -> None:
    rows = [{"text": "a", "mood": "x"}, {"text": "b", "mood": None}, {"text": "c", "mood": ""}]
    rows.append({"text": "d", "mood": "y"})

    corpus = read_corpus(an_experiment_on(tmp_path, rows=rows, kind="classification"))

    assert len(corpus.train.examples) == 2
    assert corpus.unlabelled == {"t/train": 2}


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"text": "x"}, 'no column "mood"'),
        ({"mood": "x"}, 'no column "text"'),
        ({"text": " ", "mood": "x"}, "the text is empty"),
        ({"text": None, "mood": "x"}, "the text is empty"),
        ({"text": 7, "mood": "x"}, "the text is a int, not a string"),
        ({"text": "x", "mood": ["a"]}, "the label is a list, where one value is expected"),
    ],
)
def test_a_row_that_is_no_example_is_an_error_with_its_line(
    tmp_path: Path, row: dict[str, Any], what: str
) -> None:
    rows = [{"text": "fine", "mood": "good"}, row]

    with pytest.raises(DataError, match=what) as caught:
        read_corpus(an_experiment_on(tmp_path, rows=rows, kind="classification"))

    assert caught.value.where == f"{tmp_path / 'train.jsonl'}:2"


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "2 words but 1 tags"),
        ({"tokens": [], "tags": []}, "the sentence has no words"),
        ({"tokens": "a b", "tags": ["O", "O"]}, "the words are no list of strings"),
        ({"tokens": ["a"], "tags": [1]}, "the tags are no list of strings"),
        ({"text": "a c", "tokens": ["a", "b"], "tags": ["O", "O"]}, "'b' does not follow"),
        ({"text": "a x b", "tokens": ["a", "b"], "tags": ["O", "O"]}, "'b' does not follow"),
        ({"text": "a b c", "tokens": ["a", "b"], "tags": ["O", "O"]}, "goes on .* 'c'"),
        ({"text": "b a", "tokens": ["a", "b"], "tags": ["O", "O"]}, "'a' does not follow"),
        ({"text": "a", "tokens": ["a", ""], "tags": ["O", "O"]}, "'' does not follow"),
    ],
)
def test_words_that_are_not_those_of_the_text_are_an_error_with_the_line(
    tmp_path: Path, row: dict[str, Any], what: str
) -> None:
    rows = [{"tokens": ["Ada"], "tags": ["B-PER"]}, row]

    with pytest.raises(DataError, match=what) as caught:
        read_corpus(an_experiment_on(tmp_path, rows=rows, kind="tagging"))

    assert caught.value.where == f"{tmp_path / 'train.jsonl'}:2"


def test_a_dev_label_that_train_lacks_is_an_error_with_its_line(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    write_jsonl(tmp_path / "dev.jsonl", [*sentences(3), {"text": "x", "mood": "goood"}])
    tasks = {"mood": a_task(tmp_path)}

    with pytest.raises(DataError, match='Task "mood": the label "goood" does not') as caught:
        read_corpus(an_experiment(tasks=tasks))

    assert caught.value.where == f"{tmp_path / 'dev.jsonl'}:4"
    assert 'did you mean "good"?' in caught.value.next_step


def test_a_dev_tag_that_train_lacks_is_an_error_with_the_line_of_its_word(tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text("Ada\tB-PER\n")
    (tmp_path / "dev.conll").write_text("Kurt\tB-PER\n\nsaw\tO\nOslo\tB-LOC\n")
    data = {name: str(tmp_path / f"{name}.conll") for name in ("train", "dev")}

    with pytest.raises(DataError, match='the label "B-LOC" does not occur in train') as caught:
        read_corpus(an_experiment(tasks={"t": {"kind": "tagging", "data": data}}))

    assert caught.value.where == f"{tmp_path / 'dev.conll'}:4"


def test_a_dev_tag_that_only_completes_a_type_of_train_is_known(tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text("Ada\tB-PER\n")
    (tmp_path / "dev.conll").write_text("Kurt\tB-PER\nGödel\tI-PER\n")
    data = {name: str(tmp_path / f"{name}.conll") for name in ("train", "dev")}

    corpus = read_corpus(an_experiment(tasks={"t": {"kind": "tagging", "data": data}}))

    assert corpus.labels["t"] == tag_labels("t", ["B-PER"])


def test_span_f1_of_plain_tags_is_refused_before_training(tmp_path: Path) -> None:
    rows = [{"tokens": ["Ada"], "tags": ["NOUN"]}]

    with pytest.raises(DataError, match='span_f1" needs BIO or BIOES tags, but train has "NOUN"'):
        read_corpus(an_experiment_on(tmp_path, rows=rows, kind="tagging"))


def test_a_classification_with_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='train has only the label "x"'):
        read_corpus(
            an_experiment_on(tmp_path, rows=[{"text": "a", "mood": "x"}], kind="classification")
        )


def test_a_train_split_without_any_label_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row of train has a label"):
        read_corpus(
            an_experiment_on(tmp_path, rows=[{"text": "a", "mood": ""}], kind="classification")
        )


@pytest.mark.parametrize("names", [("gaps", "pairs"), ("pairs", "gaps")])
def test_what_a_task_reads_does_not_depend_on_the_order_of_tasks(
    names: tuple[str, str], tmp_path: Path
) -> None:
    # One reads the file as lines, the other as words with tags.
    file = tmp_path / "words.txt"
    file.write_text("Ada\tB-P\nruns\tO\n\nBob\tB-P\n\n")
    tasks: dict[str, Any] = {
        "gaps": {"kind": "masked_lm", "data": {"train": str(file)}},
        "pairs": {"kind": "contrastive", "data": {"train": str(file), "text_b": "text"}},
    }

    config = an_experiment(tasks={name: tasks[name] for name in names})
    found = parse_split(config, "train", names)

    assert {name: len(parsed.rows) for name, parsed in found.items()} == {"gaps": 3, "pairs": 2}


def test_the_test_split_is_not_touched_by_training(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    (tmp_path / "test.jsonl").write_text("this is no JSON\n")

    read_corpus(an_experiment(folder=tmp_path))


def test_a_split_that_no_task_has_cannot_be_evaluated(tmp_path: Path) -> None:
    config = an_experiment_on(tmp_path, rows=sentences(6), kind="classification")

    with pytest.raises(DataError, match="No task of this experiment has a test split"):
        read_evaluation_split(config, "test", spaces(t=["good", "bad"]))


def test_a_fitted_layer_needs_two_classes_of_those_that_were_drawn(corpus: Path) -> None:
    data = {"max_examples": 1, "examples_per_class": None}
    config = an_experiment(
        tasks={"mood": a_task(corpus, "few_shot", method="contrastive", data=data)}
    )

    with pytest.raises(DataError, match="none has another label") as caught:
        read_corpus(config)

    assert "max_examples" in caught.value.next_step
