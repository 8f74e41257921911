"""Open an export as a stranger would, and compare its numbers with the checkpoint's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from workbench.data.batching import collate
from workbench.data.tokenizing import EncodedExample
from workbench.errors import CheckpointError
from workbench.export.sentence_transformers import ACTIVATION_CLASSES, POOLING_FLAGS
from workbench.inference.predictor import Predictor
from workbench.model.backbone import encoder_class_of
from workbench.model.folder import LoadedModel, load_model_folder, state_after_backbone
from workbench.model.heads import Head, RegressionHead, WordHead
from workbench.model.pooling import ACTIVATIONS, POOLINGS

TEXTS = (
    "How are you?",
    "Great movie.",
    "The train from Lyon to Turin leaves at nine, if the strike is called off by then.",
    "In May the board of Hallam Foods sold its plant near the river for less than it had cost.",
    "no signal again, third day in a row, and nobody at the shop picks up the phone",
    "Ada",
    "We walked home through the rain; nobody minded, because the concert had been that good.",
    "Why do cats purr, and does it do them any good when they are ill or hurt?",
)
"""Different lengths in one batch, so that padding would show."""

PAIRS = tuple(zip(TEXTS, (*TEXTS[1:], TEXTS[0]), strict=True))
"""For heads that read two texts as one."""

TOLERANCE = 1e-3
"""Largest difference of a vector's value or a logit that still is the same model."""


def difference_of(loaded: LoadedModel, form: str, folder: Path) -> float:
    """The largest absolute difference between an export and the checkpoint.

    Args:
        loaded: The checkpoint.
        form: sentence-transformers or transformers.
        folder: What was written.

    Raises:
        CheckpointError: The export differs by more than `TOLERANCE`.
    """
    found = VERIFIERS[form](loaded, folder)
    if not found <= TOLERANCE:
        raise CheckpointError(
            f"The export differs from the checkpoint by {found:.2e}.",
            where=str(folder),
            next_step="do not use it; please report the backbone that it was made from",
        )
    return found


def _verify_sentence_transformers(loaded: LoadedModel, folder: Path) -> float:
    """Vectors by `transformers` and the folder's own module files; heads by the side-car."""
    ours = Predictor(loaded)
    inputs = _tokenize(folder)
    # The class that `transformers` has for it: of T5 not the auto class, which wants a decoder.
    encoder_class = encoder_class_of(loaded.model.backbone.config)
    encoder = encoder_class.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        vectors = encoder(**inputs).last_hidden_state
        for module in json.loads((folder / "modules.json").read_text(encoding="utf-8"))[1:]:
            apply = MODULES[module["type"].rpartition(".")[2]]
            vectors = apply(folder / module["path"], vectors, inputs["attention_mask"])
    theirs = state_after_backbone(load_model_folder(folder).model)
    rest = [
        (value.cpu() - theirs[name]).abs().max().item()
        for name, value in state_after_backbone(loaded.model).items()
    ]
    return float(max([np.abs(vectors.numpy() - ours.encode(TEXTS)).max(), *rest]))


def _pool(folder: Path, hidden: Tensor, mask: Tensor) -> Tensor:
    flags = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    modes = [mode for mode, flag in POOLING_FLAGS.items() if flags[flag]]
    return torch.cat([POOLINGS[mode](hidden, mask) for mode in modes], dim=-1)


def _project(folder: Path, vectors: Tensor, mask: Tensor) -> Tensor:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    state = load_file(folder / "model.safetensors")
    linear = nn.functional.linear(vectors, state["linear.weight"], state["linear.bias"])
    names = {name: activation for activation, name in ACTIVATION_CLASSES.items()}
    return ACTIVATIONS[names[config["activation_function"]]](linear)


def _normalize(folder: Path, vectors: Tensor, mask: Tensor) -> Tensor:
    return nn.functional.normalize(vectors, dim=-1)


MODULES: dict[str, Callable[[Path, Tensor, Tensor], Tensor]] = {
    "Pooling": _pool,
    "Dense": _project,
    "Normalize": _normalize,
}
"""By class in `modules.json`: what it does with the vectors, read from its folder."""


def _verify_transformers(loaded: LoadedModel, folder: Path) -> float:
    """Logits of each head by its auto class."""
    import transformers

    largest = 0.0
    for task, settings in loaded.description.heads.items():
        inputs = _tokenize(folder / task, is_pair=settings.pair == "joint")
        kind = "Token" if settings.kind == "tagging" else "Sequence"
        auto = getattr(transformers, f"AutoModelFor{kind}Classification")
        model = auto.from_pretrained(folder / task, dtype=torch.float32).eval()
        with torch.inference_mode():
            logits = model(**inputs).logits.numpy()
        expected = _expected_logits(loaded, task)
        if settings.kind == "tagging":
            # Every real piece of theirs against ours at the same piece.
            real = inputs["attention_mask"].numpy().astype(bool)
            logits, expected = logits[real], expected[real]
        # Numbers of any size, in standard deviations.
        unit = float(settings.options.get("std", 1.0))
        largest = max(largest, float(np.abs(logits - expected).max()) / unit)
    return largest


def _expected_logits(loaded: LoadedModel, task: str) -> NDArray[np.float32]:
    """Our logits: `(texts, classes)`, or `(texts, pieces, tags)` for a tagging task."""
    settings, model = loaded.description.heads[task], loaded.model
    pieces = loaded.tokenizer.pieces(PAIRS if settings.pair == "joint" else TEXTS)
    examples = [EncodedExample((piece,), {}, "") for piece in pieces]
    batch = collate(examples, range(len(examples)), pad_id=loaded.tokenizer.pad_id)
    batch = batch.to(next(model.parameters()).device)
    head: Head = model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
    with torch.inference_mode():
        encoding = model.read(batch.ids, batch.mask, batch.segments)
        of_words = isinstance(head, WordHead)
        found = head(encoding.pieces(task) if of_words else encoding.texts(task))
        if isinstance(head, RegressionHead):
            found = head.in_unit(found)  # as theirs are
    logits: NDArray[np.float32] = found.float().cpu().numpy()
    return logits


def _tokenize(folder: Path, *, is_pair: bool = False) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [list(one) for one in zip(*PAIRS, strict=True)] if is_pair else [list(TEXTS)]
    return tokenizer(*texts, padding=True, truncation=True, return_tensors="pt")


VERIFIERS = {
    "sentence-transformers": _verify_sentence_transformers,
    "transformers": _verify_transformers,
}
