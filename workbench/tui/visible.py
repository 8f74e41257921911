"""Text from outside (names, labels, paths, log lines) made safe to put on a terminal.

Such text is data: an escape sequence in it is shown, not obeyed. Markup needs no care here,
since the screens make `Content` of it, which is not parsed. Titles of borders, too: Textual reads
a plain string there as markup, and its own `escape` lets some through (`[/x` with no end).
"""

from __future__ import annotations

import re

# What joins letters or keeps them apart (U+200C, U+200D) stays: Persian and emoji need it.
UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """Replace by a sign what is unsafe: control characters, those that turn the writing direction
    or end a line, those that nobody would see, and halves of pairs, which cannot be written.
    """
    return UNSAFE.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "�"
