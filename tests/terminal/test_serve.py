"""The interface in a browser: for this machine alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def other_addresses() -> list[str]:
    """Addresses of this machine that others reach."""
    found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    return sorted({str(one[4][0]) for one in found if not str(one[4][0]).startswith("127.")})


def test_only_this_machine_is_served_and_the_tunnel_is_printed(tmp_path: Path) -> None:
    pytest.importorskip("textual_serve", reason="the extra `serve` is not installed")
    port = a_free_port()
    command = [sys.executable, "-m", "workbench", "serve", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--db", str(tmp_path / "experiments.db")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith(f"ssh -L {port}:127.0.0.1:{port} ")
        page = ""
        until = time.monotonic() + 30
        while not page and time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    page = answer.read().decode()
            except OSError:
                time.sleep(0.2)
        assert "mtl-workbench" in page
        for address in other_addresses():
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((address, port), timeout=2)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=20)
