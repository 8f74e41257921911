"""What the backbone reads, each text or pair once, and the pieces of many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.data.columns import AT_ONCE
from workbench.data.growing import GrowingArrays
from workbench.data.piece_column import PieceColumn, piece_arrays
from workbench.data.text_keys import Keys, text_keys

if TYPE_CHECKING:
    from workbench.data.tokenizing import AnyTokenizer

Input = str | tuple[str, str]
"""What the backbone reads at once: a text, or two as one."""


@dataclass(frozen=True)
class Inputs:
    """Texts, and what they are found again by."""

    texts: Sequence[Input]
    keys: Keys
    """Of each; two texts as one have `pair_key`."""
    is_pair: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of(cls, texts: Sequence[Input]) -> Inputs:
        """Texts whose keys are not known yet."""
        keys = [_key(text) for text in texts]
        is_pair = np.array([not isinstance(text, str) for text in texts], np.bool_)
        return cls(texts, np.frombuffer(b"".join(keys), "V16"), is_pair)


def pair_key(keys: bytes) -> bytes:
    """What two texts that are read as one are found by.

    Args:
        keys: Of both, 32 bytes.
    """
    return text_keys([b"pair" + keys]).tobytes()


def _key(text: Input) -> bytes:
    given = (text,) if isinstance(text, str) else text
    keys = text_keys(one.encode("utf-8", "surrogatepass") for one in given).tobytes()
    return keys if isinstance(text, str) else pair_key(keys)


def tokenized(tokenizer: AnyTokenizer, inputs: Inputs) -> PieceColumn:
    """The pieces of texts, in memory."""
    groups = singles_and_pairs(inputs, np.arange(len(inputs)))
    parts = []
    for group in groups:
        arrays = GrowingArrays()
        add_pieces(tokenizer, inputs, group, arrays)
        parts.append(PieceColumn.of(arrays.close()))
    return PieceColumn.joined(parts, np.argsort(np.concatenate([*groups, np.arange(0)])))


def singles_and_pairs(inputs: Inputs, numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Some of the texts in one group or two: their arrays are not alike."""
    is_pair = inputs.is_pair[numbers]
    return [group for group in (numbers[~is_pair], numbers[is_pair]) if len(group)]


def add_pieces(
    tokenizer: AnyTokenizer, inputs: Inputs, numbers: NDArray[np.int64], arrays: GrowingArrays
) -> None:
    """Tokenise some of the texts, a few thousand at a time.

    Args:
        tokenizer: What makes pieces.
        inputs: Has the texts.
        numbers: Of those that are tokenised, all single ones or all pairs.
        arrays: Where the pieces go.

    Raises:
        OSError: The arrays are on a disk that cannot be written.
    """
    for begin in range(0, len(numbers), AT_ONCE):
        texts = [inputs.texts[number] for number in numbers[begin : begin + AT_ONCE].tolist()]
        pieces = tokenizer.pieces(texts)
        arrays.add(piece_arrays(pieces, highest_id=tokenizer.highest_id))
