"""One label out of several for a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.labels import LabelSpace
from workbench.inference.kinds.kind import AnswerKind


@dataclass(frozen=True)
class TextScores:
    """Scores of the classes of one text."""

    label: str
    """The likeliest class."""
    logits: tuple[float, ...]
    """In the order of the task's labels."""
    probabilities: tuple[float, ...]
    labels: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """The label, and numbers by label."""
        return {
            "label": self.label,
            "probabilities": dict(zip(self.labels, self.probabilities, strict=True)),
            "logits": dict(zip(self.labels, self.logits, strict=True)),
        }


class ClassificationAnswers(AnswerKind[int]):
    """Names of classes are compared."""

    def compared(self, space: LabelSpace, label: int, decoded: NDArray[Any]) -> tuple[str, str]:
        """The name of the right class and of the likeliest."""
        return space.names[label], space.names[int(decoded[0])]

    def answer(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        encoded: int,
        scores: NDArray[Any],
        decoded: NDArray[Any],
    ) -> TextScores:
        """The likeliest class with the scores of all."""
        powers = np.exp(scores[0] - scores[0].max())
        return TextScores(
            label=labels[int(decoded[0])],
            logits=tuple(scores[0].tolist()),
            probabilities=tuple((powers / powers.sum()).tolist()),
            labels=tuple(labels),
        )
