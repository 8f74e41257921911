"""Low-rank adapters: the backbone stays as it is, small matrices beside some of its layers learn.

`peft` makes them. A checkpoint keeps them apart from the weights that they belong to, so that a run
can go on from it exactly; an export has them added in.

Source: Hu et al. 2022, LoRA: low-rank adaptation of large language models.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from workbench.errors import CheckpointError, ConfigError, nearest
from workbench.model.parts import encoder_layers

SETTINGS, WEIGHTS = "adapter.json", "adapter.safetensors"
ADAPTER = "default"
"""What `peft` calls the only one."""
QUERY_AND_VALUE = frozenset(
    {
        *("query", "value", "query_proj", "value_proj"),  # BERT and its like, DeBERTa
        *("q_proj", "v_proj", "q_lin", "v_lin", "q", "v"),  # Llama, Qwen, DistilBERT, T5
        *("c_attn", "Wqkv", "query_key_value", "qkv_proj"),  # both in one: GPT-2, ModernBERT
    }
)
"""What the families call the layers that make queries and values, as whole names."""


@dataclass(frozen=True)
class LoraSettings:
    """What adapters are built from, as plain values; a checkpoint keeps it."""

    rank: int
    alpha: int
    dropout: float = 0.0
    modules: tuple[str, ...] = ()
    """Full names of the layers in the encoder."""


def target_modules(encoder: nn.Module, which: str, names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The linear layers of an encoder that get an adapter.

    Args:
        encoder: A `transformers` model.
        which: A name in `TARGETS`.
        names: Last parts of names, as `query`, in place of it.

    Returns:
        Full names in the encoder, from the bottom up.

    Raises:
        ConfigError: There is none.
    """
    linear = dict(_linear_layers(encoder))
    if names:
        known = sorted({name.rpartition(".")[2] for name in linear})
        for name in names:
            if name not in known:
                raise ConfigError(
                    f'backbone.lora.modules: the backbone has no linear layer "{name}".',
                    where="[backbone.lora] modules",
                    next_step=nearest(name, known),
                )
        return tuple(full for full in linear if full.rpartition(".")[2] in names)
    return TARGETS[which](encoder, tuple(linear)) or tuple(linear)


def add_adapters(encoder: nn.Module, settings: LoraSettings, *, seed: int) -> None:
    """Put adapters beside layers; from then on they alone of the encoder are trained.

    They change nothing until they have learned something.

    Raises:
        ConfigError: `peft` is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigError(
            "Adapters need the package peft, which is not installed.",
            where="[backbone.lora] rank",
            next_step="pip install 'mtl-workbench[lora]', or set rank to 0",
        ) from error
    first = encoder.get_submodule(settings.modules[0])
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.modules),
        # GPT-2 keeps its matrices the other way round.
        fan_in_fan_out=not isinstance(first, nn.Linear),
    )
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, encoder, ADAPTER)


def save_adapters(encoder: nn.Module, settings: LoraSettings, folder: Path) -> None:
    """Write `adapter.json` and `adapter.safetensors`."""
    (folder / SETTINGS).write_text(json.dumps(asdict(settings), indent=2), encoding="utf-8")
    state = {name: value for name, value in encoder.state_dict().items() if _is_adapter(name)}
    save_file({name: value.cpu().contiguous() for name, value in state.items()}, folder / WEIGHTS)


def load_adapters(encoder: nn.Module, folder: Path) -> LoraSettings | None:
    """Put the adapters of a folder beside the layers of an encoder.

    Returns:
        What they are; None if the folder has none.

    Raises:
        CheckpointError: The files are damaged.
        ConfigError: `peft` is not installed.
    """
    if not (folder / SETTINGS).is_file():
        return None
    try:
        values = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        settings = LoraSettings(**values | {"modules": tuple(values["modules"])})
        add_adapters(encoder, settings, seed=0)
        state = load_file(folder / WEIGHTS)
        encoder.load_state_dict(state, strict=False)
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError),
        *(RuntimeError, SafetensorError),
    ) as error:
        raise _damaged(folder, str(error)) from error
    expected = {name for name in encoder.state_dict() if _is_adapter(name)}
    if wrong := sorted(expected ^ state.keys()):
        raise _damaged(folder, f"its two files differ in {wrong[0]}")
    return settings


def _damaged(folder: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"The adapters cannot be read: {why}.",
        where=str(folder),
        next_step="take another checkpoint; this one is damaged",
    )


def base_state(encoder: nn.Module) -> dict[str, Tensor]:
    """The values of an encoder without its adapters, under the names that it has without them."""
    found: dict[str, Tensor] = {}
    seen: set[tuple[int, torch.Size]] = set()
    for name, value in encoder.state_dict().items():
        key = (value.data_ptr(), value.shape)
        if not _is_adapter(name) and key not in seen:  # what is tied is written once
            seen.add(key)
            found[name.replace(".base_layer.", ".")] = value.detach().cpu().contiguous()
    return found


def merged(encoder: nn.Module) -> nn.Module:
    """A copy with the adapters added to the weights that they stand beside."""
    encoder = copy.deepcopy(encoder)
    for name, module in list(encoder.named_modules()):
        if _is_adapted(module):
            layer: Any = module
            layer.merge(safe_merge=True)
            parent, _, own = name.rpartition(".")
            setattr(encoder.get_submodule(parent), own, layer.get_base_layer())
    return encoder


def _linear_layers(encoder: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Those inside the layers of an encoder, by full name."""
    from transformers.pytorch_utils import Conv1D

    inside = {id(module) for layer in encoder_layers(encoder) for module in layer.modules()}
    for name, module in encoder.named_modules():
        if id(module) in inside and isinstance(module, (nn.Linear, Conv1D)):
            yield name, module


def _query_and_value(encoder: nn.Module, linear: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in linear if name.rpartition(".")[2] in QUERY_AND_VALUE)


def _attention(encoder: nn.Module, linear: tuple[str, ...]) -> tuple[str, ...]:
    blocks = [
        name for name, module in encoder.named_modules() if "Attention" in type(module).__name__
    ]
    return tuple(name for name in linear if any(name.startswith(f"{block}.") for block in blocks))


def _all(encoder: nn.Module, linear: tuple[str, ...]) -> tuple[str, ...]:
    return linear


TARGETS: dict[str, Callable[[nn.Module, tuple[str, ...]], tuple[str, ...]]] = {
    "query_value": _query_and_value,
    "attention": _attention,
    "all": _all,
}
"""By name in the settings; a family in which nothing is found has all of its linear layers."""


def _is_adapted(module: nn.Module) -> bool:
    return isinstance(getattr(module, "lora_A", None), nn.ModuleDict)


def _is_adapter(name: str) -> bool:
    return ".lora_" in name
