"""What a screen says while it has nothing to show: what belongs here, and what to press."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from textual.content import Content
from textual.widgets import Static

_LONGEST_LINE = 76


class EmptyState(Static):
    """A headline, a sentence and keys, in the middle of the room it has."""

    DEFAULT_CSS = """
    EmptyState {
        height: 1fr;
        content-align: center middle;
        text-align: center;
        color: $text-muted;
        padding: 1 4;
    }
    """

    def __init__(self, headline: str, sentence: str, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._headline, self._sentence, self._keys = headline, sentence, keys

    def on_resize(self) -> None:
        """Write it, in lines that fit."""
        width = max(20, min(_LONGEST_LINE, self.content_size.width))
        lines = [
            Content.styled(self._headline, "bold $foreground"),
            Content(),
            *(Content(line) for line in wrap(self._sentence, width)),
            Content(),
            Content("     ").join(
                Content.assemble((key, "bold $text-accent"), f"  {words}")
                for key, words in self._keys
            ),
        ]
        self.update(Content("\n").join(lines))
