"""What a text is found again by: 128 bits of a hash, as two numbers that NumPy can sort."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.void]
"""`(texts,)`, 16 bytes each."""


def text_keys(contents: Iterable[bytes]) -> Keys:
    """A key for each content; equal contents have equal keys, others do not."""
    digests = b"".join(hashlib.blake2b(content, digest_size=16).digest() for content in contents)
    return np.frombuffer(digests, dtype="V16")


def find(wanted: Keys, there: Keys) -> NDArray[np.int64]:
    """Where each wanted key stands among those that are there, or -1.

    Args:
        wanted: `(wanted,)`.
        there: In any order, `(there,)`.
    """
    if not len(there):
        return np.full(len(wanted), -1, np.int64)
    places = {key: number for number, key in enumerate(there.tolist())}
    return np.fromiter((places.get(key, -1) for key in wanted.tolist()), np.int64, len(wanted))
