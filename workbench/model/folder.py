"""A model as a folder: what predicts, without what trains. Safetensors and JSON, no pickle.

    model.json              tasks, labels, pooling, maximum length
    heads.safetensors       all after the backbone: `heads.task.layer`, poolings that are learned
    backbone/               config.json, model.safetensors, tokenizer: transformers opens it;
                            of a stack stack.json, words.json, model.safetensors;
                            adapters apart from it, in adapter.json and adapter.safetensors

An export in the sentence-transformers layout has the same files, with the backbone at its top
and these two in a `workbench` folder that others ignore; both are read here.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file, save_model
from torch import Tensor, nn

from workbench.data.tokenizing import AnyTokenizer
from workbench.data.word_tokenizing import WordTokenizer
from workbench.errors import CheckpointError
from workbench.model.backbone import LoadedBackbone, empty_backbone, save_backbone_files
from workbench.model.building import HeadSettings, build_model
from workbench.model.heads import Head
from workbench.model.lora import LoraSettings, base_state, load_adapters, merged, save_adapters
from workbench.model.multitask import MultiTaskModel
from workbench.model.pooling import PoolingSettings
from workbench.model.stack import FILE as STACK
from workbench.model.stack import StackBackbone

FORMAT = 3
"""1: heads without options. 2: one pooling, by its name, and nothing but heads in
`heads.safetensors`. All are read."""
SIDECAR = "workbench"


@dataclass(frozen=True)
class ModelDescription:
    """What `model.json` says."""

    name: str
    pooling: PoolingSettings
    """Of the vectors of texts, for tasks that have none of their own."""
    max_length: int
    heads: Mapping[str, HeadSettings]

    @property
    def which_vectors(self) -> str:
        """Whose vectors a text's are, where tasks differ in it; else empty."""
        own = [
            f"{name} ({head.pooling.words})" for name, head in self.heads.items() if head.pooling
        ]
        if not own:
            return ""
        return f"Vectors are pooled by {self.pooling.words}, but those of {', '.join(own)} are not."


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to predict, in evaluation mode, on the CPU."""

    model: MultiTaskModel
    tokenizer: AnyTokenizer
    description: ModelDescription
    lora: LoraSettings | None = None
    """Of the backbone's adapters, if it has some."""

    @property
    def backbone(self) -> LoadedBackbone:
        """The backbone with its tokenizer."""
        return LoadedBackbone(self.model.backbone, self.tokenizer, lora=self.lora)

    @property
    def with_adapters_merged(self) -> LoadedModel:
        """The same model without adapters: they are added to the weights."""
        if self.lora is None:
            return self
        model = copy.copy(self.model)
        # A copy of its own registers: the backbone of the other stays in place there.
        model._modules = dict(self.model._modules)
        model.backbone = type(self.model.backbone)(merged(self.model.backbone.encoder))
        return LoadedModel(model, self.tokenizer, self.description)


def save_model_folder(loaded: LoadedModel, folder: Path) -> None:
    """Write a model into a folder that is there already and empty."""
    backbone = folder / "backbone"
    backbone.mkdir()
    if isinstance(loaded.model.backbone, StackBackbone):
        loaded.model.backbone.save(backbone)
        loaded.tokenizer.save(backbone)
    else:
        save_backbone_files(loaded.backbone, backbone)
    encoder = loaded.model.backbone.encoder
    if loaded.lora is None:
        save_weights(encoder, backbone / "model.safetensors")
    else:
        save_file(base_state(encoder), backbone / "model.safetensors", metadata={"format": "pt"})
        save_adapters(encoder, loaded.lora, backbone)
    save_heads(loaded, folder)


def save_heads(loaded: LoadedModel, folder: Path) -> None:
    """Write `model.json` and `heads.safetensors`."""
    state = {
        name: value.detach().cpu().contiguous()
        for name, value in state_after_backbone(loaded.model).items()
    }
    save_file(state, folder / "heads.safetensors")
    description = {"format": FORMAT} | asdict(loaded.description)
    head: Head
    for name, head in loaded.model.heads.items():  # type: ignore[assignment]  # ModuleDict is untyped
        description["heads"][name]["options"] |= head.told()
    content = json.dumps(description, indent=2, ensure_ascii=False)
    (folder / "model.json").write_text(content, encoding="utf-8")


def state_after_backbone(model: MultiTaskModel) -> dict[str, Tensor]:
    """All values of a model but its backbone's, by full name."""
    return {
        f"{name}.{key}": value
        for name, module in model.named_children()
        if module is not model.backbone
        for key, value in module.state_dict().items()
    }


def save_weights(module: nn.Module, file: Path) -> None:
    """Write a module's weights under the names that `transformers` gives them."""
    save_model(module, str(file), metadata={"format": "pt"})


def load_model_folder(folder: Path) -> LoadedModel:
    """Read a model, or an export in the sentence-transformers layout.

    Raises:
        CheckpointError: It is absent, damaged, or newer than this program.
    """
    sidecar = folder / SIDECAR if (folder / SIDECAR / "model.json").is_file() else folder
    backbone_folder = folder if sidecar != folder else folder / "backbone"
    description = _read_description(sidecar / "model.json")
    loaded = _empty_backbone(backbone_folder, description.max_length)
    model = build_model(loaded, description.heads, pooling=description.pooling, seed=0)
    try:
        _load_encoder(loaded.backbone.encoder, backbone_folder / "model.safetensors")
        lora = load_adapters(loaded.backbone.encoder, backbone_folder)
        _load_after_backbone(model, load_file(sidecar / "heads.safetensors"))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"The weights cannot be loaded: {str(error).splitlines()[0]}",
            where=str(folder),
            next_step="take another checkpoint; this one is damaged",
        ) from error
    model.eval()
    return LoadedModel(model, loaded.tokenizer, description, lora)


def _empty_backbone(folder: Path, max_length: int) -> LoadedBackbone:
    if not (folder / STACK).is_file():
        return empty_backbone(folder, max_length=max_length)
    tokenizer = WordTokenizer.load(folder, max_length=max_length)
    return LoadedBackbone(StackBackbone.empty(folder), tokenizer)


def _load_encoder(encoder: nn.Module, file: Path) -> None:
    """Fill an encoder; a value that has two names there may have one or both in the file."""
    state = load_file(file)
    found = encoder.load_state_dict(state, strict=False)
    values = dict(encoder.named_parameters(remove_duplicate=False))
    filled = {id(value) for name, value in values.items() if name in state}
    absent = [name for name in found.missing_keys if id(values.get(name)) not in filled]
    if wrong := [*absent, *found.unexpected_keys]:
        raise RuntimeError(f"config.json and model.safetensors differ in {wrong[0]}")


def _load_after_backbone(model: MultiTaskModel, state: dict[str, Tensor]) -> None:
    expected = state_after_backbone(model)
    if not state.keys() & expected.keys():
        state = {f"heads.{name}": value for name, value in state.items()}  # before format 3
    found = model.load_state_dict(state, strict=False)
    absent = [name for name in found.missing_keys if name in expected]
    if wrong := [*absent, *found.unexpected_keys]:
        raise RuntimeError(f"heads.safetensors and model.json differ in {wrong[0]}")


def _read_description(file: Path) -> ModelDescription:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if values.pop("format") > FORMAT:
            raise CheckpointError(
                "The model was written by a newer version of mtl-workbench.",
                where=str(file),
                next_step="update mtl-workbench: pip install -U mtl-workbench",
            )
        heads = {
            name: HeadSettings(
                head["kind"],
                tuple(head["labels"]),
                float(head["dropout"]),
                dict(head.get("options", {})),
                _pooling(head["pooling"]) if head.get("pooling") else None,
                bool(head.get("layer_mix", False)),
            )
            for name, head in values.pop("heads").items()
        }
        pooling = _pooling(values.pop("pooling"))
        return ModelDescription(**values, pooling=pooling, heads=heads)
    except FileNotFoundError:
        raise CheckpointError(
            "There is no model in this folder: model.json is absent.",
            where=str(file.parent),
            next_step="name a run, or a folder that `mtl-workbench export` wrote",
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise CheckpointError(
            f"model.json cannot be read: {error}",
            where=str(file),
            next_step="take another checkpoint, or export again",
        ) from error


def _pooling(value: Any) -> PoolingSettings:
    if isinstance(value, str):  # before format 3
        return PoolingSettings((value,))
    return PoolingSettings(**value | {"parts": tuple(value["parts"])})
