"""What runs keep for each other on the disk: looked at, and let go."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.data.cache_folder import CacheEntry, entries, remove
from workbench.paths import cache_folder

DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class CacheListing:
    """The cache of this machine's user."""

    folder: str
    entries: tuple[CacheEntry, ...]
    """The one used last first."""

    @property
    def bytes(self) -> int:
        """Size of all of them."""
        return sum(entry.bytes for entry in self.entries)


def list_cache() -> CacheListing:
    """All that is in the cache. It belongs to a user, not to a database."""
    folder = cache_folder()
    return CacheListing(str(folder), tuple(entries(folder)))


def clear_cache(
    *, unused_days: float | None = None, keep_megabytes: float | None = None
) -> Sequence[CacheEntry]:
    """Delete what fits; a run that is at work goes on reading what it has open.

    Args:
        unused_days: Only what was not used for so long.
        keep_megabytes: Only so much that this remains, what was used last staying longest.
            Without both, all of it.

    Returns:
        What was deleted.
    """
    doomed = list(entries(cache_folder()))
    if unused_days is not None:
        limit = time.time() - unused_days * DAY_SECONDS
        doomed = [entry for entry in doomed if entry.used_at <= limit]
    if keep_megabytes is not None:
        room = keep_megabytes * 1e6 - sum(
            entry.bytes for entry in entries(cache_folder()) if entry not in doomed
        )
        while doomed and doomed[0].bytes <= room:
            room -= doomed.pop(0).bytes
    for entry in doomed:
        remove(entry)
    return doomed
