"""What every operation works on: a database and the folder with its runs' files."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from workbench.paths import Location, find_database
from workbench.store.run_store import RunStore


@dataclass(frozen=True)
class Workspace:
    """An open database and the place of its run folders. Close it, or use it in a `with`."""

    location: Location
    store: RunStore

    def close(self) -> None:
        """Close the database; runs that are at work go on."""
        self.store.close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_workspace(db: str | None = None) -> Workspace:
    """Open the database that is meant, and make it if there is none yet.

    Args:
        db: A file or an SQLAlchemy URL, as after `--db`; without it see `find_database`.

    Raises:
        StoreError: It cannot be opened.
    """
    location = find_database(db)
    return Workspace(location, RunStore.open(location.url))
