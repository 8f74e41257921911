"""One vector per word out of the vectors of its pieces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from workbench.data.batching import WordTargets


def first_vectors(hidden: Tensor, targets: WordTargets) -> Tensor:
    """The first piece's vector.

    Args:
        hidden: Last layer of the backbone, `(batch, seq, hidden)`.
        targets: Where the words are.

    Returns:
        `(words, hidden)`.

    Source: Devlin et al. 2019, BERT, section 5.3.
    """
    return hidden[targets.rows, targets.positions]


def last_vectors(hidden: Tensor, targets: WordTargets) -> Tensor:
    """The last piece's vector: that of the word's ending. As `first_vectors`."""
    return hidden[targets.rows, targets.lasts]


def mean_vectors(hidden: Tensor, targets: WordTargets) -> Tensor:
    """The average over the word's pieces. As `first_vectors`."""
    counts = targets.lasts - targets.positions + 1  # (words,)
    words = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)  # (pieces,)
    begins = counts.cumsum(0) - counts
    places = torch.arange(len(words), device=counts.device) - begins[words]
    pieces = hidden[targets.rows[words], targets.positions[words] + places]  # (pieces, hidden)
    sums = pieces.new_zeros(len(counts), hidden.shape[-1]).index_add(0, words, pieces)
    return sums / counts.unsqueeze(1).to(sums.dtype)


def first_and_last_vectors(hidden: Tensor, targets: WordTargets) -> Tensor:
    """The first and the last piece's vectors side by side, `(words, 2 * hidden)`."""
    return torch.cat([first_vectors(hidden, targets), last_vectors(hidden, targets)], dim=1)


WORD_VECTORS: dict[str, Callable[[Tensor, WordTargets], Tensor]] = {
    "first": first_vectors,
    "last": last_vectors,
    "mean": mean_vectors,
    "first+last": first_and_last_vectors,
}
"""By name, as in the config."""


def width_factor(word_pieces: str) -> int:
    """How many times as wide as the backbone a word's vector is."""
    return 2 if word_pieces == "first+last" else 1
