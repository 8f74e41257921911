"""What is sent to the terminal when a few cells change: those cells, and little else.

Textual 8 cuts an update off at the right of what changed, not at the left: one new point at the
end of a curve sends its whole row again, for each row of each chart, each second. Over SSH that
is most of the traffic of a live page. Full repaints stay Textual's own.
"""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate


class CroppedUpdate(ChopsUpdate):
    """The same update, cut off at both sides; two parts that touch are sent as one."""

    def __init__(self, update: ChopsUpdate) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        """The cells of every span, each after a move of the terminal's cursor to its start."""
        parts: list[str] = []
        for y, first, end in self.spans:
            at = -1
            for strip_end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=True):
                left, right = max(x, first), min(strip_end, end)
                if strip is None or left >= right:
                    continue
                if left != at:
                    parts.append(Control.move_to(left, y).segment.text)
                parts.append(strip.crop(left - x, right - x).simplify().render(console))
                at = right
        return "".join(parts)
