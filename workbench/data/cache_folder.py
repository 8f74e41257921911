"""The folder of what runs keep for each other: its entries, their age and size, and its cap.

    features/<key>/about.json, <segment>/…      states of a frozen part of a backbone
    tokens/<key>/about.json, <segment>/…        word pieces of texts
    rows/<key>/about.json, <segment>/…          texts and labels of a file, as one task reads them

A segment is a folder of NumPy files that appears under its name when it is whole and is never
changed. So many processes may read and write at once; what is deleted under a reader stays readable
to it, as it has its files open. No torch here: the command that lists the cache starts quickly.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ABOUT = "about.json"
_ASIDE = ".writing-"
_STALE_SECONDS = 24 * 3600.0
"""A segment that was begun longer ago than this belongs to a process that is gone."""


@dataclass(frozen=True)
class CacheEntry:
    """All segments of one key."""

    kind: str
    """features, tokens or rows."""
    key: str
    about: str
    """What it holds, in words."""
    bytes: int
    used_at: float
    """When it was last read or written, in seconds since 1970."""
    folder: Path


def entry_folder(root: Path, kind: str, key: str, about: str) -> Path:
    """Folder of an entry; made if it is not there.

    Raises:
        OSError: It cannot be made.
    """
    folder = root / kind / key
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / ABOUT
    if not file.is_file():
        file.write_text(json.dumps({"about": about}), encoding="utf-8")
    return folder


def segments(folder: Path) -> list[Path]:
    """The whole segments of an entry, oldest first."""
    with suppress(OSError):
        found = [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
        return sorted(found, key=lambda path: (path.stat().st_mtime, path.name))
    return []


@contextmanager
def new_segment(folder: Path) -> Iterator[Path]:
    """A folder to write a segment into; it gets its name when the block ends without an error.

    Raises:
        OSError: The disk is full or cannot be written; nothing is left behind.
    """
    aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=folder))
    try:
        yield aside
        aside.rename(folder / aside.name.removeprefix(_ASIDE))
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def touch(folder: Path) -> None:
    """Note that an entry was used."""
    with suppress(OSError):
        os.utime(folder / ABOUT)


def entries(root: Path) -> list[CacheEntry]:
    """All entries, the one used last first."""
    found = []
    for file in root.glob(f"*/*/{ABOUT}"):
        with suppress(OSError, ValueError, AttributeError):  # one may be deleted meanwhile
            about = json.loads(file.read_text(encoding="utf-8")).get("about", "")
            size = sum(path.stat().st_size for path in file.parent.rglob("*") if path.is_file())
            found.append(
                CacheEntry(
                    kind=file.parent.parent.name,
                    key=file.parent.name,
                    about=str(about),
                    bytes=size,
                    used_at=file.stat().st_mtime,
                    folder=file.parent,
                )
            )
    return sorted(found, key=lambda entry: -entry.used_at)


def remove(entry: CacheEntry) -> None:
    """Delete an entry; first out of sight, so that nobody begins to read it."""
    doomed = entry.folder.with_name(f".{entry.key}.removing")
    with suppress(OSError):
        entry.folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def shrink(root: Path, most_bytes: int, *, keep: Mapping[Path, int] | None = None) -> int:
    """Delete what was not used for the longest time until the cache has at most `most_bytes`.

    Args:
        root: The cache.
        most_bytes: What may stay.
        keep: Folders of entries that stay in any case, with the bytes about to be added there.

    Returns:
        What the cache holds and will hold, in bytes.
    """
    _remove_stale(root)
    keep = keep or {}
    there = entries(root)
    total = sum(entry.bytes for entry in there) + sum(keep.values())
    for entry in reversed(there):
        if total <= most_bytes:
            break
        if entry.folder not in keep:
            remove(entry)
            total -= entry.bytes
    return total


def _remove_stale(root: Path) -> None:
    for aside in root.glob(f"*/*/{_ASIDE}*"):
        with suppress(OSError):
            if time.time() - aside.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(aside, ignore_errors=True)
