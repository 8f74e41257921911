"""Keeps tokens and passwords out of what is stored or shown: messages, logs, tracebacks.

Libraries put what they were given into their errors. Nothing of this program asks for a token; the
hub's own client reads it where people keep it.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

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
