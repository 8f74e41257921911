"""The kinds of task, each in a file: what it makes of rows and labels."""

from __future__ import annotations

from workbench.data.kinds.classification import ClassificationKind
from workbench.data.kinds.kind import AnyKind, DataKind, Labelled
from workbench.data.kinds.tagging import TaggingKind
from workbench.data.pieces import WordLabels
from workbench.data.words import Words

Label = str | Words
"""Of one example, as a person gave it."""

EncodedLabel = int | WordLabels
"""Of one example, in numbers."""

KINDS: dict[str, AnyKind] = {
    "classification": ClassificationKind(),
    "tagging": TaggingKind(),
}
"""By name, as in the config."""

__all__ = ["KINDS", "AnyKind", "DataKind", "EncodedLabel", "Label", "Labelled"]
