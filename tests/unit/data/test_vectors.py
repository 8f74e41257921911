from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from workbench.data.vectors import read_vectors
from workbench.errors import DataError

GLOVE = "the 1 2 3\nrain -1 0.5 2e-1\n. . . 7 8 9\nThe 4 4 4\nTurin 0 0 1\n"


def write(file: Path, text: str) -> Path:
    opened = gzip.open(file, "wb") if file.suffix == ".gz" else file.open("wb")  # noqa: SIM115  # one of two
    with opened:
        opened.write(text.encode())
    return file


@pytest.mark.parametrize("header", ["", "5 3\n"])
@pytest.mark.parametrize("name", ["glove.txt", "words.vec", "words.vec.gz"])
def test_the_wanted_words_are_read_whatever_the_file_begins_with(
    name: str, header: str, tmp_path: Path
) -> None:
    file = write(tmp_path / name, header + GLOVE)

    found = read_vectors(file, {"rain", ". . .", "snow"}, first_rows=0, lowercase=False)

    assert {word: values.tolist() for word, values in found.items()} == {
        "rain": pytest.approx([-1, 0.5, 0.2]),
        ". . .": [7, 8, 9],
    }


def test_words_are_looked_up_in_small_letters_and_the_first_spelling_counts(tmp_path: Path) -> None:
    file = write(tmp_path / "glove.txt", GLOVE)

    found = read_vectors(file, {"the", "turin"}, first_rows=0, lowercase=True)

    assert np.array_equal(found["the"], [1, 2, 3])
    assert np.array_equal(found["turin"], [0, 0, 1])


def test_the_first_rows_are_kept_though_nobody_wants_them(tmp_path: Path) -> None:
    file = write(tmp_path / "glove.txt", GLOVE)

    assert list(read_vectors(file, {"Turin"}, first_rows=2, lowercase=False)) == [
        "the",
        "rain",
        "Turin",
    ]


@pytest.mark.parametrize(
    ("text", "line"), [("the 1 2 3\nrain 1 2\n", 2), ("the 1 2 x\n", 1), ("the\nrain\n", 1)]
)
def test_a_line_that_is_no_vector_is_an_error_with_its_place(
    text: str, line: int, tmp_path: Path
) -> None:
    file = write(tmp_path / "glove.txt", text)

    with pytest.raises(DataError, match="is no word with") as caught:
        read_vectors(file, {"the", "rain"}, first_rows=0, lowercase=False)

    assert caught.value.where == f"{file}, line {line}"


def test_a_file_of_another_language_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path / "glove.txt", GLOVE)

    with pytest.raises(DataError, match="none of the words of the texts"):
        read_vectors(file, {"Regen"}, first_rows=0, lowercase=False)


@pytest.mark.parametrize("name", ["gone.txt", "cut.txt.gz"])
def test_a_file_that_cannot_be_read_is_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(GLOVE.encode() * 50)[:60])

    with pytest.raises(DataError, match="cannot be read"):
        read_vectors(tmp_path / name, {"none"}, first_rows=0, lowercase=False)
