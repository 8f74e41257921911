"""Arrays that grow row by row, in memory or as NumPy files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
"""By name; those of one table need not have the same length."""


class GrowingArrays:
    """Arrays by name that are added to; in memory where there is no folder.

    Guarantees that a part that is on the disk takes no memory. Whoever closes it finds files that
    `read_arrays` reads.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._parts: dict[str, list[NDArray[Any]]] = {}
        self._files: dict[str, _File] = {}
        self._open = ExitStack()

    def add(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add to each array along its first axis; the first part says what the others are like.

        Raises:
            OSError: The disk is full or cannot be written.
        """
        for name, array in arrays.items():
            if self._folder is None:
                self._parts.setdefault(name, []).append(array)
                continue
            if name not in self._files:
                stream = self._open.enter_context((self._folder / f"{name}.npy").open("wb"))
                self._files[name] = _File(stream, array)
            self._files[name].add(array)

    def close(self) -> Arrays:
        """All that was added: as arrays, or mapped.

        Raises:
            OSError: The disk is full or cannot be written.
        """
        if self._folder is None:
            joined = {}
            for name in list(self._parts):
                joined[name] = np.concatenate(self._parts.pop(name))  # one at a time: half the room
            return joined
        for file in self._files.values():
            file.finish()
        self._open.close()
        return read_arrays(self._folder)

    def abandon(self) -> None:
        """Close files that are not to be used."""
        self._open.close()


def read_arrays(folder: Path) -> Arrays:
    """The arrays of a folder, mapped; what is deleted afterwards stays readable.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is damaged.
    """
    try:
        return {
            # As a plain array: slices of the mapped class take ten times as long.
            file.stem: np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
            for file in folder.glob("*.npy")
        }
    except EOFError as error:  # NumPy's word for an empty file
        raise ValueError(str(error)) from error


class _File:
    """One NumPy file, whose header says how long it is when all is written."""

    def __init__(self, stream: BinaryIO, like: NDArray[Any]) -> None:
        self._stream = stream
        self._dtype, self._columns = like.dtype, like.shape[1:]
        self._rows = 0
        self._write_header()
        self._header_bytes = stream.tell()

    def add(self, array: NDArray[Any]) -> None:
        self._stream.write(np.ascontiguousarray(array, self._dtype).data)
        self._rows += len(array)

    def finish(self) -> None:
        self._stream.seek(0)
        self._write_header()
        # NumPy leaves room in a header for a longer first axis.
        assert self._stream.tell() == self._header_bytes, "the header has grown into the rows"
        self._stream.flush()
        # The segment gets its name next: after a loss of power its files must not be empty.
        os.fsync(self._stream.fileno())

    def _write_header(self) -> None:
        about = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._rows, *self._columns),
        }
        np.lib.format.write_array_header_1_0(self._stream, about)
