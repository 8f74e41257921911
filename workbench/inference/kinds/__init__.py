"""What each kind of task says, one file a kind."""

from __future__ import annotations

from typing import Any

from workbench.inference.kinds.classification import ClassificationAnswers, TextScores
from workbench.inference.kinds.kind import Answer, AnswerKind
from workbench.inference.kinds.tagging import Entity, TaggingAnswers, WordTags

ANSWERS: dict[str, AnswerKind[Any]] = {
    "classification": ClassificationAnswers(),
    "tagging": TaggingAnswers(),
}
"""By task kind."""

__all__ = ["ANSWERS", "Answer", "AnswerKind", "Entity", "TextScores", "WordTags"]
