"""A quick look at data files."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.data.peeking import peek


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", '{"text": "x", "label": "y"}\n{"text": "z"}\n', "2 rows: text, label"),
        ("a.jsonl", '\n{"text": "no line end"}', "2 rows: text"),
        ("a.csv", "text,label\nx,y\nz,w\n", "2 rows: text, label"),
        ("a.tsv", 'text\tlabel\nsay "x\ty\n', "1 rows: text, label"),
        ("a.conll", "# c\nAnn B-PER\nran O\n\nIt O\n", "2 sentences, 2 columns: Ann B-PER"),
        ("a.bio", "-DOCSTART- O\n\nAnn\tNN\tB-PER\n", "1 sentences, 3 columns: Ann NN B-PER"),
    ],
)
def test_rows_and_columns_are_told(tmp_path: Path, name: str, content: str, words: str) -> None:
    file = tmp_path / name
    file.write_text(content)

    look = peek(file)

    assert look is not None
    assert look.words == words


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jsonl", "not json\n"), ("a.jsonl", "[1]\n"), ("a.jsonl", ""), ("a.csv", ""),
     ("a.conll", "\n\n"), ("a.xlsx", "what"), ("a.jsonl", "[" * 5000)],
)  # fmt: skip
def test_what_cannot_be_understood_tells_nothing(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_text(content)

    assert peek(file) is None


def test_a_file_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    assert peek(tmp_path / "none.jsonl") is None
