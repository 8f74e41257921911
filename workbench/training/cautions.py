"""What a person should know of data and settings before the first update."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.model.freezing import is_frozen
from workbench.training.run import Run


def cautions(run: Run) -> Iterator[str]:
    """A sentence for each, in order of the data, the tasks and the freezing."""
    for place, rows in run.corpus.unlabelled.items():
        yield f"{place}: {rows} row(s) have no label and are left out of this task."
    yield from run.corpus.notes
    for split in (run.train_split, run.dev_split):
        for task, texts in split.cut.items():
            if texts:
                longest = run.loaded.tokenizer.max_length
                advice = (
                    "Raise backbone.max_length to keep them."
                    if longest == run.config.backbone.max_length
                    else "The backbone takes no longer ones."
                )
                yield (
                    f"{task}/{split.name}: {texts} text(s) are longer than {longest} pieces and "
                    f"were cut; words that were cut off count as missed. {advice}"
                )
    for name, settings in run.config.tasks.items():
        if not settings.data.has_dev:
            yield f"{name} has no dev data: it has no part in choosing the best checkpoint."
    yield from _freezing_warnings(run)


def _freezing_warnings(run: Run) -> Iterator[str]:
    """What follows from what is frozen, where it is easily overlooked."""
    if run.trainable_parameters == 0:
        yield "Everything is frozen: the run evaluates and saves the model, and learns nothing."
        return
    model = run.loaded.model
    for name, head in model.heads.items():
        if next(head.parameters(), None) is None:  # nothing that could be frozen
            if all(map(is_frozen, (model.backbone, model.pooling_of(name)))):
                yield (
                    f"{name} has nothing to learn but the backbone, which is frozen: its metrics "
                    "stay as they are. A hidden_size would give it a layer."
                )
        elif is_frozen(head):
            yield (
                f"The head of {name} is frozen as it began, with random weights; the backbone is "
                "frozen, too, so nothing of this task is learned."
                if is_frozen(model.backbone)
                else f"The head of {name} is frozen while the backbone moves under it: the two "
                "drift apart, and its metrics may fall in the course of the run."
            )
