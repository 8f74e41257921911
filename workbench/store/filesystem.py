"""Which file system a database is on, and which journal SQLite may keep there.

A write-ahead log needs memory that all processes on the file share. Over a network there is none:
two machines would each see a log of their own and damage the database. There the older rollback
journal is used, which needs locks only.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_OVER_A_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|coda|gfs2?|glusterfs|gpfs|lustre|ocfs2|orangefs|beegfs|"
    r"davfs2?|fuse\.(sshfs|glusterfs|ceph.*|s3fs|gcsfuse|rclone|davfs|juicefs|moosefs|mfs|smb.*)"
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class FileSystem:
    """What a folder is on."""

    kind: str
    """As the kernel calls it: ext4, nfs4, fuse.sshfs; empty if it cannot be told."""
    mounted_at: str = ""

    @property
    def is_over_a_network(self) -> bool:
        """Whether other machines may have it, too."""
        return _OVER_A_NETWORK.fullmatch(self.kind) is not None

    @property
    def journal_mode(self) -> str:
        """What SQLite's `PRAGMA journal_mode` should be."""
        return "DELETE" if self.is_over_a_network else "WAL"


def file_system_of(path: Path, mounts: str | None = None) -> FileSystem:
    """The file system that a path is on.

    Args:
        path: A file or folder; need not exist.
        mounts: The table of mounts as Linux writes it, by default that of this process. Where
            there is none nothing is known, and the path is taken to be local.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return FileSystem("")
    wanted = os.path.realpath(path)
    best = FileSystem("")
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after.split():
            continue
        point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
        is_above = wanted == point or wanted.startswith(point.rstrip("/") + "/")
        # Of two on the same point the later one hides the earlier.
        if is_above and len(point) >= len(best.mounted_at):
            best = FileSystem(after.split()[0], point)
    return best
