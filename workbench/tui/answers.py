"""What a task says of a text, as lines for the screen: bars, entities in place, numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

from workbench.tui import figures
from workbench.tui.visible import visible

_BAR_CELLS = 20
_MOST_CLASSES = 6
_ENTITY_COLOURS = ("$text-primary", "$text-success", "$text-warning", "$text-accent",
                   "$text-secondary", "$text-error")  # fmt: skip


def answer_lines(task: str, answer: Mapping[str, Any], text: str) -> list[Content]:
    """What one task says of one text.

    Understood are classes with probabilities, labels that each have one, entities, tags of words
    and single numbers; anything else is shown as it came.
    """
    name = Content.styled(visible(task), "bold")
    if isinstance(answer.get("probabilities"), Mapping):
        return [name, *_bars(answer["probabilities"], _chosen(answer))]
    if isinstance(answer.get("entities"), Sequence) and answer["entities"]:
        return [name, highlighted(text, answer["entities"])]
    if "tags" in answer and "words" in answer:
        tags = [tag for tag in answer["tags"] if tag != "O"]
        if not tags:
            return [name, Content.styled("  nothing found", "$foreground 65%")]
        pairs = zip(answer["words"], answer["tags"], strict=True)
        return [name, Content("  ") + Content(" ").join(
            Content.assemble(visible(word), (f"/{visible(tag)}", "$foreground 65%"))
            for word, tag in pairs
        )]  # fmt: skip
    for key in ("value", "similarity"):
        if isinstance(answer.get(key), int | float):
            return [name, Content.assemble("  ", (figures.metric(float(answer[key])), "bold"))]
    told = json.dumps(answer, ensure_ascii=False)
    return [name, Content(f"  {visible(told)}")]


def _chosen(answer: Mapping[str, Any]) -> frozenset[str]:
    labels = answer.get("labels", answer.get("label"))
    return frozenset([labels] if isinstance(labels, str) else labels or ())


def _bars(probabilities: Mapping[str, float], chosen: frozenset[str]) -> list[Content]:
    """The likeliest classes with a bar each; of many the rest is counted."""
    order = sorted(probabilities.items(), key=lambda pair: -pair[1])
    width = max((len(visible(label)) for label, _ in order[:_MOST_CLASSES]), default=0)
    lines = []
    for label, value in order[:_MOST_CLASSES]:
        full = round(value * _BAR_CELLS)
        look = "bold $text-success" if label in chosen else ""
        lines.append(
            Content.assemble(
                ("  ▸ " if label in chosen else "    ", "$text-success"),
                (f"{visible(label):<{width}} ", look),
                ("█" * full, "$text-primary"),
                ("░" * (_BAR_CELLS - full), "$foreground 30%"),
                (f" {value:.3f}", look or "$foreground 65%"),
            )
        )
    if len(order) > _MOST_CLASSES:
        lines.append(
            Content.styled(f"    and {len(order) - _MOST_CLASSES} more", "$foreground 65%")
        )
    return lines


def highlighted(text: str, entities: Sequence[Mapping[str, Any]]) -> Content:
    """The text with each entity set off and its type behind it, so that no colour is needed."""
    types = list(dict.fromkeys(str(entity["label"]) for entity in entities))
    parts: list[Content | tuple[str, str]] = [("  ", "")]
    at = 0
    for entity in sorted(entities, key=lambda one: int(one["start"])):
        start, end = int(entity["start"]), int(entity["end"])
        if start < at:
            continue
        colour = _ENTITY_COLOURS[types.index(str(entity["label"])) % len(_ENTITY_COLOURS)]
        parts += [
            (visible(text[at:start]), ""),
            (f"[{visible(text[start:end])}]", f"bold reverse {colour}"),
            (f"{visible(str(entity['label']))}", colour),
        ]
        at = end
    parts.append((visible(text[at:]), ""))
    return Content.assemble(*parts)


def marked_words(words: Sequence[str], tags: Sequence[str], others: Sequence[str]) -> Content:
    """Words with their tags where they are not `O`, those that differ from others set off."""
    parts: list[Content | tuple[str, str]] = []
    for word, tag, other in zip(words, tags, others, strict=False):
        shown = visible(word) if tag == "O" and tag == other else f"{visible(word)}/{visible(tag)}"
        look = "bold $text-error" if tag != other else ("bold" if tag != "O" else "")
        parts += [(shown, look), (" ", "")]
    return Content.assemble(*parts)
