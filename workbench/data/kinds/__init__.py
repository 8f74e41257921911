"""The kinds of task, each in a file: what it makes of rows and labels."""

from __future__ import annotations

from workbench.data.kinds.classification import ClassificationKind
from workbench.data.kinds.contrastive import ContrastiveKind, TextKeys
from workbench.data.kinds.few_shot import FewShotKind
from workbench.data.kinds.kind import AnyKind, DataKind
from workbench.data.kinds.masked_lm import MaskedLmKind
from workbench.data.kinds.multilabel import LabelFlags, LabelSet, MultilabelKind
from workbench.data.kinds.regression import RegressionKind
from workbench.data.kinds.similarity import SimilarityKind
from workbench.data.kinds.tagging import TaggingKind
from workbench.data.masking import MaskedText
from workbench.data.pieces import WordLabels
from workbench.data.words import Words

Label = str | Words | LabelSet | float | TextKeys
"""Of one example, as a person gave it."""

EncodedLabel = int | WordLabels | LabelFlags | float | TextKeys | MaskedText
"""Of one example, in numbers."""

KINDS: dict[str, AnyKind] = {
    "classification": ClassificationKind(),
    "few_shot": FewShotKind(),
    "tagging": TaggingKind(),
    "multilabel": MultilabelKind(),
    "regression": RegressionKind(),
    "similarity": SimilarityKind(),
    "contrastive": ContrastiveKind(),
    "masked_lm": MaskedLmKind(),
}
"""By name, as in the config."""

__all__ = [
    "KINDS",
    "AnyKind",
    "DataKind",
    "EncodedLabel",
    "Label",
    "LabelFlags",
    "LabelSet",
    "TextKeys",
]
