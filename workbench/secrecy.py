"""Keeps tokens and passwords out of what is stored or shown: settings, messages, logs, tracebacks.

Libraries put what they were given into their errors. Nothing of this program asks for a token; the
hub's own client reads it where people keep it.
"""

from __future__ import annotations

import io
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import IO, TextIO

VARIABLES = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HUGGINGFACE_HUB_TOKEN",
    "HUGGINGFACE_TOKEN",
    "HUGGINGFACEHUB_API_TOKEN",
)
HIDDEN = "[hidden]"
_SHORTEST = 8
"""A shorter value is no token, and hiding each place of it would spoil the text."""
# Without a boundary before them: in JSON the n of an escaped line end may stand there.
_TOKEN = re.compile(r"hf_[A-Za-z0-9_]{16,}|api_org_[A-Za-z0-9]{16,}")
# What somebody typed is only refused where it can be nothing else: a folder may be called hf_….
_TYPED = re.compile(r"(?<![A-Za-z0-9_])(?:hf_|api_org_)[A-Za-z0-9]{20,}(?![A-Za-z0-9_])")
_BEARER = re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/-]{16,}=*")
_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@\"']*:)[^\s/@\"']+(@)")


def scrub(text: str) -> str:
    """The text with every token and every password of a URL hidden."""
    for secret in _secrets():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    if "hf_" in text or "api_org_" in text:
        text = _TOKEN.sub(HIDDEN, text)
    if "earer" in text or "EARER" in text:
        text = _BEARER.sub(rf"\g<1>{HIDDEN}", text)
    if "://" in text and "@" in text:
        text = _PASSWORD.sub(rf"\g<1>{HIDDEN}\g<2>", text)
    return text


def holds_token(text: str) -> bool:
    """Whether a token of the hub is in what somebody typed."""
    return _TYPED.search(text) is not None or any(secret in text for secret in _secrets())


class Hiding(io.TextIOBase):
    """A text stream that hides tokens and passwords in what is written to it.

    In each write by itself: a token that comes in two pieces is not seen. What goes past Python,
    as the last words of a crash do, goes past this.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        """Write it, and send it on its way."""
        self._stream.write(scrub(text))
        self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""
        self._stream.flush()

    def fileno(self) -> int:
        """The descriptor beneath."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether somebody looks."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """It is."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base has it as a plain attribute
        """That of the stream beneath."""
        return self._stream.encoding

    @property
    def buffer(self) -> IO[bytes]:
        """The bytes beneath, for those who write bytes; nothing is hidden in them."""
        return self._stream.buffer


def hide_in_outputs() -> None:
    """Let whatever this process prints from now on have its tokens hidden."""
    if sys.stdout is not None:
        sys.stdout = Hiding(sys.stdout)
    if sys.stderr is not None:
        sys.stderr = Hiding(sys.stderr)


def _secrets() -> list[str]:
    values = [os.environ.get(name, "") for name in VARIABLES]
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    values.append(_token_in(os.environ.get("HF_TOKEN_PATH") or f"{home}/token"))
    return [value for value in values if len(value) >= _SHORTEST]


@cache
def _token_in(file: str) -> str:
    try:
        return Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, ValueError, RuntimeError):
        return ""
