"""What a text is found again by: 128 bits of a hash, as bytes that NumPy can sort."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.void]
"""`(texts,)`, 16 bytes each."""


def text_keys(contents: Iterable[bytes]) -> Keys:
    """A key for each content; equal contents have equal keys, others do not."""
    digests = b"".join(hashlib.blake2b(content, digest_size=16).digest() for content in contents)
    return np.frombuffer(digests, dtype="V16")


def find(wanted: Keys, there: Keys) -> NDArray[np.int64]:
    """Where each wanted key stands first among those that are there, or -1.

    Args:
        wanted: `(wanted,)`.
        there: In any order, `(there,)`.
    """
    if not len(there):
        return np.full(len(wanted), -1, np.int64)
    high, low = _halves(there)
    order = np.lexsort((low, high))  # stable: of equal keys the first comes first
    high, low = high[order], low[order]
    wanted_high, wanted_low = _halves(wanted)
    at = np.searchsorted(high, wanted_high)
    found = np.full(len(wanted), -1, np.int64)
    open_ones = np.arange(len(wanted))
    # Other keys with the same first half come before: one in 2^64, so this goes round once.
    while len(open_ones):
        open_ones = open_ones[at[open_ones] < len(order)]
        open_ones = open_ones[high[at[open_ones]] == wanted_high[open_ones]]
        is_found = low[at[open_ones]] == wanted_low[open_ones]
        found[open_ones[is_found]] = order[at[open_ones[is_found]]]
        open_ones = open_ones[~is_found]
        at[open_ones] += 1
    return found


def number_alike(keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for each different key, in the order in which they first occur.

    Returns:
        The number of each key, `(keys,)`, and where each number occurs first, `(numbers,)`,
        ascending.
    """
    high, low = _halves(keys)
    return number_equal(high, low)


def number_equal(*columns: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same for rows of several columns of numbers, each `(rows,)`."""
    order, is_first = _grouped(columns)
    firsts = order[is_first]
    rank = np.empty(len(firsts), np.int64)
    rank[np.argsort(firsts)] = np.arange(len(firsts))
    numbers = np.empty(len(order), np.int64)
    numbers[order] = rank[np.cumsum(is_first) - 1]
    return numbers, np.sort(firsts)


def occurrences(keys: Keys) -> NDArray[np.int64]:
    """How many equal keys come before each one, `(keys,)`."""
    order, is_first = _grouped(_halves(keys))
    begins = np.flatnonzero(is_first)
    sizes = np.diff(np.append(begins, len(keys)))
    before = np.empty(len(keys), np.int64)
    before[order] = np.arange(len(keys)) - np.repeat(begins, sizes)
    return before


def _grouped(columns: Sequence[NDArray[Any]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """An order with equal rows together, each group as it came, and where a group begins."""
    order = np.lexsort(columns)
    is_first = np.ones(len(order), np.bool_)
    if len(order):
        is_first[1:] = False
    for column in columns:
        column = column[order]
        is_first[1:] |= column[1:] != column[:-1]
    return order, is_first


def _halves(keys: Keys) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    pairs = np.ascontiguousarray(keys).view(np.uint64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
