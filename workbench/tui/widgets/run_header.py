"""The head of the screen of a run: what it is, how far it is, how good it is."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from workbench.operations.reading import RunSummary
from workbench.tui import figures
from workbench.tui.states import state_colour, state_word
from workbench.tui.visible import visible
from workbench.tui.widgets.run_table import best_words


class RunHeader(Widget):
    """Three lines; repainted only when one of them differs."""

    DEFAULT_CSS = """
    RunHeader {
        height: 3;
        padding: 0 1;
        background: $background;
        color: $foreground;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._run: RunSummary | None = None
        self._epoch: float | None = None
        self._content = Content()

    def show_run(self, run: RunSummary | None, epoch: float | None) -> None:
        """Show this run; `epoch` is the passes over its data, None if not known."""
        self._run, self._epoch = run, epoch
        content = self._describe()
        if not content.is_same(self._content):
            self.refresh()

    def render(self) -> Content:
        """Name and state, progress, metrics."""
        self._content = self._describe()
        return self._content

    def _describe(self) -> Content:
        if self._run is None:
            return Content()
        width = self.content_size.width
        lines = (
            _title(self._run),
            _progress(self._run, self._epoch, width),
            best_words(self._run, width),
        )
        return Content("\n").join(line.truncate(width, ellipsis=True) for line in lines)


def _title(run: RunSummary) -> Content:
    return Content.assemble(
        state_word(run.state),
        "  ",
        (visible(run.record.name), "bold"),
        (f"  {visible(run.record.id)}", "$foreground 65%"),
        (f"  {visible(run.why)}", "$foreground 65%"),
    )


def _progress(run: RunSummary, epoch: float | None, width: int) -> Content:
    part = figures.share(run.step, run.total_steps)
    facts = [f"step {run.step}/{run.total_steps or '?'}"]
    if epoch is not None:
        facts.append(f"epoch {epoch:.2f}/{run.record.config.training.epochs}")
    if not run.state.is_over:
        if run.phase and run.phase != "training":
            facts.insert(0, visible(run.phase))
        facts.append(f"ETA {figures.duration(run.eta_seconds)}")
    if run.texts_per_second:
        facts.append(f"{run.texts_per_second:.0f} texts/s")
    facts.append(f"took {figures.duration(run.seconds)}" if run.state.is_over
                 else f"elapsed {figures.duration(run.seconds)}")  # fmt: skip
    words = "  ".join(facts)
    cells = max(6, width - len(words) - 7)
    done, open_part = figures.progress_bar(part, cells)
    return Content.assemble(
        (done, state_colour(run.state)),
        (open_part, "$foreground 40%"),
        (f" {figures.percent(part):>4}  ", "bold"),
        (words, "$foreground 65%"),
    )
