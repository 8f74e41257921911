"""Tags as files write them: CoNLL-U, IOB1, BIOES, spans in characters, words without a tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders import an_experiment, write_jsonl

from workbench.data.examples import Corpus, read_corpus
from workbench.data.words import Words
from workbench.errors import DataError

TREE = """\
# sent_id = 1
# text = Don't go home.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
3.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t_\t_
4\t#\t#\t_\tNN\t_\t3\tadvmod\t_\t_

# sent_id = 2
1\tRain\train\tNOUN\tNN\t_\t0\troot\t_\t_
"""


def read(file: Path, **settings: Any) -> Corpus:
    data = {"train": str(file)} | settings.pop("data", {})
    task = {"kind": "tagging", "data": data, "metric": "accuracy"} | settings
    return read_corpus(an_experiment(tasks={"t": task}))


def tags_of(corpus: Corpus) -> list[tuple[str, ...]]:
    found = [example.labels["t"] for example in corpus.train.examples]
    return [label.tags for label in found if isinstance(label, Words)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, ("AUX", "PART", "VERB", "?")),
        ({"conllu_column": "xpos"}, ("VB", "RB", "VB", "NN")),
        ({"tag_column": 4}, ("VB", "RB", "VB", "NN")),
        ({"conllu_column": "deprel"}, ("aux", "advmod", "root", "advmod")),
        ({"tag_column": 5}, ("_", "_", "_", "_")),
    ],
)
def test_conllu_gives_the_column_by_name_or_number(
    tmp_path: Path, data: dict[str, Any], expected: tuple[str, ...]
) -> None:
    (tmp_path / "a.conllu").write_text(TREE)

    corpus = read(tmp_path / "a.conllu", data=data)

    assert [example.text for example in corpus.train.examples] == ["Do n't go #", "Rain"]
    assert tags_of(corpus)[0] == expected
    assert corpus.notes[0].startswith("t/train: 2 multiword range(s) and empty node(s)")


def test_a_word_of_conllu_without_a_tag_is_told_and_is_no_label(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(TREE)

    corpus = read(tmp_path / "a.conllu")

    assert corpus.labels["t"].names == ("AUX", "NOUN", "PART", "VERB")
    assert corpus.notes[1] == 't/train: 1 word(s) are not annotated (null or "?").'


@pytest.mark.parametrize(
    ("line", "data", "what"),
    [
        ("1\tRain\tNOUN", {}, "This is no line of CoNLL-U: '1.tRain"),
        ("x" + "\t_" * 9, {}, "This is no line of CoNLL-U"),
        ("1\tRain" + "\tx" * 8, {"tag_column": 10}, "there is no column 10"),
    ],
)
def test_a_line_that_is_no_conllu_is_an_error_with_its_number(
    tmp_path: Path, line: str, data: dict[str, Any], what: str
) -> None:
    (tmp_path / "a.conllu").write_text(f"# comment\n{line}\n")

    with pytest.raises(DataError, match=what) as caught:
        read(tmp_path / "a.conllu", data=data)

    assert caught.value.where == f"{tmp_path / 'a.conllu'}:2"


def test_iob1_is_seen_and_read_as_bio(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("Ada\tI-PER\nKurt\tB-PER\nin\tO\nNew\tI-LOC\nYork\tI-LOC\n")

    corpus = read(tmp_path / "a.conll", metric="span_f1")

    assert tags_of(corpus) == [("B-PER", "B-PER", "O", "B-LOC", "I-LOC")]
    assert corpus.notes == ("t/train: the tags are IOB1 and were read as BIO.",)


@pytest.mark.parametrize(
    ("scheme", "given", "expected"),
    [
        ("as read", "S-X O B-X E-X", "S-X O B-X E-X"),
        ("bio", "S-X O B-X E-X", "B-X O B-X I-X"),
        ("bioes", "B-X O B-X I-X", "S-X O B-X E-X"),
        ("bioes", "I-X B-X I-X O", "S-X B-X E-X O"),
        ("as read", "B-X O I-X I-X", "B-X O I-X I-X"),
        ("bioes", "B-X O I-X I-X", "S-X O O O"),
    ],
)
def test_tags_are_learned_in_the_scheme_that_the_task_names(
    tmp_path: Path, scheme: str, given: str, expected: str
) -> None:
    rows = [{"tokens": list("abcd"), "tags": given.split()}]

    corpus = read(write_jsonl(tmp_path / "a.jsonl", rows), scheme=scheme, metric="span_f1")

    assert tags_of(corpus) == [tuple(expected.split())]
    assert ("?" in "".join(corpus.notes)) is False
    assert any("2 tag(s) belong to no span" in note for note in corpus.notes) == (
        expected == "S-X O O O"
    )


def test_dev_is_read_in_the_scheme_of_train(tmp_path: Path) -> None:
    train = write_jsonl(tmp_path / "a.jsonl", [{"tokens": ["a"], "tags": ["S-X"]}])
    dev = write_jsonl(tmp_path / "b.jsonl", [{"tokens": ["a", "b"], "tags": ["B-X", "E-X"]}])

    corpus = read(train, data={"dev": str(dev)}, scheme="bio")

    assert corpus.labels["t"].names == ("O", "B-X", "I-X")
    label = corpus.dev.examples[0].labels["t"]
    assert isinstance(label, Words)
    assert label.tags == ("B-X", "I-X")


def test_a_constrained_task_learns_no_stray_tag(tmp_path: Path) -> None:
    rows = [{"tokens": ["a", "b", "c"], "tags": ["B-X", "O", "I-X"]}]

    corpus = read(write_jsonl(tmp_path / "a.jsonl", rows), constrained=True)

    assert tags_of(corpus) == [("B-X", "O", "O")]


@pytest.mark.parametrize("setting", [{"constrained": True}, {"scheme": "bioes"}])
def test_plain_tags_have_no_scheme(tmp_path: Path, setting: dict[str, Any]) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [{"tokens": ["a"], "tags": ["NOUN"]}])

    with pytest.raises(DataError, match='needs BIO or BIOES tags, but train has "NOUN"'):
        read(file, **setting)


@pytest.mark.parametrize("mark", [None, "?"])
def test_a_word_may_have_no_tag(tmp_path: Path, mark: str | None) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [{"tokens": ["a", "b"], "tags": ["B-X", mark]}])

    corpus = read(file, metric="span_f1")

    assert tags_of(corpus) == [("B-X", "?")]
    assert corpus.labels["t"].names == ("O", "B-X", "I-X")


def test_a_train_split_without_any_annotated_word_is_an_error(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [{"tokens": ["a"], "tags": [None]}])

    with pytest.raises(DataError, match="no word of train is annotated"):
        read(file)


def test_spans_in_characters_are_tags_of_the_words_that_texts_are_cut_into(tmp_path: Path) -> None:
    spans = [{"start": 17, "end": 25, "label": "LOC"}, {"start": 0, "end": 5, "label": "PER"}]
    rows = [
        {"text": "Ada’s sister saw New York.", "spans": spans},
        {"text": "Nobody.", "spans": []},
        {"text": "Not looked at.", "spans": None},
    ]

    corpus = read(write_jsonl(tmp_path / "a.jsonl", rows), metric="span_f1")

    assert tags_of(corpus) == [
        ("B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O"),
        ("O", "O"),
    ]
    assert corpus.unlabelled == {"t/train": 1}


@pytest.mark.parametrize(
    ("spans", "what"),
    [
        ([{"start": 0, "end": 2, "label": "X"}], "0 to 2 .'Ad'. does not begin and end with words"),
        ([{"start": 0, "end": 4, "label": "X"}], "does not begin and end with words"),
        ([{"start": 4, "end": 99, "label": "X"}], "does not begin and end with words"),
        ([{"start": 4, "end": 3, "label": "X"}], "does not begin and end with words"),
        ([{"start": 0, "end": 3, "label": ""}], "is no span"),
        ([{"start": 0, "end": 3}], "is no span"),
        ([[0, 3, "X"]], "is no span"),
        ("Ada", "Ada is no span"),
        (
            [{"start": 0, "end": 8, "label": "X"}, {"start": 4, "end": 8, "label": "Y"}],
            "4 to 8 .'left'. overlaps another",
        ),
    ],
)
def test_a_span_that_is_not_of_whole_words_is_an_error_with_its_line(
    tmp_path: Path, spans: Any, what: str
) -> None:
    rows = [{"text": "Ada left", "spans": []}, {"text": "Ada left", "spans": spans}]

    with pytest.raises(DataError, match=what) as caught:
        read(write_jsonl(tmp_path / "a.jsonl", rows))

    assert caught.value.where == f"{tmp_path / 'a.jsonl'}:2"
