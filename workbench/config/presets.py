"""The named experiments that travel with the program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.errors import NotFoundError, nearest
from workbench.paths import shipped_presets


@dataclass(frozen=True)
class PresetInfo:
    """One preset, as its first lines describe it."""

    name: str
    """What to call it: the file's name without `.toml`."""
    path: Path
    summary: str
    """Its first comment line."""
    header: str
    """All its leading comment lines: what for, how long, how to run it."""


def list_presets(folder: Path | None = None) -> list[PresetInfo]:
    """The presets in `folder` (those that are shipped, if none is given), by name."""
    folder = folder or shipped_presets()
    return [_describe(path) for path in sorted(folder.glob("*.toml"))]


def find_preset(name: str, folder: Path | None = None) -> PresetInfo:
    """The preset of that name.

    Raises:
        NotFoundError: There is none; says which is nearest.
    """
    presets = {preset.name: preset for preset in list_presets(folder)}
    if name not in presets:
        raise NotFoundError(
            f'There is no preset "{name}".',
            where=str(folder or shipped_presets()),
            next_step=f"{nearest(name, presets)}; or give the path of a TOML file",
        )
    return presets[name]


def _describe(path: Path) -> PresetInfo:
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("#").strip())
    summary = next((line for line in lines if line), "")
    return PresetInfo(path.stem, path, summary, "\n".join(lines))
