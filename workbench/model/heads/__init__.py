"""A task's own layers, one file a head."""

from __future__ import annotations

from workbench.model.heads.classification import ClassificationHead
from workbench.model.heads.tagging import TaggingHead

Head = ClassificationHead | TaggingHead

HEADS: dict[str, type[ClassificationHead] | type[TaggingHead]] = {
    "classification": ClassificationHead,
    "tagging": TaggingHead,
}
"""By task kind."""

__all__ = ["HEADS", "ClassificationHead", "Head", "TaggingHead"]
