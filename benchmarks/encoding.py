"""Encoding: sentence-transformers' `encode` beside ours, on the same texts, and how alike they are.

python benchmarks/encoding.py --data-root CORPORA [--texts 1000] [--threads N]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plain_loop import backbone_folder, read_entities, read_questions
from sentence_transformers import SentenceTransformer

from workbench.inference.predictor import Predictor
from workbench.model.arithmetic import choose_arithmetic, choose_matrix_backend
from workbench.model.backbone import load_backbone
from workbench.model.building import build_model
from workbench.model.folder import LoadedModel, ModelDescription
from workbench.model.pooling import PoolingSettings


def ours(precision: str, max_length: int) -> Predictor:
    backbone = load_backbone("minilm", max_length=max_length)
    pooling = PoolingSettings()
    model = build_model(backbone, {}, pooling=pooling, seed=0)
    loaded = LoadedModel(
        model, backbone.tokenizer, ModelDescription("bench", pooling, max_length, {})
    )
    return Predictor(loaded, choose_arithmetic("cpu", precision))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    half = asked.texts // 2
    rows = read_questions(asked.data_root / "trec/train.jsonl")[:half]
    rows += read_entities(asked.data_root / "wnut17/train.conll")[:half]
    texts = [" ".join(row["words"]) for row in rows]
    peer = SentenceTransformer(str(backbone_folder()), device="cpu")
    encoders: dict[str, Callable[[], Any]] = {
        "sentence-transformers": lambda: peer.encode(texts, show_progress_bar=False)
    }
    default = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    choose_matrix_backend()
    chosen = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    for precision in ("fp32", "bf16"):
        predictor = ours(precision, peer.max_seq_length)
        encoders[f"workbench {precision}"] = lambda predictor=predictor: predictor.encode(texts)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in encoders}
    vectors = {}
    for _ in range(asked.rounds):  # interleaved: a machine that slows down does so for all
        for name, encode in encoders.items():
            plain = name == "sentence-transformers"
            torch.backends.mkldnn.matmul.fp32_precision = default if plain else chosen  # type: ignore[attr-defined]
            begin, cpu = time.perf_counter(), time.process_time()
            vectors[name] = np.asarray(encode(), np.float64)
            spent[name].append((time.perf_counter() - begin, time.process_time() - cpu))
    expected = vectors["sentence-transformers"]
    result = {}
    for name, found in vectors.items():
        cosines = (found * expected).sum(1) / (
            np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        )
        wall, cpu = (float(np.median(values)) for values in zip(*spent[name], strict=True))
        result[name] = {
            "texts_per_second": round(len(texts) / wall, 1),
            "texts_per_cpu_second": round(len(texts) / cpu, 1),
            "lowest_cosine": round(float(cosines.min()), 6),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
