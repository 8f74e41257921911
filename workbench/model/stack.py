"""A backbone without a transformer: embeddings of words side by side, then perhaps an RNN.

Each word gets a vector from a table that is learned, from a file of word vectors, from its
characters by an LSTM or a CNN, or from several of them. An LSTM or GRU over the words of the text,
which all tasks share, makes them know each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from workbench.data.word_tokenizing import FIRST, PADDING, UNKNOWN
from workbench.errors import CheckpointError
from workbench.model.backbone import Backbone
from workbench.model.recurrence import fit_for_gradients

FILE = "stack.json"


@dataclass(frozen=True)
class StackSettings:
    """What a stack is built from, as plain values; a checkpoint keeps it."""

    embeddings: tuple[str, ...]
    """Names in `EMBEDDINGS`; their vectors stand side by side."""
    known: int = 0
    """Words with a number; the first of them are those of the table that is learned."""
    words: int = 0
    """Words with a row in that table."""
    word_size: int = 100
    vectors: int = 0
    """Words with a vector from a file."""
    vector_size: int = 0
    vectors_trained: bool = False
    characters: int = 0
    """Different characters."""
    character_size: int = 25
    character_vector: int = 50
    """Length of the vector that a word has from its characters."""
    character_width: int = 3
    """How many neighbouring characters the CNN sees at once."""
    rnn: str = "none"
    rnn_size: int = 256
    """In each direction."""
    rnn_layers: int = 1
    bidirectional: bool = True
    dropout: float = 0.3


class WordTable(nn.Module):
    """A vector for each frequent word of the training texts, learned from scratch."""

    def __init__(self, settings: StackSettings) -> None:
        super().__init__()
        self.width = settings.word_size
        self.table = nn.Embedding(settings.words + FIRST, self.width, padding_idx=PADDING)

    def forward(self, words: Tensor, characters: Tensor) -> Tensor:
        """Vectors of words, `(words, width)`; one that is known from elsewhere is unknown here."""
        known = words < self.table.num_embeddings
        vectors: Tensor = self.table(torch.where(known, words, UNKNOWN))
        return vectors


class WordVectors(nn.Module):
    """A vector for each word that a file has one for; zeros for the others.

    Source: Mikolov et al. 2013; Pennington et al. 2014; Bojanowski et al. 2017.
    """

    rows: Tensor

    def __init__(self, settings: StackSettings) -> None:
        super().__init__()
        self.width = settings.vector_size
        table = torch.zeros(settings.vectors + 1, self.width)  # the last row is of unknown words
        # What does not move is no parameter, so that nothing can thaw it.
        if settings.vectors_trained:
            self.table = nn.Parameter(table)
        else:
            self.register_buffer("table", table)
        self.register_buffer("rows", torch.full((settings.known + FIRST,), settings.vectors))

    def forward(self, words: Tensor, characters: Tensor) -> Tensor:
        """Vectors of words, `(words, width)`."""
        return nn.functional.embedding(self.rows[words], self.table)


class CharacterLstm(nn.Module):
    """A word's vector from its characters, read in both directions.

    Source: Lample et al. 2016, Neural architectures for named entity recognition, section 4.1.
    """

    def __init__(self, settings: StackSettings) -> None:
        super().__init__()
        half = settings.character_vector // 2
        self.width = 2 * half
        self.table = nn.Embedding(
            settings.characters + FIRST, settings.character_size, padding_idx=PADDING
        )
        self.cells = nn.LSTM(settings.character_size, half, batch_first=True, bidirectional=True)

    def forward(self, words: Tensor, characters: Tensor) -> Tensor:
        """Vectors of words, `(words, width)`, out of characters `(words, characters)`."""
        lengths = (characters != PADDING).sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(
            self.table(characters), lengths, batch_first=True, enforce_sorted=False
        )
        with fit_for_gradients(self.cells):
            _, (last, _) = self.cells(packed)  # (directions, words, half)
        return torch.cat([last[0], last[1]], dim=1)


class CharacterCnn(nn.Module):
    """A word's vector from its characters: the largest answer of each filter.

    Source: Ma and Hovy 2016, End-to-end sequence labeling via BLSTM-CNNs-CRF, section 2.1.
    """

    def __init__(self, settings: StackSettings) -> None:
        super().__init__()
        self.width = settings.character_vector
        self.table = nn.Embedding(
            settings.characters + FIRST, settings.character_size, padding_idx=PADDING
        )
        self.filters = nn.Conv1d(
            settings.character_size, self.width, settings.character_width, padding="same"
        )

    def forward(self, words: Tensor, characters: Tensor) -> Tensor:
        """Vectors of words, `(words, width)`, out of characters `(words, characters)`."""
        answers = self.filters(self.table(characters).transpose(1, 2))  # (words, width, characters)
        absent = (characters == PADDING).unsqueeze(1)
        absent = absent & ~absent.all(dim=2, keepdim=True)  # a word without characters keeps some
        lowest = torch.finfo(answers.dtype).min
        return torch.relu(answers.masked_fill(absent, lowest).amax(dim=2))


WordEmbedding = WordTable | WordVectors | CharacterLstm | CharacterCnn

EMBEDDINGS: dict[str, Callable[[StackSettings], WordEmbedding]] = {
    "words": WordTable,
    "word_vectors": WordVectors,
    "char_lstm": CharacterLstm,
    "char_cnn": CharacterCnn,
}
"""By name, as in the config."""

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class WordStack(nn.Module):
    """Embeddings side by side, then the layers of an RNN over the words of a text."""

    def __init__(self, settings: StackSettings) -> None:
        super().__init__()
        self.settings = settings
        embeddings = {name: EMBEDDINGS[name](settings) for name in settings.embeddings}
        self.embeddings = nn.ModuleDict(embeddings)
        self.embedding_size = sum(one.width for one in embeddings.values())
        self.dropout = nn.Dropout(settings.dropout)
        width = self.embedding_size
        # One module a layer: freezing and rates speak of layers.
        self.layers = nn.ModuleList()
        for _ in range(settings.rnn_layers if settings.rnn != "none" else 0):
            self.layers.append(
                CELLS[settings.rnn](
                    width,
                    settings.rnn_size,
                    batch_first=True,
                    bidirectional=settings.bidirectional,
                )
            )
            width = settings.rnn_size * (2 if settings.bidirectional else 1)
        self.width = width

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Read a batch.

        Args:
            ids: Words and their characters, `(batch, seq, 1 + characters)`.
            mask: 1 for a word, 0 for padding, which is on the right, `(batch, seq)`.

        Returns:
            `(batch, seq, width)`; zeros for padding.
        """
        real = mask.bool()
        # In float32 inside autocast, too: half precision adds up its rounding word by word.
        with torch.autocast(ids.device.type, enabled=False):
            pieces = ids[real]  # (words of all texts, 1 + characters)
            vectors = torch.cat(
                [embed(pieces[:, 0], pieces[:, 1:]) for embed in self.embeddings.values()], dim=1
            )
            hidden = vectors.new_zeros(*mask.shape, self.embedding_size)
            hidden[real] = self.dropout(vectors)
            lengths = mask.sum(dim=1).cpu()
            for layer in self.layers:
                packed = pack_padded_sequence(
                    hidden, lengths, batch_first=True, enforce_sorted=False
                )
                assert isinstance(layer, nn.RNNBase)
                with fit_for_gradients(layer):
                    read = layer(packed)[0]
                hidden, _ = pad_packed_sequence(read, batch_first=True, total_length=mask.shape[1])
                hidden = self.dropout(hidden)
        return hidden


class StackBackbone(Backbone):
    """A backbone whose pieces are words."""

    encoder: WordStack

    @property
    def settings(self) -> StackSettings:
        """What it is built from."""
        return self.encoder.settings

    @property
    def hidden_size(self) -> int:
        """Length of each word's vector."""
        return self.encoder.width

    @property
    def attention_heads(self) -> int:
        """None."""
        return 0

    @property
    def depth(self) -> int:
        """Layers of the RNN."""
        return len(self.encoder.layers)

    @property
    def reads_left_to_right(self) -> bool:
        """Whether a word's vector knows nothing of the words after it, but something of others."""
        return self.depth > 0 and not self.settings.bidirectional

    def layers(
        self, ids: Tensor, mask: Tensor, segments: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Its layers differ in size, so nobody can mix them."""
        return (self(ids, mask),)

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor | None = None) -> Tensor:
        """Vectors of words, `(batch, seq, hidden)`, out of `(batch, seq, 1 + characters)`."""
        hidden: Tensor = self.encoder(ids, mask)
        return hidden

    def save(self, folder: Path) -> None:
        """Write `stack.json`."""
        content = json.dumps(asdict(self.settings), indent=2)
        (folder / FILE).write_text(content, encoding="utf-8")

    @classmethod
    def empty(cls, folder: Path) -> StackBackbone:
        """The same stack without its weights, which the caller loads.

        Raises:
            CheckpointError: `stack.json` is absent or damaged.
        """
        try:
            content = json.loads((folder / FILE).read_text(encoding="utf-8"))
            content["embeddings"] = tuple(content["embeddings"])
            return cls(WordStack(StackSettings(**content)))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CheckpointError(
                f"The backbone's files cannot be read: {error}.",
                where=str(folder / FILE),
                next_step="take another checkpoint; this one is damaged",
            ) from error
