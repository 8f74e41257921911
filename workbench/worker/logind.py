"""Whether what is started here outlives the person's logout, and how to see to it.

Where logind is told to kill a user's processes (`KillUserProcesses=yes`), a session of one's own
does not help: everything in the session's control group goes. A scope of the user's own service
manager is outside of it; that manager itself stays only for users who linger.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCOPE = ("systemd-run", "--user", "--scope", "--quiet", "--collect", "--")
_FOLDERS = ("/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd")
_YES = {"yes", "true", "on", "1", "y", "t"}


@dataclass(frozen=True)
class Logind:
    """What matters of this login."""

    kills: bool
    """Whether logind kills this user's processes at logout."""
    in_session: bool
    """Whether this process belongs to a login session at all."""
    has_user_manager: bool
    """Whether systemd-run can ask the user's own service manager."""
    lingers: bool
    """Whether that manager stays when the user has logged out."""


@dataclass(frozen=True)
class WayToStart:
    """How to start what is to stay."""

    before: tuple[str, ...] = ()
    """Words to put before the program."""
    warning: str = ""
    """What the person should know, with what to do."""


def way_to_start(logind: Logind) -> WayToStart:
    """How to start a process that outlives a logout, as far as that can be had."""
    if not (logind.kills and logind.in_session):
        return WayToStart()
    if not logind.has_user_manager:
        return WayToStart(
            warning="When you log out, this machine ends the run (KillUserProcesses=yes in "
            "logind.conf). Stay logged in, start it from a system service, or ask for "
            "KillExcludeUsers to name you."
        )
    if not logind.lingers:
        return WayToStart(
            SCOPE,
            "When you log out everywhere, this machine ends the run (KillUserProcesses=yes in "
            "logind.conf). Let your processes stay: loginctl enable-linger",
        )
    return WayToStart(SCOPE)


def look_at_logind(root: Path = Path("/"), user: str | None = None) -> Logind:
    """What matters of this login, out of the files of systemd beneath `root`."""
    user = user or getpass.getuser()
    texts = [_read(file) for file in _configuration_files(root)]
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    has_bus = (root / runtime.lstrip("/") / "systemd" / "private").exists()
    return Logind(
        kills=kills_processes_of(user, texts),
        in_session=bool(re.search(r"session-[^/]*\.scope", _read(root / "proc/self/cgroup"))),
        has_user_manager=has_bus and shutil.which("systemd-run") is not None,
        lingers=(root / "var/lib/systemd/linger" / user).exists(),
    )


def kills_processes_of(user: str, configuration: Sequence[str]) -> bool:
    """Whether logind kills a user's processes at logout.

    Args:
        user: The name.
        configuration: Texts of logind.conf and its additions; later ones win.
    """
    values = {"KillUserProcesses": "no", "KillOnlyUsers": "", "KillExcludeUsers": "root"}
    for text in configuration:
        for line in text.splitlines():
            key, _, value = line.partition("=")
            if key.strip() in values:
                values[key.strip()] = value.strip()
    if values["KillUserProcesses"].lower() not in _YES:
        return False
    only, excluded = values["KillOnlyUsers"].split(), values["KillExcludeUsers"].split()
    return user not in excluded and (not only or user in only)


def _configuration_files(root: Path) -> list[Path]:
    """The main file that wins, then the additions in the order of their names."""
    folders = [root / folder.lstrip("/") for folder in _FOLDERS]
    main = [folder / "logind.conf" for folder in folders if (folder / "logind.conf").is_file()]
    additions: dict[str, Path] = {}
    for folder in folders:
        for file in (folder / "logind.conf.d").glob("*.conf"):
            additions[file.name] = file  # of two of one name that of the stronger folder counts
    return [*main[-1:], *(additions[name] for name in sorted(additions))]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
