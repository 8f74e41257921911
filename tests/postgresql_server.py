"""A true PostgreSQL server for the tests, on a loopback port, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from sqlalchemy import create_engine, text

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # the tests end processes, not the machine
    "max_connections": "60",
    "shared_buffers": "32MB",
}


def why_not() -> str:
    """Why there can be no server here; empty if there can."""
    if _program("initdb") is None or _program("pg_ctl") is None:
        return "no PostgreSQL server is installed (Debian: apt install postgresql)"
    if os.geteuid() == 0 and (shutil.which("setpriv") is None or _user() is None):
        return "PostgreSQL does not run as root, and there is no way to be somebody else"
    return ""


class PostgresqlServer:
    """Made, started, and gone with its folder at the end."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mtl-workbench-postgresql-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"postgresql+psycopg://workbench@127.0.0.1:{self.port}/postgres"
        if os.geteuid() == 0:
            user = pwd.getpwnam(str(_user()))
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        self._run("initdb", "-A", "trust", "-U", "workbench", "-E", "UTF8", "--no-locale", "-N")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {key}='{value}'" for key, value in _OPTIONS.items())
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "-w", "-l", log, "-o", f"-p {self.port} {options}")

    def stop(self, how: str = "immediate") -> None:
        """Stop it: `immediate` is a crash, `fast` ends all connections in order."""
        self._run("pg_ctl", "stop", "-w", "-m", how)

    def restart(self) -> None:
        """Crash it and start it again."""
        self.stop()
        self.start()

    def empty(self) -> None:
        """Drop all tables."""
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
            )
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        before: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam(str(_user()))
            before = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}"]
            before += ["--clear-groups", "--"]
        data = str(self._folder / "data")
        done = subprocess.run(
            [*before, str(_program(program)), "-D", data, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def _program(name: str) -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    on_path = shutil.which(name)
    return found[-1] if found else Path(on_path) if on_path else None


def _user() -> str | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return None
