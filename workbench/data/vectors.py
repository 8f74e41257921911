"""Word vectors out of a text file, as GloVe, word2vec and fastText write them."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError


def read_vectors(
    file: Path, wanted: Collection[str], *, first_rows: int, lowercase: bool
) -> dict[str, NDArray[np.float32]]:
    """The vectors of some words.

    Args:
        file: One word and its values a line, separated by spaces; perhaps a first line with the
            number of words and of values; perhaps compressed (.gz).
        wanted: Words to keep, as they are looked up.
        first_rows: Also keep so many from the top of the file, where the frequent words are.
        lowercase: Whether words are looked up in small letters. Of several spellings the first
            counts.

    Returns:
        By word; all of one length.

    Raises:
        DataError: The file cannot be read, or a line has another number of values than the first.
    """
    found: dict[str, NDArray[np.float32]] = {}
    size = 0
    wanted = set(wanted)
    for number, line in enumerate(_lines(file), start=1):
        fields = line.rstrip().split(" ")
        if number == 1 and len(fields) == 2:  # how many there are
            continue
        size = size or len(fields) - 1
        # A few words of large files have spaces in them: the values are the last fields.
        word = " ".join(fields[: len(fields) - size])
        word = word.lower() if lowercase else word
        if word and (word in found or (number > first_rows and word not in wanted)):
            continue
        try:
            values = np.array(fields[len(fields) - size :], dtype=np.float32)
        except ValueError:
            values = np.zeros(0, np.float32)
        if not word or not size or len(values) != size:
            raise DataError(
                f"The line is no word with {size or 'its'} values.",
                where=f"{file}, line {number}",
                next_step="give a text file of word vectors: a word and its numbers a line",
            )
        found[word] = values
    if not found:
        raise DataError(
            "The file of word vectors has none of the words of the texts.",
            where=str(file),
            next_step="give vectors of the texts' language, or set backbone.words.lowercase as "
            "the file has it",
        )
    return found


def _lines(file: Path) -> Iterator[str]:
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
            for line in lines:
                yield line.decode("utf-8", errors="replace")
    except (OSError, EOFError) as error:  # the second of a compressed file that is cut off
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"The file of word vectors cannot be read: {reason}.",
            where=str(file),
            next_step="correct backbone.words.file",
        ) from error
