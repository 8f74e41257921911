"""A checkpoint as a sentence-transformers folder, in the layout that old and new versions read.

The heads travel in a `workbench` folder that sentence-transformers ignores and this program
reads: one folder serves both.
"""

from __future__ import annotations

import json
from pathlib import Path

from workbench.export.card import write_card
from workbench.model.backbone import save_backbone_files
from workbench.model.folder import SIDECAR, LoadedModel, save_heads, save_weights

POOLING_FLAGS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
}


def write_sentence_transformers(loaded: LoadedModel, folder: Path) -> None:
    """Write the layout into a folder that is there and empty.

    Type paths and pooling switches are those of sentence-transformers 2 to 5, which version 6
    still reads; what version 6 itself writes is not readable by the older ones.
    """
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
        | {flag: mode == loaded.description.pooling for mode, flag in POOLING_FLAGS.items()}
        | {"pooling_mode_mean_sqrt_len_tokens": False},
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
