"""A task's own layers, one file a head."""

from __future__ import annotations

from collections.abc import Callable

from workbench.model.heads.classification import ClassificationHead
from workbench.model.heads.head import Head, WordHead
from workbench.model.heads.tagging import TaggingHead

HEADS: dict[str, Callable[..., Head]] = {
    "classification": ClassificationHead,
    "tagging": TaggingHead,
}
"""By task kind."""

__all__ = ["HEADS", "ClassificationHead", "Head", "TaggingHead", "WordHead"]
