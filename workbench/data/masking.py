"""Hiding pieces of a text: what masked language modelling asks for.

What is hidden is a pure function of what is drawn from (a run's seed and update; nothing for dev)
and of the text, so it needs nothing to be kept to resume a run, and does not depend on batches.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workbench.data.pieces import CUT, WordLabels

KEPT, EXCHANGED = 0.1, 0.1
"""Of the hidden pieces so many stay as they are and so many become another at random; the rest
become the mask."""


@dataclass(frozen=True)
class Vocabulary:
    """What a tokenizer knows that masking needs."""

    size: int
    mask_id: int
    name_of: Callable[[int], str]
    """The text of a piece."""


@dataclass(frozen=True)
class MaskedText:
    """A text of which some pieces are hidden, other ones at each draw."""

    ids: NDArray[np.int64]
    """Its pieces, `(pieces,)`."""
    words: NDArray[np.int64]
    """Number of the word that each piece belongs to, or `CUT` for special tokens, `(pieces,)`."""
    share: float
    """Of the pieces that are hidden."""
    vocabulary: Vocabulary | None = None

    @cached_property
    def hidden_on_dev(self) -> NDArray[np.int64]:
        """The pieces that are hidden when nothing is drawn from."""
        return self.hide(())[1].labels

    def hide(self, draw: Sequence[int]) -> tuple[NDArray[np.int64], WordLabels]:
        """The pieces with some of them hidden, and what they were.

        Args:
            draw: Where chance comes from; nothing for what is the same each time.

        Returns:
            The pieces as the backbone sees them, and where which were hidden.
        """
        assert self.vocabulary is not None
        random = np.random.default_rng([*draw, zlib.crc32(self.ids.tobytes())])
        positions = self._drawn(random)
        shown, fate = self.ids.copy(), random.random(len(positions))
        shown[positions[fate >= KEPT + EXCHANGED]] = self.vocabulary.mask_id
        exchanged = positions[(fate >= KEPT) & (fate < KEPT + EXCHANGED)]
        shown[exchanged] = random.integers(0, self.vocabulary.size, len(exchanged))
        return shown, WordLabels(positions, positions, self.ids[positions])

    def _drawn(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Positions of whole words, as many as come nearest to the share; at least one."""
        words, sizes = np.unique(self.words[self.words != CUT], return_counts=True)
        if not len(words):
            return np.zeros(0, np.int64)
        order = random.permutation(len(words))
        wanted = self.share * sizes.sum()
        count = int(np.abs(np.cumsum(sizes[order]) - wanted).argmin()) + 1
        return np.flatnonzero(np.isin(self.words, words[order[:count]]))


@dataclass(frozen=True)
class Gaps(WordLabels):
    """Pieces of a new text that somebody wants to have filled: those that are the mask."""

    vocabulary: Vocabulary
