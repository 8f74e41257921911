"""Text to the clipboard of the person's own machine, over SSH and through tmux.

OSC 52 is an escape sequence that the terminal obeys, wherever the program runs. Whether it did
cannot be asked, so the text is always put into a file as well, whose path is told.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from textual.app import App

LONGEST = 74_994
"""Characters of base64: what the terminals in use take without cutting it off."""


def sequence(text: str, variables: Mapping[str, str] | None = None) -> str:
    """What to send to the terminal, empty if the text is too long for it.

    Args:
        text: What is to be on the clipboard.
        variables: The environment; this process's own by default.
    """
    variables = os.environ if variables is None else variables
    encoded = base64.b64encode(text.encode()).decode()
    if len(encoded) > LONGEST:
        return ""
    plain = f"\x1b]52;c;{encoded}\x07"
    if variables.get("TMUX"):
        # tmux obeys the plain one if set-clipboard is on, else lets the wrapped one through.
        escaped = plain.replace("\x1b", "\x1b\x1b")
        return f"{plain}\x1bPtmux;{escaped}\x1b\\"
    if variables.get("STY"):
        return f"\x1bP{plain}\x1b\\"
    return plain


def keep(text: str, name: str) -> Path:
    """Put the text into a file of that name in the user's cache, else in a temporary folder.

    Raises:
        OSError: Neither can be written.
    """
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    for folder in (caches / "mtl-workbench", Path(tempfile.gettempdir()) / "mtl-workbench"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / name
            file.write_text(text, encoding="utf-8")
        except OSError:
            continue
        return file
    raise OSError(f"no folder to keep {name} in")


def copy(app: App[object], text: str, name: str) -> str:
    """Copy a text and say what came of it.

    Args:
        app: Whose terminal it is sent to.
        text: What is to be on the clipboard.
        name: Of the file that has it, too.
    """
    sent = sequence(text)
    if sent and app._driver is not None:
        app._driver.write(sent)
    try:
        where = f"in {keep(text, name)}"
    except OSError:
        where = "nowhere else: no folder can be written to"
    if not sent:
        return f"Too long for the clipboard; it is {where}."
    return f"Copied {len(text)} characters. If your terminal does not take them, they are {where}."
