"""A task's own layers, one file a head."""

from __future__ import annotations

from collections.abc import Callable

from workbench.model.heads.classification import ClassificationHead
from workbench.model.heads.contrastive import ContrastiveHead
from workbench.model.heads.few_shot import FittedHead, MatchingHead, few_shot_head
from workbench.model.heads.head import Head, WordHead
from workbench.model.heads.masked_lm import MaskedLmHead
from workbench.model.heads.multilabel import MultilabelHead
from workbench.model.heads.regression import RegressionHead
from workbench.model.heads.similarity import SimilarityHead
from workbench.model.heads.tagging import TaggingHead
from workbench.model.heads.text_head import TextHead
from workbench.model.heads.vector_head import VectorHead

HEADS: dict[str, Callable[..., Head]] = {
    "classification": ClassificationHead,
    "few_shot": few_shot_head,
    "tagging": TaggingHead,
    "multilabel": MultilabelHead,
    "regression": RegressionHead,
    "similarity": SimilarityHead,
    "contrastive": ContrastiveHead,
    "masked_lm": MaskedLmHead,
}
"""By task kind."""

__all__ = [
    "HEADS",
    "ClassificationHead",
    "FittedHead",
    "Head",
    "MaskedLmHead",
    "MatchingHead",
    "MultilabelHead",
    "RegressionHead",
    "TaggingHead",
    "TextHead",
    "VectorHead",
    "WordHead",
]
