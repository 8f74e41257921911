"""Words as flat rows, `(words, …)`, and as padded sentences, `(sentences, words, …)`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from workbench.model.recurrence import fit_for_gradients


def to_sentences(words: Tensor, lengths: Sequence[int], padding: float = 0.0) -> Tensor:
    """Flat rows as sentences, padded on the right."""
    parts = list(torch.split(words, list(lengths)))
    return pad_sequence(parts, batch_first=True, padding_value=padding)


def to_words(sentences: Tensor, lengths: Sequence[int]) -> Tensor:
    """The inverse of `to_sentences`."""
    return torch.cat([row[:length] for row, length in zip(sentences, lengths, strict=True)])


class SentenceRnn(nn.Module):
    """An LSTM or GRU that reads the words of a sentence in both directions.

    In float32 inside autocast too: it is small beside the backbone, and half precision adds up
    its rounding word by word.
    """

    CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}  # noqa: RUF012  # read only

    def __init__(
        self, width: int, *, cell: str, hidden_size: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.cells = self.CELLS[cell](
            width,
            hidden_size,
            num_layers=layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if layers > 1 else 0.0,
        )

    def forward(self, words: Tensor, lengths: Sequence[int]) -> Tensor:
        """What the words are in their sentence.

        Args:
            words: `(words, width)`.
            lengths: Words of each sentence.

        Returns:
            `(words, 2 * hidden size)`.
        """
        with torch.autocast(words.device.type, enabled=False):
            padded = to_sentences(words.float(), lengths)
            packed = pack_padded_sequence(
                padded, torch.tensor(lengths), batch_first=True, enforce_sorted=False
            )
            with fit_for_gradients(self.cells):
                found = self.cells(packed)[0]
            read, _ = pad_packed_sequence(found, batch_first=True)
            return to_words(read, lengths)
