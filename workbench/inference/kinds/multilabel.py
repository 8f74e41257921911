"""Any number of labels for a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.kinds import LabelFlags
from workbench.data.labels import LabelSpace
from workbench.inference.kinds.kind import AnswerKind


@dataclass(frozen=True)
class GivenLabels:
    """The labels of one text."""

    given: tuple[str, ...]
    """Those whose probability reaches the threshold, the likeliest first."""
    logits: tuple[float, ...]
    """In the order of the task's labels."""
    probabilities: tuple[float, ...]
    labels: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """The labels that are given, and numbers by label."""
        return {
            "labels": list(self.given),
            "probabilities": dict(zip(self.labels, self.probabilities, strict=True)),
            "logits": dict(zip(self.labels, self.logits, strict=True)),
        }


class MultilabelAnswers(AnswerKind[LabelFlags]):
    """Flags are compared with probabilities and with what the thresholds make of them."""

    def compared(
        self, space: LabelSpace, label: LabelFlags, decoded: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flags `(labels,)`; probabilities and what is given `(2, labels)`."""
        return label.flags, decoded[0]

    def answer(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        encoded: LabelFlags,
        scores: NDArray[Any],
        decoded: NDArray[Any],
    ) -> GivenLabels:
        """The labels that are given, with the numbers of all."""
        probabilities, given = decoded[0]
        order = [number for number in np.argsort(-probabilities, kind="stable") if given[number]]
        return GivenLabels(
            given=tuple(labels[number] for number in order),
            logits=tuple(scores[0].tolist()),
            probabilities=tuple(probabilities.tolist()),
            labels=tuple(labels),
        )
