"""The run under the cursor in a few lines: all that had no room in its row."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from workbench.operations.folding import Fold
from workbench.operations.reading import RunSummary
from workbench.tui import figures
from workbench.tui.states import state_word
from workbench.tui.visible import visible
from workbench.tui.widgets.run_table import best_words
from workbench.worker.liveness import RunState

_NOT_BEGUN = {RunState.QUEUED, RunState.WITHDRAWN}


class RunDetail(Static):
    """Four lines under the table of runs; where there is room, its settings and tasks too."""

    DEFAULT_CSS = """
    RunDetail {
        height: 5;
        padding: 0 1;
        border-top: solid $border-blurred;
        border-title-color: $text-muted;
        color: $foreground;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._run: RunSummary | None = None
        self._fold: Fold | None = None

    def show_run(self, run: RunSummary | None, fold: Fold | None = None) -> None:
        """Show this run, or nothing; of folded seeds what each of them reached."""
        self._run, self._fold = run, fold if fold is not None and len(fold.runs) > 1 else None
        self._describe()

    def on_resize(self) -> None:
        """As many words as there is room for now."""
        self._describe()

    def _describe(self) -> None:
        width = self.content_size.width
        lines = _lines(self._run, width) if self._run is not None else []
        if self._run is not None and self._fold is not None:
            lines[1] = _seeds(self._fold)
            lines[2] = Content.styled("⏎ shows each seed   c compares them", "$foreground 65%")
        elif self._run is not None:
            lines[0] += _kept(self._run)
        if self.content_size.height > len(lines) > 0 and self._run is not None:
            best = best_words(self._run, 0) if self._run.selection is None else _best(self._run)
            reached = [] if self._run.state in _NOT_BEGUN else [best]
            lines[-1:] = [*reached, _settings(self._run), Content(), *_tasks(self._run)]
        self.update(Content("\n").join(lines))


def _lines(run: RunSummary, width: int) -> list[Content]:
    dot = ("  ·  ", "$foreground 40%")
    is_begun = run.state not in _NOT_BEGUN
    facts = ["not begun" if not is_begun else f"step {run.step} of {run.total_steps or '?'}"]
    if run.eta_seconds is not None:
        facts += [f"{figures.duration(run.seconds)} so far"]
        facts += [f"{figures.duration(run.eta_seconds)} to go"]
    elif run.state.is_over and is_begun:
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
        best_words(run, width) if is_begun else _settings(run),
    ]


def _kept(run: RunSummary) -> Content:
    """What people added: star, tags, note."""
    one = run.keeping
    return Content.assemble(
        ("  ★" if one.starred else "", "$text-accent"),
        ("".join(f"  #{visible(tag)}" for tag in one.tags), "$text-secondary"),
        ("  archived" if one.archived_at else "", "$text-warning"),
        ("  in the trash" if one.deleted_at else "", "$text-warning"),
        f"  {visible(' '.join(one.note.split()))}" if one.note else "",
    )


def _seeds(fold: Fold) -> Content:
    """What each seed reached."""
    parts = [
        Content.assemble(
            (f"seed {run.record.config.seed} ", "$foreground 65%"), figures.metric(run.selection)
        )
        for run in fold.runs
    ]
    return Content("   ").join(parts)


def _best(run: RunSummary) -> Content:
    """The selection value alone: the tasks have lines of their own."""
    return Content.assemble(
        ("best ", "$foreground 65%"),
        (figures.metric(run.selection), "bold $text-success"),
        (f" at step {run.best_step}" if run.best_step else "", "$foreground 65%"),
    )


def _settings(run: RunSummary) -> Content:
    """How it was trained, in one line."""
    config = run.record.config
    optimization, training = config.optimization, config.training
    rate = f"rate {figures.rate(optimization.learning_rate)}"
    if optimization.head_learning_rate is not None:
        rate += f" (heads {figures.rate(optimization.head_learning_rate)})"
    trained = (
        "wholly trained" if config.freezing.mode == "none" else f"{config.freezing.mode} frozen"
    )
    pooling = "+".join(config.pooling.parts)
    facts = (
        f"{visible(config.backbone.words_for_it)}, {pooling} pooling, {trained}",
        f"{rate}, {optimization.schedule}",
        f"{training.epochs} epochs of batches of {training.batch_size}",
        f"seed {config.seed}",
    )
    return Content.styled("  ·  ".join(facts), "$foreground 65%")


def _tasks(run: RunSummary) -> list[Content]:
    """A line a task: what it is, what it reached."""
    tasks = run.record.config.tasks
    width = max((len(visible(name)) for name in tasks), default=0)
    lines = []
    for name, task in tasks.items():
        reached = run.metrics.get(name, {})
        values = [(metric, value) for metric, value in reached.items() if metric != "loss"]
        words = "  ".join(f"{metric} {figures.metric(value)}" for metric, value in values)
        lines.append(
            Content.assemble(
                (f"{visible(name):<{width}}", "bold"),
                (f"  {task.kind:<14}  ", "$foreground 65%"),
                words or ("" if run.state in _NOT_BEGUN else "no evaluation"),
            )
        )
    return lines
