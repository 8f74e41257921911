"""What fills the gaps of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.labels import LabelSpace
from workbench.data.masking import Gaps, MaskedText
from workbench.inference.kinds.kind import AnswerKind

BEST = 5
"""Pieces that are named for each gap."""


@dataclass(frozen=True)
class Fillings:
    """The likeliest pieces of each gap; none for a text without one."""

    gaps: tuple[tuple[tuple[str, float], ...], ...]
    """For each gap pairs of a piece and its probability, likeliest first."""

    def plain(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {
            "gaps": [
                [{"piece": piece, "probability": probability} for piece, probability in gap]
                for gap in self.gaps
            ]
        }


class MaskedLmAnswers(AnswerKind[MaskedText | Gaps]):
    """Numbers of pieces are compared."""

    def rows_of(self, label: MaskedText | Gaps) -> int:
        """A row for each piece that is hidden when nothing is drawn from, or that is a gap."""
        return len(label.positions) if isinstance(label, Gaps) else len(label.hidden_on_dev)

    def compared(
        self, space: LabelSpace, label: MaskedText | Gaps, decoded: NDArray[Any]
    ) -> tuple[list[int], list[int]]:
        """The pieces that were hidden, and what was said."""
        expected = [] if isinstance(label, Gaps) else label.hidden_on_dev.tolist()
        return expected, decoded.tolist()

    def answer(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        encoded: MaskedText | Gaps,
        scores: NDArray[Any],
        decoded: NDArray[Any],
    ) -> Fillings:
        """The likeliest pieces of each gap."""
        assert isinstance(encoded, Gaps)
        gaps = []
        for row in scores if len(encoded.positions) else ():
            powers = np.exp(row - row.max())
            best = np.argsort(-powers, kind="stable")[:BEST]
            gaps.append(
                tuple(
                    (encoded.vocabulary.name_of(int(at)), float(powers[at] / powers.sum()))
                    for at in best
                )
            )
        return Fillings(tuple(gaps))
