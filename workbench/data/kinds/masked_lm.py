"""Texts without labels: what stands in a gap."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.config.tasks import DataConfig, MaskedLmData, MaskedLmTask
from workbench.data.kinds.kind import DataKind, text_of
from workbench.data.label_packing import FigurePacker
from workbench.data.labelled import Labelled
from workbench.data.labels import LabelSpace
from workbench.data.masking import Gaps, MaskedText
from workbench.data.pieces import CUT, Pieces
from workbench.data.reading import Row, column
from workbench.errors import ConfigError

if TYPE_CHECKING:
    from workbench.data.tokenizing import AnyTokenizer


class MaskedLmKind(DataKind[MaskedLmTask, float, MaskedText]):
    """The text is its own label, and what is parsed is the share of it to hide.

    It is read apart from the same text of other tasks.
    """

    def reading_settings(self, data: DataConfig) -> tuple[Hashable, ...]:
        """A `.txt` file is lines to this kind and words with tags to others, and lines are put
        under the name of the text.
        """
        assert isinstance(data, MaskedLmData)
        return "masked_lm", data.text

    def parse(self, name: str, task: MaskedLmTask, row: Row) -> Labelled[float] | None:
        """Any text; rows without one are passed over."""
        if row.values.get(task.data.text) in (None, ""):
            if task.data.text not in row.values:
                column(row, task.data.text, "text")  # says which columns there are
            return None
        text = text_of(name, row.values[task.data.text], row)
        return Labelled(row, (text,), task.masked_share, alone=True)

    def packer(self) -> FigurePacker:
        """Of shares."""
        return FigurePacker()

    def parsing_settings(self, task: MaskedLmTask) -> tuple[Hashable, ...]:
        """The share is what is parsed."""
        return (task.masked_share,)

    def label_space(self, name: str, task: MaskedLmTask, labels: Sequence[float]) -> LabelSpace:
        """The vocabulary is the backbone's; there is nothing to name."""
        return LabelSpace(name, (), "masked_lm")

    def number(self, space: LabelSpace, label: float, pieces: Pieces, place: str) -> MaskedText:
        """Which pieces belong to which word."""
        return MaskedText(pieces.ids, _words(pieces), label)

    def unlabelled(self, texts: tuple[str, ...], labels: int, pieces: Pieces) -> MaskedText:
        """Nothing is hidden of a new text: its own gaps are filled."""
        return MaskedText(pieces.ids, _words(pieces), 0.0)

    def finish(self, encoded: Any, pieces: Pieces, tokenizer: AnyTokenizer, *, new: bool) -> Any:
        """The tokenizer's mask; of a new text the gaps.

        Raises:
            ConfigError: The backbone knows no mask.
        """
        vocabulary = tokenizer.vocabulary
        if vocabulary is None:
            raise ConfigError(
                "The backbone's tokenizer has no mask, so nothing can be hidden from it.",
                where="[tasks.…] kind",
                next_step='leave the task of kind "masked_lm" out, or take a backbone such as BERT '
                "or RoBERTa (minilm is one)",
            )
        if not new:
            return replace(encoded, vocabulary=vocabulary)
        gaps = np.flatnonzero(pieces.ids == vocabulary.mask_id)
        return Gaps(gaps, gaps, np.zeros_like(gaps), vocabulary)


def _words(pieces: Pieces) -> np.ndarray:
    """Number of the word of each piece; pieces that begin where one ends are of one word."""
    begins, ends = pieces.offsets[:, 0], pieces.offsets[:, 1]
    words = np.full(len(pieces.ids), CUT, np.int64)
    real = np.flatnonzero(ends > begins)
    if not len(real):
        return words
    follows = np.zeros(len(real), np.bool_)
    follows[1:] = begins[real[1:]] == ends[real[:-1]]
    words[real] = np.cumsum(~follows) - 1
    return words
