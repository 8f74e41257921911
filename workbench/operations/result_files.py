"""Files that results are written into bit by bit: there as a whole, or not at all.

What is written goes into a hidden file beside the one that is meant, which takes its name when
all of it is on the disk.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from workbench.errors import ConfigError, DataError, nearest


class RowFile(Protocol):
    """Takes one row after the other."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row, a prediction in plain values as `artefacts.predict` gives it."""


@contextmanager
def vector_file(path: Path) -> Iterator[VectorFile]:
    """A `.npy` file that vectors are added to; nothing is there if the block raises.

    Raises:
        DataError: It cannot be written.
    """
    with _whole_or_not(path, "wb") as opened:
        vectors = VectorFile(opened)
        yield vectors
        vectors.finish()


@contextmanager
def prediction_file(path: Path) -> Iterator[RowFile]:
    """A file that predictions are added to; nothing is there if the block raises.

    Args:
        path: Its ending says how: .jsonl or .csv.

    Raises:
        ConfigError: It has another ending.
        DataError: It cannot be written.
    """
    kind = path.suffix.lower()
    if kind not in _ROW_FILES:
        raise ConfigError(
            f'{path.name} has the ending "{path.suffix}".',
            where="--out",
            next_step=nearest(kind, _ROW_FILES),
        )
    with _whole_or_not(path, "w") as opened:
        yield _ROW_FILES[kind](opened)


class VectorFile:
    """NumPy's format, whose header is written anew when the number of rows is known."""

    def __init__(self, opened: IO[bytes]) -> None:
        self._file = opened
        self._width: int | None = None
        self.rows = 0

    def add(self, vectors: NDArray[np.float32]) -> None:
        """Write some rows, `(rows, width)`."""
        if self._width is None:
            self._width = vectors.shape[1]
            self._file.write(self._header())
        self._file.write(np.ascontiguousarray(vectors, np.float32).data)
        self.rows += len(vectors)

    def finish(self) -> None:
        """Say in the header how many rows there are."""
        end = self._file.tell()
        header = self._header()
        self._file.seek(0)
        self._file.write(header)
        self._file.seek(max(end, len(header)))

    def _header(self) -> bytes:
        """The same length for any number of rows: NumPy leaves room for it."""
        buffer = io.BytesIO()
        npy.write_array_header_1_0(
            buffer,
            {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self._width or 0)},
        )
        return buffer.getvalue()


class _JsonLines:
    """One object a line."""

    def __init__(self, opened: IO[str]) -> None:
        self._file = opened

    def add(self, row: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


class _CommaSeparated:
    """One line a text: the text, then what each task says of it."""

    def __init__(self, opened: IO[str]) -> None:
        self._writer = csv.writer(opened, lineterminator="\n")
        self._has_header = False

    def add(self, row: Mapping[str, Any]) -> None:
        cells = {key: row[key] for key in ("text", "text_b") if key in row}
        for task, answer in row["tasks"].items():
            cells |= {f"{task}{suffix}": value for suffix, value in _cells(answer).items()}
        if not self._has_header:  # every text is answered by the same tasks
            self._writer.writerow(cells)
            self._has_header = True
        self._writer.writerow(cells.values())


def _cells(answer: Mapping[str, Any]) -> dict[str, object]:
    """What a task says, by what its columns are called after its name; lists are JSON."""
    if "label" in answer:
        probability = answer["probabilities"][answer["label"]]
        return {"": answer["label"], ".probability": probability}
    if "tags" in answer:
        words, tags = " ".join(answer["words"]), " ".join(answer["tags"])
        return {"": _listed(answer["entities"]), ".words": words, ".tags": tags}
    told = next(answer[key] for key in ("labels", "value", "similarity", "gaps") if key in answer)
    return {"": _listed(told) if isinstance(told, list) else told}


def _listed(values: object) -> str:
    return json.dumps(values, ensure_ascii=False)


_ROW_FILES: dict[str, Callable[[IO[str]], RowFile]] = {
    ".jsonl": _JsonLines,
    ".csv": _CommaSeparated,
}


@contextmanager
def _whole_or_not(path: Path, mode: str) -> Iterator[Any]:
    target = path.resolve()  # a link stays one
    if target.exists() and not target.is_file():
        raise _cannot_be_written(path, "it is there, and is no file")
    aside = target.with_name(f".{target.name}.{os.getpid()}.writing")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with aside.open(mode, **text) as opened:  # type: ignore[call-overload]  # by the mode
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        aside.replace(target)
    except OSError as error:
        raise _cannot_be_written(path, str(error.strerror)) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def _cannot_be_written(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} cannot be written: {why}.",
        where="--out",
        next_step="name a file in a folder that is there and may be written, on a disk with room "
        "for it",
    )
