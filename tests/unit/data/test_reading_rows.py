from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.config.tasks import ClassificationData, DataConfig, TaggingData
from workbench.data.reading import Row, column, read_split
from workbench.errors import DataError

ROWS = [{"text": "one, two", "label": "a"}, {"text": 'he said "no"', "label": "b"}]


def rows_of(file: Path, text: str | bytes, **data: Any) -> list[Row]:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_split(ClassificationData(train=str(file), **data), "train"))


def conll(file: Path, text: str, **data: Any) -> list[Row]:
    file.write_text(text, encoding="utf-8")
    return list(read_split(TaggingData(train=str(file), **data), "train"))


def write_parquet(file: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), file)


def write_text(text: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.jsonl", write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n")),
        ("a.ndjson", write_text("\n".join(json.dumps(row) for row in ROWS))),
        ("a.csv", write_text('text,label\n"one, two",a\n"he said ""no""",b\n')),
        ("a.tsv", write_text('text\tlabel\none, two\ta\nhe said "no"\tb\n')),
        ("a.parquet", lambda file: write_parquet(file, ROWS)),
    ],
)
def test_every_table_format_gives_the_same_rows(
    tmp_path: Path, name: str, write: Callable[[Path], object]
) -> None:
    write(tmp_path / name)

    rows = list(read_split(DataConfig(train=str(tmp_path / name)), "train"))

    assert [row.values for row in rows] == ROWS
    assert all(str(tmp_path / name) in row.place for row in rows)


def test_the_format_of_the_config_beats_the_ending(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.data", '{"text": "x", "label": "y"}', format="jsonl")

    assert rows[0].values == {"text": "x", "label": "y"}


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.csv", b"\xef\xbb\xbftext,label\nx,y\n")

    assert rows[0].values == {"text": "x", "label": "y"}


def test_a_quoted_line_break_stays_in_its_field_and_lines_are_still_counted(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.csv", 'text,label\n"two\nlines",a\nx,b\n')

    assert [row.values["text"] for row in rows] == ["two\nlines", "x"]
    assert rows[1].place.endswith("a.csv:4")


def test_a_split_that_is_not_named_has_no_rows(tmp_path: Path) -> None:
    assert list(read_split(DataConfig(train="x.jsonl"), "dev")) == []


# --- CoNLL --------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", ["\t", " "])
def test_conll_sentences_end_at_blank_lines_and_each_word_knows_its_line(
    tmp_path: Path, separator: str
) -> None:
    lines = [
        "-DOCSTART- -X- O O".replace(" ", separator),
        "",
        "Ada B-PER",
        "left O",
        "  ",
        "Oslo O",
    ]
    lines[2:] = [line if line == "  " else line.replace(" ", separator) for line in lines[2:]]

    rows = conll(tmp_path / "a.conll", "\r\n".join(lines))

    assert [row.values["tokens"] for row in rows] == [["Ada", "left"], ["Oslo"]]
    assert rows[0].values["tags"] == ["B-PER", "O"]
    assert rows[0].word_places[1].endswith("a.conll:4")
    assert rows[1].place.endswith("a.conll:6")


def test_conll_columns_can_be_chosen(tmp_path: Path) -> None:
    rows = conll(tmp_path / "a.txt", "1 Ada NNP B-PER\n2 left VB O\n", token_column=1, tag_column=2)

    assert rows[0].values["tokens"] == ["Ada", "left"]
    assert rows[0].values["tags"] == ["NNP", "VB"]


def test_comments_of_conll_u_are_left_out(tmp_path: Path) -> None:
    rows = conll(tmp_path / "a.conll", "# sent_id = 1\n# newdoc\n1\tAda\tB-PER\n", token_column=1)

    assert rows[0].values["tokens"] == ["Ada"]


def test_the_word_hash_is_no_comment(tmp_path: Path) -> None:
    rows = conll(tmp_path / "a.conll", "see O\n# O\n1 O\n")

    assert rows[0].values["tokens"] == ["see", "#", "1"]


# --- What cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "what", "line"),
    [
        ("a.conll", "Ada B-PER\nleft\n", r"has 1 column\(s\) where 2 are expected: 'left'", 2),
        ("a.conll", "Ada\tB-PER\n\nleft\tO\tO\n", r"has 3 column\(s\) where 2", 3),
        ("a.conll", "Ada\tB-PER\nleft\t\n", "A word or its tag is empty", 2),
        ("a.jsonl", '{"text": "x"}\n{"text": \n', "The line is not JSON", 2),
        ("a.jsonl", '{"text": "x"}\n\n["x"]\n', "The line is list, not an object", 3),
        ("a.jsonl", '{"text": "\\ud83d\\ude00"}\n{"text": "\\uD83D"}\n', "half a character", 2),
        ("a.csv", "text,label\nx,y\nz\n", "has 1 fields where the header has 2", 3),
        ("a.csv", "text,label\nx,y,z\n", "has 3 fields where the header has 2", 2),
        ("a.csv", 'text,label\n"x" y,z\n', "cannot be split", 2),
        ("a.csv", "text,label,text\nx,y,z\n", 'names the column "text" twice', 1),
        ("a.tsv", "text\tlabel\nx\n", "has 1 fields", 2),
    ],
)
def test_a_malformed_row_is_an_error_with_its_line(
    tmp_path: Path, name: str, content: str, what: str, line: int
) -> None:
    with pytest.raises(DataError, match=what) as caught:
        rows_of(tmp_path / name, content)

    assert caught.value.where == f"{tmp_path / name}:{line}"
    assert caught.value.next_step


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.conll"])
def test_what_is_not_utf_8_is_an_error_with_its_line(tmp_path: Path, name: str) -> None:
    good = b'{"text": "x"}\tO\n' if name == "a.conll" else b'{"text": "x"}\n'
    content = good * 2000 + "é".encode("latin-1") + b"\n"  # beyond the decoder's first buffer

    with pytest.raises(DataError, match="not UTF-8") as caught:
        rows_of(tmp_path / name, content)

    assert caught.value.where == f"{tmp_path / name}:2001"


def test_a_column_outside_the_line_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 0 or 7") as caught:
        conll(tmp_path / "a.conll", "Ada O\n", tag_column=7)

    assert caught.value.where.endswith("a.conll:1")


@pytest.mark.parametrize("name", ["gone.jsonl", "gone.conll", "gone.csv", "gone.parquet"])
def test_an_absent_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"gone\..* is not there") as caught:
        list(read_split(DataConfig(train=str(tmp_path / name)), "train"))

    assert "--data-root" in caught.value.next_step


def test_a_folder_in_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()

    with pytest.raises(DataError, match="cannot be read"):
        list(read_split(DataConfig(train=str(tmp_path / "a.jsonl")), "train"))


def test_an_unknown_ending_asks_for_the_format(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'ending "\.xls"') as caught:
        rows_of(tmp_path / "a.xls", "x")

    assert "jsonl" in caught.value.next_step


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", "\n\n"), ("a.csv", "text,label\n"), ("a.conll", "\n")]
)
def test_a_file_without_rows_is_an_error(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(DataError, match="has no rows"):
        rows_of(tmp_path / name, content)


@pytest.mark.parametrize("content", [b"no parquet at all", b"PAR1 broken PAR1", b""])
def test_a_damaged_parquet_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="not a Parquet file"):
        rows_of(tmp_path / "a.parquet", content)


def test_a_missing_column_is_an_error_with_the_nearest_name() -> None:
    row = Row({"sentence": "x", "labels": "y"}, "a.csv:2")

    with pytest.raises(DataError, match='no column "label"') as caught:
        column(row, "label")

    assert caught.value.where == "a.csv:2"
    assert 'did you mean "labels"?' in caught.value.next_step


# --- Hub data sets ------------------------------------------------------------------------------


@pytest.fixture
def hub_folder(tmp_path: Path) -> Path:
    """A data set repository as on the hub, with class names in its card."""
    folder = tmp_path / "moods"
    (folder / "data").mkdir(parents=True)
    rows = [
        {"text": "fine", "label": 1, "tags": [0, 1]},
        {"text": "dull", "label": 0, "tags": [1]},
        {"text": "what", "label": -1, "tags": [0]},
    ]
    for split in ("train", "test"):
        lines = "\n".join(json.dumps(row) for row in rows)
        (folder / "data" / f"{split}.jsonl").write_text(lines)
    (folder / "README.md").write_text(
        "---\n"
        "configs:\n- config_name: default\n  data_files:\n"
        "  - split: train\n    path: data/train.jsonl\n"
        "  - split: test\n    path: data/test.jsonl\n"
        "dataset_info:\n  features:\n"
        "  - name: text\n    dtype: string\n"
        "  - name: label\n    dtype:\n      class_label:\n        names:\n"
        "          '0': sad\n          '1': glad\n"
        "  - name: tags\n    list:\n      class_label:\n        names:\n"
        "          '0': O\n          '1': B-X\n"
        "---\n"
    )
    return folder


def test_a_data_set_folder_gives_class_names_not_numbers(hub_folder: Path) -> None:
    data = ClassificationData(dataset=str(hub_folder), train="train")

    rows = list(read_split(data, "train"))

    assert [row.values["label"] for row in rows] == ["glad", "sad", None]
    assert rows[0].values["tags"] == ["O", "B-X"]
    assert rows[1].place == f"{hub_folder}, train row 2"


def test_a_split_that_the_data_set_lacks_is_an_error(hub_folder: Path) -> None:
    data = ClassificationData(dataset=str(hub_folder), train="training")

    with pytest.raises(DataError, match="cannot be loaded") as caught:
        list(read_split(data, "train"))

    assert caught.value.where == f"{hub_folder}, split training"
