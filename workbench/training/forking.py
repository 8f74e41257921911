"""A run that begins with the model of another run's checkpoint, under settings of its own.

Carried over, each as a whole: the backbone, if its layers and its vocabulary are the same; a task's
head (and its pooling, if it learns one), if the labels and the layers are the same. If the person
wants it: the optimizer's moments, if all parameters that move, their groups and the training texts
are the same. Never: the step, the schedule, the order of texts, the random streams, the best so
far, and what was set by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor, nn

from workbench.errors import CheckpointError
from workbench.model.folder import LoadedModel, load_model_folder
from workbench.model.multitask import MultiTaskModel
from workbench.training.manifest import (
    MODEL,
    TRAINING,
    check_checkpoint,
    check_training_state,
    has_training_state,
)
from workbench.training.memory import OptimizerMemory
from workbench.training.resuming import ORIGIN, is_digest_of
from workbench.training.run import Run
from workbench.training.state import read_state

_BY_TASK = {"heads": "head", "mixes": "layer mix", "poolings": "pooling"}
_OTHER_LABELS = "its labels are others"
_OTHER_LAYERS = "its layers are others"
_DEFINING = ("mean", "std", "word_pieces", "pair")
"""Options of heads that say what weights of the same shapes compute."""


def take_over_model(loaded: LoadedModel, checkpoint: Path) -> Iterator[str]:
    """Give a model that was just built the weights of a checkpoint, as far as they fit.

    Args:
        loaded: Built, not yet frozen and not given to an optimizer.
        checkpoint: Folder of the checkpoint.

    Yields:
        What carried over and what begins anew, for a person.

    Raises:
        CheckpointError: The checkpoint is damaged, or nothing of it fits.
    """
    check_checkpoint(checkpoint)
    before = load_model_folder(checkpoint / MODEL)
    units, there = _units(loaded.model), _units(before.model)
    carried, anew = [], []
    for name, (words, unit) in units.items():
        if name not in there:
            anew.append(words)
        elif why := _misfit(name, loaded, before, unit, there[name][1]):
            anew.append(f"{words} ({why})")
        else:
            unit.load_state_dict(there[name][1].state_dict())
            carried.append(words)
    if not carried:
        raise CheckpointError(
            "Nothing of the checkpoint fits this experiment: neither its backbone nor a head.",
            where=str(checkpoint),
            next_step="begin without it, or name its backbone in backbone.model",
        )
    left = [words for name, (words, _) in there.items() if name not in units]
    yield (
        f"Begun with the model of {checkpoint.name}: {', '.join(carried)} carried over"
        + (f"; new are {', '.join(anew)}" if anew else "")
        + (f"; left behind are {', '.join(left)}" if left else "")
        + ". Step, schedule, order of texts and best checkpoint begin anew."
    )


def take_over_optimizer(run: Run, checkpoint: Path) -> str:
    """Give a prepared run the optimizer's moments of a checkpoint, if all is as it was.

    Returns:
        Whether it did, and else why not, for a person.
    """
    anew = "The optimizer begins anew: "
    if not has_training_state(checkpoint):
        return f"{anew}{checkpoint.name} has kept its model only."
    check_training_state(checkpoint)
    states = read_state(checkpoint / TRAINING)
    if not is_digest_of(states[ORIGIN]["data"].get("train"), run, "train"):
        return f"{anew}the training texts are others."
    shapes = {name: value.shape for name, value in run.loaded.model.named_parameters()}
    held: Mapping[str, Mapping[str, object]] = states["optimizer"]["parameters"]
    weights: Mapping[str, Tensor] = states["weights"]
    kind, before = type(run.optimizer).__name__, states["optimizer"]["kind"]
    if kind != before:  # its parameters have other names then, which is not the reason
        return f"{anew}it is of {before}, not of {kind}."
    for name in held:
        if name not in shapes or weights[name].shape != shapes[name]:
            return f"{anew}{name} is another."
    try:
        OptimizerMemory(run.loaded.model, run.optimizer).restore(states["optimizer"])
    except ValueError as error:
        return f"{anew}{error}."
    return f"The optimizer goes on with what it had gathered at {checkpoint.name}."


def _units(model: MultiTaskModel) -> dict[str, tuple[str, nn.Module]]:
    """What carries over as a whole, by name, each with the words for it."""
    units: dict[str, tuple[str, nn.Module]] = {}
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleDict):
            units |= {
                f"{name}.{task}": (f"{_BY_TASK.get(name, name)} {task}", inner)
                for task, inner in child.items()
                if inner.state_dict()
            }
        elif child.state_dict():
            units[name] = (name, child)
    return units


def _misfit(
    name: str, loaded: LoadedModel, before: LoadedModel, unit: nn.Module, other: nn.Module
) -> str:
    """Why a unit cannot take over the other's weights; empty if it can."""
    kind, _, task = name.partition(".")
    if kind == "heads":
        head, head_before = loaded.description.heads[task], before.description.heads[task]
        if head.kind != head_before.kind:
            return _OTHER_LAYERS
        if head.labels != head_before.labels:
            return _OTHER_LABELS
        for option in _DEFINING:
            if head.options.get(option) != head_before.options.get(option):
                return f"its {option} is another"
    if kind == "backbone" and not loaded.tokenizer.is_like(before.tokenizer):
        return "its vocabulary is another"
    adapters, others = loaded.lora, before.lora
    if kind == "backbone" and adapters and others and adapters.alpha != others.alpha:
        return "the alpha of its adapters is another"  # a factor of what they add
    shapes = {key: value.shape for key, value in unit.state_dict().items()}
    shapes_before = {key: value.shape for key, value in other.state_dict().items()}
    return "" if shapes == shapes_before else _OTHER_LAYERS
