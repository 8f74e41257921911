"""What a person should know of data and settings before the first update."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.model.freezing import is_frozen
from workbench.model.heads import FittedHead
from workbench.schedules import warmup_steps
from workbench.training.balance import moving
from workbench.training.run import Run

HIGH_RATE = 1e-2
"""Above it AdamW undoes what a backbone has learned before; 1e-5 to 1e-4 are usual."""


def cautions(run: Run) -> Iterator[str]:
    """A sentence for each, in order of the data, the settings, the tasks and the freezing."""
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
    yield from _impossible_settings(run)
    yield from _sharing_warnings(run)
    yield from _patience_warnings(run)
    yield from _mates_warnings(run)
    yield from _freezing_warnings(run)


def _impossible_settings(run: Run) -> Iterator[str]:
    """What was asked for and cannot be had, so that something else is done; and a likely typo."""
    config, training = run.config, run.config.training
    asked, longest = config.backbone.max_length, run.loaded.tokenizer.max_length
    if asked > longest:
        yield (
            f"You asked for backbone.max_length = {asked}; {config.backbone.model} has positions "
            f"for {longest} pieces, so {longest} are used."
        )
    if training.micro_batch_size > training.batch_size and not config.sampling.token_budget:
        yield (
            f"training.micro_batch_size = {training.micro_batch_size} divides nothing: an update "
            f"has {training.batch_size} texts."
        )
    if not run.total_steps:
        return
    warmup = config.optimization.warmup
    if warmup_steps(warmup, run.total_steps) >= run.total_steps:
        yield (
            f"You asked for optimization.warmup = {warmup:g}; the run has {run.total_steps} "
            "updates, so the rate rises to the end and never follows its schedule."
        )
    updates = run.sampling.updates(0)
    if training.evaluations_per_epoch > updates:
        yield (
            f"You asked for training.evaluations_per_epoch = {training.evaluations_per_epoch}; "
            f"an epoch has {updates} updates, so dev is evaluated after each of them."
        )
    rate = config.optimization.learning_rate
    if (
        rate > HIGH_RATE
        and config.optimization.optimizer == "adamw"
        and config.backbone.kind == "transformer"
        and config.backbone.pretrained
        and not is_frozen(run.loaded.model.backbone)
    ):
        yield (
            f"optimization.learning_rate = {rate:g} is far above the usual 1e-5 to 1e-4 of a "
            "pretrained backbone: it will forget what it knows. Rates of the heads alone are in "
            "head_learning_rate."
        )


def _sharing_warnings(run: Run) -> Iterator[str]:
    """Settings of many tasks that change nothing here."""
    config = run.config
    if config.weighting.gradients != "sum" and not moving(run.balance.shared):
        yield (
            f"weighting.gradients = {config.weighting.gradients} has nothing to combine: the "
            "tasks share no parameter that is trained."
        )
    if run.sampling.follows_a_rule and run.sampling.is_without_effect:
        yield (
            f"sampling.strategy = {config.sampling.strategy} changes nothing: every text is "
            "labelled by all tasks, so that each draw teaches all of them."
        )


def _patience_warnings(run: Run) -> Iterator[str]:
    """What goes badly with tasks that may stop before the end."""
    config = run.config
    patient = [name for name, task in config.tasks.items() if task.patience]
    for name in patient:
        if not config.tasks[name].data.has_dev:
            yield f"{name} has a patience but no dev data to be judged by: it never stops."
    late = ("one_cycle", "slanted_triangular", "warmup_stable_decay")
    if patient and config.optimization.schedule in late:
        yield (
            f"The schedule {config.optimization.schedule} gains most at its end, where the rate "
            f"is low; a task that stops before ({', '.join(patient)}) misses that. Take linear or "
            "plateau, or no patience."
        )


def _mates_warnings(run: Run) -> Iterator[str]:
    """Tasks that learn from two texts of a class in a batch, where few batches have them."""
    for name, head in run.loaded.model.heads.items():
        if not isinstance(head, FittedHead) or not run.total_steps:
            continue
        examples = run.train_split.examples
        batches = [
            [examples[index].labels[name] for index in batch if name in examples[index].labels]
            for batch in run.sampling.batches(0)
        ]
        teaching = sum(len(labels) > len(set(labels)) for labels in batches)
        if teaching < len(batches) / 2:
            yield (
                f"{name}: only {teaching} of {len(batches)} batches of the first epoch hold two "
                "texts of one class, and it learns from those alone. Set sampling.batches = "
                "one_task, or a larger training.batch_size or examples_per_class."
            )


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
