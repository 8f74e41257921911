"""Text to the clipboard of the person's own machine."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from workbench.tui.clipboard import LONGEST, keep, sequence

ENCODED = base64.b64encode("naïve".encode()).decode()


def test_the_terminal_is_told_to_take_the_text() -> None:
    assert sequence("naïve", {}) == f"\x1b]52;c;{ENCODED}\x07"


def test_in_tmux_it_is_sent_wrapped_as_well() -> None:
    sent = sequence("naïve", {"TMUX": "/tmp/tmux-0/default,1,0"})

    assert sent.startswith(f"\x1b]52;c;{ENCODED}\x07")
    assert sent.endswith(f"\x1bPtmux;\x1b\x1b]52;c;{ENCODED}\x07\x1b\\")


def test_what_a_terminal_would_cut_off_is_not_sent() -> None:
    assert sequence("x" * LONGEST, {}) == ""


def test_the_text_is_in_a_file_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    file = keep("naïve", "command.sh")

    assert file == tmp_path / "mtl-workbench" / "command.sh"
    assert file.read_text(encoding="utf-8") == "naïve"


def test_a_cache_that_cannot_be_written_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()

    assert keep("x", "a.txt").read_text() == "x"
