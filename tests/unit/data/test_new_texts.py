"""Texts out of files of any size: every one, in order, and never more than a window of them."""

from __future__ import annotations

import io
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.new_texts import TextFile, windows
from workbench.errors import DataError


@given(st.lists(st.text(max_size=9), max_size=30), st.integers(1, 8), st.integers(1, 40))
def test_windows_hold_all_texts_in_order_and_read_none_ahead(
    texts: list[str], most_texts: int, most_characters: int
) -> None:
    read = 0

    def counted() -> Iterator[str]:
        nonlocal read
        for text in texts:
            read += 1
            yield text

    seen: list[object] = []
    for window in windows(counted(), most_texts=most_texts, most_characters=most_characters):
        seen += window
        assert read == len(seen)
        assert len(window) <= most_texts
        assert sum(len(text) for text in window[:-1]) < most_characters
    assert seen == texts


def test_a_large_file_is_read_in_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("".join(f"a short text, number {number}\n" for number in range(200_000)))
    tracemalloc.start()

    count = sum(len(window) for window in windows(TextFile(file), most_texts=1000))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 200_000
    assert peak < 1_000_000 < file.stat().st_size


def test_a_file_gives_a_text_per_line(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_bytes("\ufeffOne.\r\n\nTwo\u2028lines.\n".encode())

    assert list(TextFile(file)) == ["One.", "Two\u2028lines."]


def test_standard_input_is_a_file_of_unknown_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"One.\nTwo.")))
    file = TextFile(Path("-"))

    assert file.size is None
    assert list(file) == ["One.", "Two."]


def test_lines_of_json_give_the_columns_that_are_named(tmp_path: Path) -> None:
    file = tmp_path / "texts.JSONL"
    file.write_text('{"a": "One.", "b": ""}\n\n{"b": "T\\two.", "a": "Three."}\n')

    assert list(TextFile(file, column="a")) == ["One.", "Three."]
    assert list(TextFile(file, column="a", column_b="b")) == [("One.", ""), ("Three.", "T\two.")]


@pytest.mark.parametrize(
    ("content", "what", "next_step"),
    [
        (b"\n\xff\xfe", "is not UTF-8 text", "save it as UTF-8"),
        (b'\n{"text": ', "The line is not JSON", "one JSON object a line"),
        (b'\n["One."]', "The line is list, not an object", "one JSON object a line"),
        (b'\n{"txt": "One."}', 'no "text" in the line', 'did you mean "txt"?'),
        (b'\n{"text": 7}', '"text" is int, not a text', "quotation marks"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_with_its_place(
    content: bytes, what: str, next_step: str, tmp_path: Path
) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_bytes(content)

    with pytest.raises(DataError, match=what) as caught:
        list(TextFile(file))

    assert caught.value.where == f"{file}, line 2"
    assert next_step in caught.value.next_step


def test_a_file_without_texts_or_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")

    with pytest.raises(DataError, match=r"empty\.txt has no texts"):
        list(TextFile(tmp_path / "empty.txt"))
    with pytest.raises(DataError, match="No such file"):
        list(TextFile(tmp_path / "gone.txt"))
