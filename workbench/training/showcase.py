"""The texts of `[showcase]`: their vectors and predictions, as the last thing a run says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.events import ShowcaseComputed
from workbench.inference.kinds import TextScores, WordTags
from workbench.inference.predictor import Predictor
from workbench.model.arithmetic import Arithmetic
from workbench.model.folder import load_model_folder


def compute_showcase(
    model_folder: Path, texts: Sequence[str], arithmetic: Arithmetic
) -> ShowcaseComputed:
    """Encode and predict the texts with a checkpoint.

    Args:
        model_folder: Of the checkpoint.
        texts: At least one.
        arithmetic: Where to compute.
    """
    predictor = Predictor(load_model_folder(model_folder), arithmetic)
    vectors = predictor.encode(texts)
    predictions = predictor.predict(texts)
    heads = predictor.description.heads
    logits: dict[str, tuple[tuple[float, ...], ...]] = {}
    answers: dict[str, tuple[Mapping[str, Any], ...]] = {}
    entities: dict[str, tuple[tuple[tuple[str, str], ...], ...]] = {}
    for task in heads:
        found = [one.tasks[task] for one in predictions if task in one.tasks]
        if not found:  # it reads pairs
            continue
        if scores := [answer.logits for answer in found if isinstance(answer, TextScores)]:
            logits[task] = tuple(scores)
        elif tags := [answer.entities for answer in found if isinstance(answer, WordTags)]:
            entities[task] = tuple(
                tuple((entity.text, entity.label) for entity in one) for one in tags
            )
        else:
            answers[task] = tuple(answer.plain() for answer in found)
    return ShowcaseComputed(
        texts=tuple(texts),
        vectors=tuple(tuple(vector) for vector in vectors.tolist()),
        labels={task: heads[task].labels for task in logits},
        logits=logits,
        entities=entities,
        answers=answers,
    )
