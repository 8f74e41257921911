"""The run under the cursor in a few lines: all that had no room in its row."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from workbench.operations.reading import RunSummary
from workbench.tui import figures
from workbench.tui.states import state_word
from workbench.tui.visible import visible
from workbench.tui.widgets.run_table import best_words


class RunDetail(Static):
    """Four lines under the table of runs."""

    DEFAULT_CSS = """
    RunDetail {
        height: 5;
        padding: 0 1;
        border-top: solid $border-blurred;
        color: $foreground;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """

    def show_run(self, run: RunSummary | None) -> None:
        """Show this run, or nothing."""
        self.update(Content("\n").join(_lines(run)) if run is not None else Content())


def _lines(run: RunSummary) -> list[Content]:
    dot = ("  ·  ", "$foreground 40%")
    facts = [f"step {run.step} of {run.total_steps or '?'}"]
    if run.eta_seconds is not None:
        facts += [f"{figures.duration(run.seconds)} so far"]
        facts += [f"{figures.duration(run.eta_seconds)} to go"]
    elif run.state.is_over:
        facts.append(f"took {figures.duration(run.seconds)}")
    if run.texts_per_second:
        facts.append(f"{run.texts_per_second:.0f} texts/s")
    if run.record.source:
        facts.append(f"from {visible(run.record.source)}")
    return [
        Content.assemble(
            state_word(run.state),
            "  ",
            (visible(run.record.name), "bold"),
            (f"  {visible(run.record.id)}", "$foreground 65%"),
        ),
        Content.styled(visible(run.why), "$foreground 65%"),
        Content.assemble(facts[0], *[part for fact in facts[1:] for part in (dot, fact)]),
        best_words(run),
    ]
