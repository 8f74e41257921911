"""What each kind of task says of a text or a pair."""

from __future__ import annotations

from typing import Any

from workbench.inference.kinds.classification import ClassificationAnswers, TextScores
from workbench.inference.kinds.kind import Answer, AnswerKind
from workbench.inference.kinds.masked_lm import Fillings, MaskedLmAnswers
from workbench.inference.kinds.multilabel import GivenLabels, MultilabelAnswers
from workbench.inference.kinds.numbers import (
    ContrastiveAnswers,
    RegressionAnswers,
    Similarity,
    SimilarityAnswers,
    Value,
)
from workbench.inference.kinds.tagging import Entity, TaggingAnswers, WordTags

ANSWERS: dict[str, AnswerKind[Any]] = {
    "classification": ClassificationAnswers(),
    "few_shot": ClassificationAnswers(),
    "tagging": TaggingAnswers(),
    "multilabel": MultilabelAnswers(),
    "regression": RegressionAnswers(),
    "similarity": SimilarityAnswers(),
    "contrastive": ContrastiveAnswers(),
    "masked_lm": MaskedLmAnswers(),
}
"""By task kind."""

__all__ = [
    "ANSWERS",
    "Answer",
    "AnswerKind",
    "Entity",
    "Fillings",
    "GivenLabels",
    "Similarity",
    "TextScores",
    "Value",
    "WordTags",
]
