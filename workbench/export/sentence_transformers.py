"""A checkpoint as a sentence-transformers folder, in the layout that old and new versions read.

The heads travel in a `workbench` folder that sentence-transformers ignores and this program
reads: one folder serves both.
"""

from __future__ import annotations

import json
from pathlib import Path

from workbench.errors import CheckpointError
from workbench.export.card import write_card
from workbench.model.backbone import save_backbone_files
from workbench.model.folder import SIDECAR, LoadedModel, save_heads, save_weights

POOLING_FLAGS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt": "pooling_mode_mean_sqrt_len_tokens",
    "weighted_mean": "pooling_mode_weightedmean_tokens",
    "last": "pooling_mode_lasttoken",
}
"""By pooling: its switch in `1_Pooling/config.json`. Every version knows the first four."""


def write_sentence_transformers(loaded: LoadedModel, folder: Path) -> None:
    """Write the layout into a folder that is there and empty.

    Type paths and pooling switches are those of sentence-transformers 2 to 5, which version 6
    still reads; what version 6 itself writes is not readable by the older ones.

    Raises:
        CheckpointError: sentence-transformers has no such pooling.
    """
    pooling = loaded.description.pooling
    if pooling not in POOLING_FLAGS:
        raise CheckpointError(
            f'sentence-transformers cannot pool by "{pooling}".',
            where="[pooling] mode",
            next_step=f"train with one of {', '.join(POOLING_FLAGS)}",
        )
    save_backbone_files(loaded.backbone, folder)
    save_weights(loaded.model.backbone.encoder, folder / "model.safetensors")
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {
            "idx": 1,
            "name": "1",
            "path": "1_Pooling",
            "type": "sentence_transformers.models.Pooling",
        },
    ]
    _write(folder / "modules.json", modules)
    _write(
        folder / "sentence_bert_config.json",
        {"max_seq_length": loaded.description.max_length, "do_lower_case": False},
    )
    _write(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})
    (folder / "1_Pooling").mkdir()
    _write(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": loaded.model.backbone.hidden_size}
        | {flag: mode == pooling for mode, flag in POOLING_FLAGS.items()},
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


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
