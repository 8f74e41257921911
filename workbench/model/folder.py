"""A model as a folder: what predicts, without what trains. Safetensors and JSON, no pickle.

    model.json              tasks, labels, pooling, maximum length
    heads.safetensors       all after the backbone: `heads.task.layer`, poolings that are learned
    backbone/               config.json, model.safetensors, tokenizer: transformers opens it

An export in the sentence-transformers layout has the same files, with the backbone at its top
and these two in a `workbench` folder that others ignore; both are read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn

from workbench.data.tokenizing import Tokenizer
from workbench.errors import CheckpointError
from workbench.model.backbone import LoadedBackbone, empty_backbone, save_backbone_files
from workbench.model.building import HeadSettings, build_model
from workbench.model.multitask import MultiTaskModel
from workbench.model.pooling import PoolingSettings

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
    tokenizer: Tokenizer
    description: ModelDescription

    @property
    def backbone(self) -> LoadedBackbone:
        """The backbone with its tokenizer."""
        return LoadedBackbone(self.model.backbone, self.tokenizer)


def save_model_folder(loaded: LoadedModel, folder: Path) -> None:
    """Write a model into a folder that is there already and empty."""
    backbone = folder / "backbone"
    backbone.mkdir()
    save_backbone_files(loaded.backbone, backbone)
    save_weights(loaded.model.backbone.encoder, backbone / "model.safetensors")
    save_heads(loaded, folder)


def save_heads(loaded: LoadedModel, folder: Path) -> None:
    """Write `model.json` and `heads.safetensors`."""
    state = {
        name: value.detach().cpu().contiguous()
        for name, value in state_after_backbone(loaded.model).items()
    }
    save_file(state, folder / "heads.safetensors")
    description = {"format": FORMAT} | asdict(loaded.description)
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
    loaded = empty_backbone(backbone_folder, max_length=description.max_length)
    model = build_model(loaded, description.heads, pooling=description.pooling, seed=0)
    try:
        load_model(loaded.backbone.encoder, str(backbone_folder / "model.safetensors"))
        _load_after_backbone(model, load_file(sidecar / "heads.safetensors"))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"The weights cannot be loaded: {str(error).splitlines()[0]}",
            where=str(folder),
            next_step="take another checkpoint; this one is damaged",
        ) from error
    model.eval()
    return LoadedModel(model, loaded.tokenizer, description)


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
