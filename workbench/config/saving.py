"""An experiment as a preset of one's own."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from workbench.config import checks
from workbench.config.experiment import ExperimentConfig
from workbench.config.loading import load_experiment, to_toml
from workbench.errors import ConfigError


def save_preset(
    config: ExperimentConfig, path: Path, *, about: str = "", overwrite: bool = False
) -> Path:
    """Write an experiment as a TOML file that `train` and the form can be given.

    Data files below the file's folder are written relative to it, so that the two can be moved
    together. The file is read again before it takes the place of another.

    Args:
        config: The experiment.
        path: The file; `.toml` is added where there is no ending.
        about: What it is for: its first lines, as comments.
        overwrite: Whether a file that is there may be replaced.

    Returns:
        The file.

    Raises:
        ConfigError: A file is there already, or it cannot be written.
    """
    file = Path(os.path.abspath(path.expanduser()))
    if file.suffix != ".toml":
        file = file.with_name(f"{file.name}.toml")
    if checks.is_file(file) and not overwrite:
        raise ConfigError(
            f"There is a file {file.name} already.",
            where=str(file.parent),
            next_step="save once more to write over it, or give another name",
        )
    draft = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(_header(about) + to_toml(_relative(config, file.parent)), encoding="utf-8")
        load_experiment(draft, check_files=False)
        draft.replace(file)
    except OSError as error:
        raise ConfigError(
            f"The preset cannot be written: {error.strerror}.",
            where=str(file),
            next_step="give a folder that you may write to",
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return file


def _header(about: str) -> str:
    lines = [f"# {line.strip()}".rstrip() for line in about.strip().splitlines()]
    return "\n".join(lines) + "\n" if lines else ""


def _relative(config: ExperimentConfig, folder: Path) -> ExperimentConfig:
    """Data files below the folder as they are called from there."""
    values = config.model_dump(mode="json")
    for key, written in list(checks.data_files(values)):
        if Path(written).is_relative_to(folder):
            section = values
            for part in key[:-1]:
                section = section[part]
            section[key[-1]] = str(Path(written).relative_to(folder))
    return ExperimentConfig.model_validate(values, strict=False)
