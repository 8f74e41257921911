"""Why a run did not come to its end, and what to do next; hidden for a run that is well."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from workbench.operations.reading import RunSummary
from workbench.tui.visible import visible
from workbench.worker.liveness import RunState

_HEADLINES = {
    RunState.FAILED: "The run failed",
    RunState.CRASHED: "The worker is gone without a word",
    RunState.LOST: "The machine was restarted under the run",
    RunState.SILENT: "No sign of life",
    RunState.WITHDRAWN: "The run never began",
}
_IS_NO_FAILURE = {RunState.SILENT, RunState.WITHDRAWN}


class FailurePanel(Static):
    """What, where, next: from the run's exit record, or from the facts of its state."""

    DEFAULT_CSS = """
    FailurePanel {
        display: none;
        height: auto;
        max-height: 9;
        margin: 0 1;
        padding: 0 1;
        border: round $error;
        border-title-color: $text-error;
        border-title-style: bold;
        &.-shown { display: block; }
        &.-mild { border: round $warning; border-title-color: $text-warning; }
    }
    """

    def show_run(self, run: RunSummary | None) -> None:
        """Show what went wrong with this run, if anything did."""
        is_bad = run is not None and run.state in _HEADLINES
        self.set_class(is_bad, "-shown")
        if run is None or not is_bad:
            return
        self.set_class(run.state in _IS_NO_FAILURE, "-mild")
        self.border_title = Content(f" ✗ {_HEADLINES[run.state]} ")
        exit_record = run.exit
        what = exit_record.what if exit_record else run.why
        where = exit_record.where if exit_record else ""
        next_step = exit_record.next_step if exit_record else ""
        if run.state is RunState.WITHDRAWN:
            next_step = "press p to begin it after all, or D in the list of runs to delete it"
        lines = [Content.styled(visible(what), "bold")]
        lines += [_part("where", visible(where))] if where else []
        lines += [_part("next ", visible(next_step or "press o to read the end of the log"))]
        self.update(Content("\n").join(lines))


def _part(word: str, text: str) -> Content:
    return Content.assemble((f"{word}  ", "$foreground 65%"), text)
