"""The parts that freezing and rates speak of, found in a model's structure, never in its names.

An encoder is, whatever its family, some embeddings, a list of alike layers, and perhaps something
after them. Matching names instead is how `layer.1` comes to mean `layer.10` as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import nn

from workbench.model.vocabulary import OccurringRows

if TYPE_CHECKING:
    from workbench.model.multitask import MultiTaskModel

Role = Literal["embeddings", "layer", "top", "pooling", "mix", "head"]


@dataclass(frozen=True)
class Part:
    """Parameters that are frozen together and have one rate; each is in exactly one part."""

    role: Role
    """`top` is what the backbone has after its layers, or all of a backbone without layers."""
    name: str
    """`embeddings`, `layer 3`, `top`, `pooling`, or of a task `pooling question`, `mix question`,
    `head question`."""
    parameters: dict[str, nn.Parameter]
    """By full name in the model."""
    layer: int = -1
    """Number of the layer, from 0 at the bottom."""
    task: str = ""
    """Whose head, mix, or own pooling."""


def parts_of(model: MultiTaskModel) -> list[Part]:
    """All parts of a model that have parameters, from the bottom to the top."""
    layers = encoder_layers(model.backbone)
    place: dict[int, tuple[Role, str, int, str]] = {}
    for number, layer in enumerate(layers):
        for parameter in layer.parameters():
            place.setdefault(id(parameter), ("layer", f"layer {number}", number, ""))
    for task, head in model.heads.items():
        for parameter in head.parameters():
            place.setdefault(id(parameter), ("head", f"head {task}", -1, task))
    for task, pooling in model.poolings.items():
        for parameter in pooling.parameters():
            place.setdefault(id(parameter), ("pooling", f"pooling {task}", -1, task))
    for task, mix in model.mixes.items():
        for parameter in mix.parameters():
            place.setdefault(id(parameter), ("mix", f"mix {task}", -1, task))
    for parameter in _before(model.backbone, layers):
        place.setdefault(id(parameter), ("embeddings", "embeddings", -1, ""))
    for parameter in model.backbone.parameters():
        place.setdefault(id(parameter), ("top", "top", -1, ""))
    found: dict[tuple[Role, str, int, str], dict[str, nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        key = place.get(id(parameter), ("pooling", "pooling", -1, ""))
        found.setdefault(key, {})[name] = parameter
    order = ("embeddings", "layer", "top", "pooling", "mix", "head")
    parts = [
        Part(role, name, parameters, layer, task)
        for (role, name, layer, task), parameters in found.items()
    ]
    return sorted(parts, key=lambda part: (order.index(part.role), part.layer))


def encoder_layers(backbone: nn.Module) -> list[nn.Module]:
    """The layers of an encoder, lowest first: its longest outermost list of alike modules.

    Returns:
        None of them if it has no such list.
    """
    lists = [list(layers) for layers in _lists(backbone)]
    return max(lists, key=len, default=[])


def is_norm(module: nn.Module) -> bool:
    """Whether a module scales each dimension by a value of its own, as LayerNorm and RMSNorm do."""
    weight = module._parameters.get("weight")
    return weight is not None and weight.ndim == 1 and not module._modules


def is_embedding(module: nn.Module) -> bool:
    """Whether a module looks rows up."""
    return isinstance(module, (nn.Embedding, OccurringRows))


def _lists(module: nn.Module) -> Iterator[nn.ModuleList]:
    """The outermost lists whose modules are of one class and have parameters."""
    for child in module.children():
        if isinstance(child, nn.ModuleList) and len({type(layer) for layer in child}) == 1:
            if next(child.parameters(), None) is not None:
                yield child
        else:
            yield from _lists(child)


def _before(backbone: nn.Module, layers: list[nn.Module]) -> Iterator[nn.Parameter]:
    """What comes before the layers in an encoder, and embeddings wherever they are."""
    for module in backbone.modules():
        if is_embedding(module):
            yield from module.parameters(recurse=False)
    if not layers:
        return
    in_layers = {id(parameter) for layer in layers for parameter in layer.parameters()}
    for parameter in backbone.parameters():
        if id(parameter) in in_layers:
            return
        yield parameter
