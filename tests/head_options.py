"""The settings that heads have, each kind of head with each of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.model.heads.word_vectors import WORD_VECTORS

TAGGING: list[dict[str, Any]] = [
    *({"word_pieces": pieces} for pieces in WORD_VECTORS),
    {"crf": True},
    {"constrained": True},
    {"crf": True, "constrained": True},
    {"crf": True, "constrained": True, "scheme": "bioes"},
    {"constrained": True, "scheme": "bioes"},
    {"rnn": "lstm", "hidden_size": 8},
    {"rnn": "gru", "hidden_size": 8, "layers": 2},
    {"rnn": "lstm", "hidden_size": 8, "crf": True, "word_pieces": "first+last"},
]
CLASSIFICATION: list[dict[str, Any]] = [
    {"hidden_size": 8},
    {"label_smoothing": 0.1},
    {"class_weights": "balanced"},
    {"label_weights": {"good": 3.0}},
    {"focal_gamma": 2.0},
    {"hidden_size": 8, "class_weights": "balanced", "focal_gamma": 2.0, "label_smoothing": 0.1},
]
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("classification", {"data": {"text_b": "other"}, "pair": "joint"}),
    ("classification", {"data": {"text_b": "other"}, "pair": "two", "hidden_size": 8}),
    ("multilabel", {"positive_weights": "root", "hidden_size": 8}),
    ("regression", {"huber_delta": 1.0}),
    ("similarity", {"loss": "cosent", "hidden_size": 8}),
    ("contrastive", {"symmetric": True, "hidden_size": 8, "data": {"negatives": ["wrong"]}}),
]
OPTIONS = [("tagging", options) for options in TAGGING]
OPTIONS += [("classification", options) for options in CLASSIFICATION]
OPTIONS += OTHERS


def name_of(value: object) -> str | None:
    if isinstance(value, dict):
        return ",".join(f"{key}={value[key]}" for key in value)
    return None


def close(one: object, other: object) -> bool:
    """Equal labels, tags and spans; numbers up to rounding."""
    if isinstance(one, dict):
        return isinstance(other, dict) and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and all(map(close, one, other))
    if isinstance(one, float | np.ndarray):
        return np.allclose(one, other, atol=1e-5)  # type: ignore[arg-type]  # of the same type
    return one == other
