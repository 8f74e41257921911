"""One tag per word, from the vectors of the word's pieces."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.data.batching import Targets, WordTargets
from workbench.data.pieces import NO_LABEL
from workbench.data.schemes import transition_rules
from workbench.model.heads.crf import Crf, Transitions, viterbi
from workbench.model.heads.head import WordHead
from workbench.model.heads.sentences import SentenceRnn, to_sentences, to_words
from workbench.model.heads.word_vectors import WORD_VECTORS, width_factor


class TaggingHead(WordHead):
    """Dropout, perhaps a recurrent layer over the words, a linear layer, perhaps a CRF.

    A word that is not annotated teaches a linear head nothing; a CRF sums over its tags.
    """

    def __init__(
        self,
        vector_size: int,
        *,
        labels: Sequence[str],
        dropout: float,
        word_pieces: str = "first",
        rnn: str = "none",
        hidden_size: int = 256,
        layers: int = 1,
        crf: bool = False,
        constrained: bool = False,
    ) -> None:
        super().__init__()
        self.word_pieces = word_pieces
        width = vector_size * width_factor(word_pieces)
        self.dropout = nn.Dropout(dropout)
        self.rnn: SentenceRnn | None = None
        if rnn != "none":
            self.rnn = SentenceRnn(
                width, cell=rnn, hidden_size=hidden_size, layers=layers, dropout=dropout
            )
            width = 2 * hidden_size
        self.linear = nn.Linear(width, len(labels))
        rules = transition_rules(labels) if constrained else None
        self.crf = Crf(len(labels), rules) if crf else None
        self.rules = Transitions(len(labels), rules) if constrained and not crf else None

    def vectors(self, hidden: Tensor, targets: WordTargets) -> Tensor:
        """The vector of each word, `(words, width)`, out of `(batch, seq, hidden)`."""
        return WORD_VECTORS[self.word_pieces](hidden, targets)

    def forward(self, vectors: Tensor, targets: Targets | None = None) -> Tensor:
        """Scores of each tag.

        Args:
            vectors: Vectors of the words, `(words, width)`.
            targets: Tell the sentences; only a recurrent layer needs them.

        Returns:
            `(words, tags)`.
        """
        vectors = self.dropout(vectors)
        if self.rnn is not None:
            assert isinstance(targets, WordTargets)
            vectors = self.dropout(self.rnn(vectors, targets.lengths))
        logits: Tensor = self.linear(vectors)
        return logits

    def loss_sum(self, logits: Tensor, targets: Targets) -> Tensor:
        """Nats summed over the annotated words; in float32 whatever the logits are.

        Args:
            logits: `(words, tags)`.
            targets: Their tags.

        Returns:
            A scalar: cross-entropy, or the negative log-likelihood of whole sentences. Both
            are divided by the number of words afterwards.
        """
        assert isinstance(targets, WordTargets)
        if self.crf is None:
            return functional.cross_entropy(
                logits.float(), targets.labels, ignore_index=NO_LABEL, reduction="sum"
            )
        with torch.autocast(logits.device.type, enabled=False):
            return self.crf.loss_sum(
                to_sentences(logits.float(), targets.lengths),
                to_sentences(targets.labels, targets.lengths, padding=NO_LABEL),
                targets.lengths,
            )

    def decode(self, logits: Tensor, targets: Targets) -> Tensor:
        """The tag of each word, `(words,)`: of a sentence the best sequence that is allowed.

        Args:
            logits: `(words, tags)`.
            targets: Tell the sentences; their labels are not looked at.
        """
        assert isinstance(targets, WordTargets)
        transitions = self.crf or self.rules
        if transitions is None:
            return logits.argmax(dim=-1)
        with torch.autocast(logits.device.type, enabled=False):
            sentences = to_sentences(logits.float(), targets.lengths)
            return to_words(
                viterbi(sentences, targets.lengths, transitions.scores()), targets.lengths
            )
