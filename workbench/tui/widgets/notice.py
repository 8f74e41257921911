"""One line that says what is wrong with what the screen shows, and is gone when it is mended."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from workbench.errors import Problem
from workbench.tui.visible import visible


class Notice(Static):
    """Hidden while there is nothing to say."""

    DEFAULT_CSS = """
    Notice {
        display: none;
        height: auto;
        max-height: 4;
        padding: 0 1;
        background: $error 15%;
        color: $foreground;
        &.-shown { display: block; }
    }
    """

    def tell(self, problems: Sequence[Problem]) -> None:
        """Show the problems, or nothing if there is none."""
        self.set_class(bool(problems), "-shown")
        self.update(problem_lines(problems))


def problem_lines(problems: Sequence[Problem]) -> Content:
    """Problems as text: what, where and next in words, with a glyph before each."""
    lines = []
    for problem in problems:
        lines.append(Content.assemble(("✗ ", "$text-error bold"), (visible(problem.what), "bold")))
        if problem.where:
            lines.append(_part("where", problem.where))
        if problem.next_step:
            lines.append(_part("next ", problem.next_step))
    return Content("\n").join(lines)


def _part(word: str, text: str) -> Content:
    return Content.assemble((f"  {word} ", "$foreground 65%"), visible(text))
