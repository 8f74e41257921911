"""What a run said of its checkpoints when it saved them."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.events import CheckpointSaved, RunResumed
from workbench.store.records import MessageRecord


def saves_of(messages: Iterable[MessageRecord]) -> dict[int, MessageRecord]:
    """The last word on each step, by step; what was saved later than a resume began is gone."""
    saves: dict[int, MessageRecord] = {}
    for message in messages:
        step = message.body.get("step")
        if not isinstance(step, int):
            continue
        if message.kind == CheckpointSaved.__name__:
            saves[step] = message
        elif message.kind == RunResumed.__name__:
            saves = {saved: one for saved, one in saves.items() if saved <= step}
    return saves
