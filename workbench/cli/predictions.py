"""What a task says of a text, in a line; from the values that `predict --json` prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def in_words(value: Mapping[str, Any]) -> str:
    """One task's prediction in a line."""
    return next(words(value) for key, words in WORDS.items() if key in value)


def _entities(value: Mapping[str, Any]) -> str:
    found = ", ".join(f"{entity['text']} ({entity['label']})" for entity in value["entities"])
    return found or _tags(value["words"], value["tags"])


def _tags(words: Sequence[str], tags: Sequence[str]) -> str:
    """The words with their tags, where the tags say something without being those of spans."""
    from workbench.data.schemes import scheme_of_names  # numpy: the other commands start without

    if scheme_of_names(tags) != "plain" or set(tags) <= {"O"}:
        return "nothing found"
    return " ".join(f"{word}/{tag}" for word, tag in zip(words, tags, strict=True))


def _label(value: Mapping[str, Any]) -> str:
    return f"{value['label']}  ({_likeliest(value)})"


def _gaps(value: Mapping[str, Any]) -> str:
    if not value["gaps"]:
        return "no gap to fill"
    return "  ".join(
        ", ".join(f"{found['piece']} {found['probability']:.3f}" for found in gap[:3])
        for gap in value["gaps"]
    )


def _labels(value: Mapping[str, Any]) -> str:
    return f"{', '.join(value['labels']) or 'no label'}  ({_likeliest(value)})"


def _likeliest(value: Mapping[str, Any]) -> str:
    ranked = sorted(value["probabilities"].items(), key=lambda pair: -pair[1])[:3]
    return "  ".join(f"{label} {probability:.3f}" for label, probability in ranked)


WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "entities": _entities,
    "labels": _labels,
    "label": _label,
    "value": lambda value: f"{value['value']:.4g}",
    "gaps": _gaps,
    "similarity": lambda value: f"similarity {value['similarity']:.3f}",
}
"""By the key that a prediction of this kind has: how it is said."""
