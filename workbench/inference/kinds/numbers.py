"""A number for a text, or for how alike two are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.kinds import TextKeys
from workbench.data.labels import LabelSpace
from workbench.inference.kinds.kind import AnswerKind


@dataclass(frozen=True)
class Value:
    """A number in the labels' unit."""

    value: float

    def plain(self) -> dict[str, Any]:
        """The number."""
        return {"value": self.value}


@dataclass(frozen=True)
class Similarity:
    """How near the vectors of two texts are."""

    cosine: float

    def plain(self) -> dict[str, Any]:
        """The cosine."""
        return {"similarity": self.cosine}


class RegressionAnswers(AnswerKind[float]):
    """Numbers are compared."""

    def compared(
        self, space: LabelSpace, label: float, decoded: NDArray[Any]
    ) -> tuple[float, float]:
        """The right number and the predicted one."""
        return label, float(decoded[0])

    def answer(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        encoded: float,
        scores: NDArray[Any],
        decoded: NDArray[Any],
    ) -> Value:
        """The number."""
        return Value(float(decoded[0]))


class SimilarityAnswers(AnswerKind[float]):
    """The score is compared with the cosine."""

    def compared(
        self, space: LabelSpace, label: float, decoded: NDArray[Any]
    ) -> tuple[float, float]:
        """The score and the cosine."""
        return label, float(decoded[0])

    def answer(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        encoded: float,
        scores: NDArray[Any],
        decoded: NDArray[Any],
    ) -> Similarity:
        """The cosine."""
        return Similarity(float(decoded[0]))


class ContrastiveAnswers(AnswerKind[TextKeys]):
    """Vectors are compared, of one text with those of others."""

    def compared(
        self, space: LabelSpace, label: TextKeys, decoded: NDArray[Any]
    ) -> tuple[tuple[int, ...], NDArray[np.float32]]:
        """The keys of the texts that belong together and their vectors, `(2, width)`."""
        return label.keys[:2], decoded[0][:2]

    def answer(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        encoded: TextKeys,
        scores: NDArray[Any],
        decoded: NDArray[Any],
    ) -> Similarity:
        """The cosine of the two texts."""
        first, second = decoded[0][:2]
        return Similarity(float(first @ second))
