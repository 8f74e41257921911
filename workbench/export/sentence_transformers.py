"""A checkpoint as a sentence-transformers folder, in the layout that old and new versions read.

The heads travel in a `workbench` folder that sentence-transformers ignores and this program
reads: one folder serves both.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from workbench.errors import CheckpointError
from workbench.export.card import write_card
from workbench.model.backbone import save_backbone_files
from workbench.model.folder import SIDECAR, LoadedModel, save_heads, save_weights
from workbench.model.sources import POOLING_NAMES

POOLING_FLAGS = {ours: flag for ours, (_, flag) in POOLING_NAMES.items()}
"""By pooling: its switch in `1_Pooling/config.json`. Every version knows the first four. Several
of them stand side by side there in this order, which is ours, too."""

ACTIVATION_CLASSES = {
    "tanh": "torch.nn.modules.activation.Tanh",
    "linear": "torch.nn.modules.linear.Identity",
}
"""By activation of a projection: the class that `2_Dense/config.json` names."""


def write_sentence_transformers(loaded: LoadedModel, folder: Path) -> None:
    """Write the layout into a folder that is there and empty.

    Type paths and pooling switches are those of sentence-transformers 2 to 5, which version 6
    still reads; what version 6 itself writes is not readable by the older ones.

    The vectors are those of the pooling that tasks share. A dense layer and the scaling to length
    1 after it are modules of their own there, too.

    Raises:
        CheckpointError: sentence-transformers has no such pooling.
    """
    pooling = loaded.description.pooling
    if odd := [part for part in pooling.parts if part not in POOLING_FLAGS]:
        raise CheckpointError(
            f'sentence-transformers cannot pool by "{odd[0]}".',
            where="[pooling] mode",
            next_step=f"train with one of {', '.join(POOLING_FLAGS)}",
        )
    save_backbone_files(loaded.backbone, folder)
    save_weights(loaded.model.backbone.encoder, folder / "model.safetensors")
    _write(
        folder / "sentence_bert_config.json",
        {"max_seq_length": loaded.description.max_length, "do_lower_case": False},
    )
    _write(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    (folder / "1_Pooling").mkdir()
    _write(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": loaded.model.backbone.hidden_size}
        | {flag: mode in pooling.parts for mode, flag in POOLING_FLAGS.items()},
    )
    if loaded.model.pooling.projection is not None:
        modules.append(("Dense", "2_Dense"))
        _write_dense(loaded.model.pooling.projection, pooling.activation, folder / "2_Dense")
    if pooling.normalize:
        modules.append(("Normalize", f"{len(modules)}_Normalize"))
        (folder / modules[-1][1]).mkdir()
    _write(
        folder / "modules.json",
        [
            {
                "idx": number,
                "name": str(number),
                "path": path,
                "type": f"sentence_transformers.models.{name}",
            }
            for number, (name, path) in enumerate(modules)
        ],
    )
    (folder / SIDECAR).mkdir()
    save_heads(loaded, folder / SIDECAR)
    write_card(
        folder,
        loaded.description,
        use=(
            "from sentence_transformers import SentenceTransformer\n\n"
            f'model = SentenceTransformer("{folder.name}")\n'
            'vectors = model.encode(["How are you?", "I am fine."])'
        ),
        tags=("sentence-transformers", "feature-extraction"),
    )


def _write_dense(linear: nn.Linear, activation: str, folder: Path) -> None:
    folder.mkdir()
    _write(
        folder / "config.json",
        {
            "in_features": linear.in_features,
            "out_features": linear.out_features,
            "bias": True,
            "activation_function": ACTIVATION_CLASSES[activation],
        },
    )
    state = {f"linear.{name}": value for name, value in linear.state_dict().items()}
    save_file(
        {name: value.cpu().contiguous() for name, value in state.items()},
        folder / "model.safetensors",
    )


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
