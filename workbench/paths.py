"""Where the database, the run folders, the cache and the presets are."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath

DATABASE_NAME = "experiments.db"
DATABASE_VARIABLE = "MTL_WORKBENCH_DB"
CACHE_VARIABLE = "MTL_WORKBENCH_CACHE"
_RUN_ID = re.compile(r"[a-z0-9]{1,32}")


@dataclass(frozen=True)
class Location:
    """A database and the folder that its runs' files are in."""

    url: str
    """SQLAlchemy URL."""
    runs: Path
    """Folder with one sub-folder per run; made when the first run starts."""

    @property
    def database_file(self) -> Path | None:
        """The SQLite file, or None for a database server."""
        prefix = "sqlite:///"
        return Path(self.url.removeprefix(prefix)) if self.url.startswith(prefix) else None

    def run_folder(self, run_id: str) -> Path:
        """Folder of one run: config, log, checkpoints, exports."""
        return self.runs / safe_name(run_id)


def is_run_id(text: str) -> bool:
    """Whether it can be the id of a run, and so the name of a folder that leads nowhere else."""
    return _RUN_ID.fullmatch(text) is not None


def safe_name(text: str) -> str:
    """The id of a run out of a database as the name of its folder.

    What is none is nothing that this program wrote: it becomes a name that no run has.
    """
    if is_run_id(text):
        return text
    return f"invalid-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:16]}"


def safe_relative(text: str) -> str:
    """A path out of a database, if it stays beneath the folder that it is relative to."""
    parts = PurePosixPath(text).parts
    is_safe = bool(parts) and not text.startswith("/") and ".." not in parts and "\0" not in text
    return text if is_safe else safe_name(f"/{text}")


def find_database(given: str | None = None, *, start: Path | None = None) -> Location:
    """Decide which database is meant.

    Args:
        given: A file or an SQLAlchemy URL, as after `--db`; beats all else.
        start: Where to look from; the current folder by default.

    Returns:
        `given`, else the variable MTL_WORKBENCH_DB, else the nearest `experiments.db` in
        `start` or a folder above it, else `experiments.db` in `start`, which need not exist.
        Runs live beside a SQLite file, and under the current folder for a database server.
    """
    start = (start or Path.cwd()).resolve()
    given = given or os.environ.get(DATABASE_VARIABLE)
    if given and "://" in given and not given.startswith("sqlite:///"):
        return Location(given, start / "runs")
    if given:
        file = (start / Path(given.removeprefix("sqlite:///")).expanduser()).resolve()
    else:
        above = (folder / DATABASE_NAME for folder in (start, *start.parents))
        file = next((path for path in above if path.is_file()), start / DATABASE_NAME)
    return Location(f"sqlite:///{file}", file.parent / "runs")


def cache_folder() -> Path:
    """Folder of what runs keep for each other: MTL_WORKBENCH_CACHE, else the user's own cache."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "mtl-workbench"


def shipped_presets() -> Path:
    """Folder with the presets that travel with the program.

    In an installed wheel it is inside the package, in a checkout at the root.
    """
    inside = Path(str(files("workbench"))) / "presets"
    return inside if inside.is_dir() else Path(str(files("workbench"))).parent / "presets"
