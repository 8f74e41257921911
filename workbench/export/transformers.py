"""A checkpoint as folders that `AutoModelFor…Classification` opens, one per head.

`transformers` lets nobody choose the pooling of a BERT-like classifier: it reads the first
piece and puts a layer of its own between it and the classes. So the head is written into the
layers that are there, such that they compute what ours computes:

- the layer between (dense, then tanh, GELU or ReLU) is used where its curve is straight;
- for mean pooling one more encoder layer is appended whose attention looks at all pieces alike:
  with queries and keys of zero its output at the first piece is the mean over the text.

A tagging head with `constrained` is written as the linear layer that it is; choosing among the
allowed sequences is left to who uses it, and so are the thresholds of a multilabel head, which
its card tells. A regression says numbers in the labels' unit.

The result is exact up to the rounding of float32 and is compared with the checkpoint after
writing. Where an architecture cannot express a head, that is said, and nothing is written.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import CheckpointError
from workbench.export.card import write_card
from workbench.model.backbone import quiet_transformers, save_backbone_files
from workbench.model.building import HeadSettings
from workbench.model.folder import LoadedModel, save_weights
from workbench.model.heads import Head, RegressionHead, TaggingHead, TextHead, VectorHead

STRAIGHT = 2.0**-13
"""tanh(x) is x to a relative error below 3e-7 while |x| < 1e-3, that is for logits up to 8; a
power of two scales float32 without rounding."""
OFFSET = 64.0
"""GELU(x) and ReLU(x) are x to float32 precision for large x; logits above -58 stay there."""
SHARE = 2.0**20
"""How much louder the mean speaks than the first piece's own vector, which the residual adds."""
ANCHOR = 2.0**34
"""Keeps the layer norm's scale constant: it is so large that nothing else changes the norm."""


PROBLEM_TYPES = {"multilabel": "multi_label_classification", "regression": "regression"}
"""By task kind: how transformers calls it, where it has a word for it."""


def write_transformers(loaded: LoadedModel, folder: Path) -> list[Path]:
    """Write one folder per head into a folder that is there and empty.

    Returns:
        The folders, in the order of the tasks.

    Raises:
        CheckpointError: The architecture cannot express one of the heads.
    """
    written = []
    for task, settings in loaded.description.heads.items():
        target = folder / task
        target.mkdir()
        auto, model = _classifier(loaded, task, settings)
        save_weights(model, target / "model.safetensors")
        backbone = loaded.backbone
        encoder_config = backbone.backbone.encoder.config
        backbone.backbone.encoder.config = model.config
        try:
            save_backbone_files(backbone, target, architecture=type(model).__name__)
        finally:
            backbone.backbone.encoder.config = encoder_config
        texts = '"How are you?"' + (', "I am fine."' if settings.pair else "")
        write_card(
            target,
            loaded.description,
            use=(
                f"from transformers import {auto}, AutoTokenizer\n\n"
                f'tokenizer = AutoTokenizer.from_pretrained("{task}")\n'
                f'model = {auto}.from_pretrained("{task}")\n'
                f'logits = model(**tokenizer({texts}, return_tensors="pt")).logits'
            ),
            tags=("text-classification" if "Sequence" in auto else "token-classification",),
        )
        written.append(target)
    return written


def _classifier(loaded: LoadedModel, task: str, settings: HeadSettings) -> tuple[str, nn.Module]:
    """Name of the auto class and the model that computes this head's logits."""
    quiet_transformers()
    import transformers

    head: Head = loaded.model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
    mixed = "a mean of all layers before it, where theirs see the last" * settings.layer_mix
    if why := mixed or _beyond(head):
        raise CheckpointError(
            f'The head of "{task}" cannot be written for transformers: it has {why}.',
            where=f"task {task}",
            next_step="export with --format sentence-transformers, which carries all heads",
        )
    assert isinstance(head, TextHead | TaggingHead)
    weight, bias = head.linear.weight.detach(), head.linear.bias.detach()
    outputs = settings.labels or (task,)
    encoder = loaded.model.backbone.encoder
    config = copy.deepcopy(loaded.model.backbone.config)
    config.num_labels = len(outputs)
    config.id2label = dict(enumerate(outputs))
    config.label2id = {label: number for number, label in enumerate(outputs)}
    config.problem_type = PROBLEM_TYPES.get(settings.kind)
    if isinstance(head, TaggingHead):
        auto = "AutoModelForTokenClassification"
        model = _empty(transformers, auto, config, task)
        _load_encoder(model, encoder)
        layers = [getattr(model, name, None) for name in ("classifier", "score")]
        linear = next((layer for layer in layers if isinstance(layer, nn.Linear)), None)
        # ModernBERT and its like have a layer more before it.
        if linear is None or hasattr(model, "head"):
            raise _cannot(task, config, "has no plain linear layer over the pieces")
        _fill(linear, weight, bias)
        return auto, model
    auto = "AutoModelForSequenceClassification"
    pooling = settings.pooling or loaded.description.pooling
    write_head = FIRST_PIECE_HEADS.get(config.model_type)
    if write_head is None:
        raise _cannot(task, config, "has a classifier whose layers cannot carry this head")
    if pooling.projection or pooling.normalize:
        raise _cannot(task, config, "has no layer between the pooled vector and the classifier")
    mode = pooling.words
    if mode == "mean":
        if config.model_type not in BERT_LIKE:
            raise _cannot(task, config, "cannot average over the pieces")
        if 2 * len(outputs) + 2 > config.hidden_size:
            raise _cannot(task, config, f"is too narrow for {len(outputs)} classes")
        config.num_hidden_layers += 1
    elif mode != "cls":
        raise _cannot(task, config, f'cannot pool by "{mode}"')
    elif len(outputs) > config.hidden_size:
        raise _cannot(task, config, f"is too narrow for {len(outputs)} classes")
    model = _empty(transformers, auto, config, task)
    _load_encoder(model, encoder)
    if mode == "mean":
        layer = getattr(model, model.base_model_prefix).encoder.layer[-1]
        weight = _make_averaging(layer, weight)
    last = write_head(model, weight, bias)
    if isinstance(head, RegressionHead):
        # Theirs says the number itself: in the labels' unit, not in standard deviations.
        with torch.no_grad():
            last.weight.mul_(head.std)
            last.bias.mul_(head.std).add_(head.mean)
    return auto, model


def _beyond(head: Head) -> str:
    """What of a head no classifier of transformers has; empty if nothing."""
    if isinstance(head, VectorHead):
        return "no scores of a text: it compares vectors, which theirs do not give"
    if isinstance(head, TextHead):
        if head.pair == "two":
            return "two texts that are read one by one, where theirs read them as one"
        return "a hidden layer, where theirs are linear" if head.hidden is not None else ""
    if not isinstance(head, TaggingHead):
        return "scores that are not those of one linear layer over the text's vector"
    if head.crf is not None:
        return "a CRF, and the scores before it are not the tags"
    if head.rnn is not None:
        return "a recurrent layer over the words, where theirs see one piece at a time"
    if head.word_pieces != "first":
        return f'word_pieces = "{head.word_pieces}", where theirs are read at the first piece'
    return ""


def _empty(transformers: Any, auto: str, config: Any, task: str) -> Any:
    try:
        return getattr(transformers, auto).from_config(config, dtype=torch.float32).eval()
    except ValueError as error:
        raise _cannot(task, config, f"is not among the models of {auto}") from error


def _load_encoder(model: Any, encoder: nn.Module) -> None:
    target = getattr(model, model.base_model_prefix)
    absent = target.load_state_dict(encoder.state_dict(), strict=False)
    if absent.unexpected_keys:
        raise CheckpointError(
            f"The encoder does not fit its own classifier: {absent.unexpected_keys[0]}.",
            where=model.config.model_type,
            next_step="export with --format sentence-transformers",
        )


def _fill(linear: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.zero_()
        linear.weight[: weight.shape[0], : weight.shape[1]] = weight
        linear.bias[: bias.shape[0]] = bias


def _make_averaging(layer: Any, weight: Tensor) -> Tensor:
    """Turn an encoder layer into one that carries the mean's logits to every position.

    Attention with queries and keys of zero gives each real piece the same share, so its output
    is the mean of the values; the values are the logits before their bias. The layer norm that
    follows divides by a length that `ANCHOR`, in two dimensions of its own, keeps constant.

    Args:
        layer: A BERT-like layer, not yet loaded.
        weight: Of the head, `(classes, hidden)`.

    Returns:
        The map that reads the logits from the layer's output, `(classes, hidden)`.
    """
    classes, hidden = weight.shape
    attention, output = layer.attention.self, layer.attention.output
    zero, none = torch.zeros(hidden, hidden), torch.zeros(hidden)
    _fill(attention.query, zero, none)
    _fill(attention.key, zero, none)
    _fill(attention.value, weight, none[:classes])
    # Class k speaks in dimensions 2k+2 and 2k+3 with opposite signs, so that the sum over all
    # dimensions stays zero and the norm subtracts nothing. The anchor does so in 0 and 1.
    spread = torch.zeros(hidden, hidden)
    numbers = torch.arange(classes)
    spread[2 * numbers + 2, numbers] = SHARE
    spread[2 * numbers + 3, numbers] = -SHARE
    anchor = torch.zeros(hidden)
    anchor[0], anchor[1] = ANCHOR, -ANCHOR
    _fill(output.dense, spread, anchor)
    _fill(layer.intermediate.dense, torch.zeros(1, 1), torch.zeros(1))
    _fill(layer.output.dense, torch.zeros(1, 1), torch.zeros(1))
    with torch.no_grad():
        for norm in (output.LayerNorm, layer.output.LayerNorm):
            norm.weight.fill_(1.0)
            norm.bias.zero_()
    norm_length = ANCHOR * (2.0 / hidden) ** 0.5
    read = torch.zeros(classes, hidden)
    read[numbers, 2 * numbers + 2] = norm_length / SHARE / 2
    read[numbers, 2 * numbers + 3] = -norm_length / SHARE / 2
    return read


def _through_tanh(dense: nn.Linear, out: nn.Linear, weight: Tensor, bias: Tensor) -> nn.Linear:
    classes = len(weight)
    _fill(dense, weight * STRAIGHT, torch.zeros(classes))
    _fill(out, torch.eye(classes) / STRAIGHT, bias)
    return out


def _through_ramp(dense: nn.Linear, out: nn.Linear, weight: Tensor, bias: Tensor) -> nn.Linear:
    classes = len(weight)
    _fill(dense, weight, torch.full((classes,), OFFSET))
    _fill(out, torch.eye(classes), bias - OFFSET)
    return out


def _bert_head(model: Any, weight: Tensor, bias: Tensor) -> nn.Linear:
    return _through_tanh(model.bert.pooler.dense, model.classifier, weight, bias)


def _roberta_head(model: Any, weight: Tensor, bias: Tensor) -> nn.Linear:
    return _through_tanh(model.classifier.dense, model.classifier.out_proj, weight, bias)


def _electra_head(model: Any, weight: Tensor, bias: Tensor) -> nn.Linear:
    return _through_ramp(model.classifier.dense, model.classifier.out_proj, weight, bias)


def _distilbert_head(model: Any, weight: Tensor, bias: Tensor) -> nn.Linear:
    return _through_ramp(model.pre_classifier, model.classifier, weight, bias)


FIRST_PIECE_HEADS: dict[str, Callable[[Any, Tensor, Tensor], nn.Linear]] = {
    "bert": _bert_head,
    "camembert": _roberta_head,
    "distilbert": _distilbert_head,
    "electra": _electra_head,
    "roberta": _roberta_head,
    "xlm-roberta": _roberta_head,
}
"""By model type: writes a linear map of the first piece's vector into the classifier, and returns
the layer that gives its result."""

BERT_LIKE = frozenset(FIRST_PIECE_HEADS) - {"distilbert"}
"""Their layers have the parts that `_make_averaging` sets."""


def _cannot(task: str, config: Any, why: str) -> CheckpointError:
    return CheckpointError(
        f'The head of "{task}" cannot be written for transformers: {config.model_type} {why}.',
        where=f"task {task}",
        next_step="export with --format sentence-transformers, which carries all heads",
    )
