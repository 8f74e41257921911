"""Where a checkpoint is wrong on dev: scores by class, confusions, the worst mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.operations.playground import Playground
from workbench.store.records import RunRecord
from workbench.tui import figures
from workbench.tui.answers import marked_words
from workbench.tui.messages import ReviewRead, WorkFailed, WorkProgressed
from workbench.tui.screens.live import problems_of
from workbench.tui.visible import visible
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.notice import problem_lines
from workbench.tui.widgets.table import Column, Row, Table

_CONFUSION_CELLS = 6
_TAGS_SHOWN = 3


class ReviewScreen(ModalScreen[None]):
    """One task at a time; the mistakes are paged through with the cursor."""

    PURPOSE = "Where a checkpoint is wrong on the dev split, and how sure it was."

    AUTO_FOCUS = "#mistakes"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "task(1)", "Task", id="review.task", tooltip="The next task"),
        Binding("c", "confusion", "Confusion", id="review.confusion",
                tooltip="Scores by class, or how often each class was taken for each other"),
        Binding("escape,q", "close", "Close", id="review.close", tooltip="Back"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    ReviewScreen {
        & > Vertical { background: $background; border: round $primary;
                       border-title-color: $text-primary; border-title-style: bold;
                       border-subtitle-color: $text-muted; }
        #task { height: 1; padding: 0 1; }
        #waiting { height: 1fr; padding: 1 2; }
        #scores { height: auto; max-height: 45%; }
        #matrix { display: none; height: auto; max-height: 45%; padding: 0 1; }
        &.-matrix #matrix { display: block; }
        &.-matrix #scores { display: none; }
        #mistakes { height: 1fr; border-top: solid $border-blurred;
                    border-title-color: $text-muted; }
        #mistake { height: auto; max-height: 35%; padding: 0 1;
                   border-top: solid $border-blurred; }
        &.-waiting #scores, &.-waiting #matrix, &.-waiting #mistakes, &.-waiting #mistake,
        &.-waiting #task { display: none; }
        .-ready { display: none; }
    }
    """

    def __init__(self, playground: Playground, record: RunRecord, checkpoint: str) -> None:
        super().__init__()
        self._playground, self._record, self._checkpoint = playground, record, checkpoint
        self._tasks: Mapping[str, Mapping[str, Any]] = {}

    def compose(self) -> ComposeResult:
        """Task, scores or confusions, mistakes, the one under the cursor."""
        with Vertical() as box:
            where = f"{visible(self._record.name)}, step {self._checkpoint}"
            box.border_title = Content(f" {where}: dev ")
            box.border_subtitle = " t task  c confusions  escape closes "
            yield Static(Content("… asking the model"), id="waiting")
            yield Choice((), label="task", id="task")
            yield Table(_SCORES, is_for_reading=True, id="scores")
            with VerticalScroll(id="matrix"), Horizontal():
                yield Static(id="confusion")
            yield Table(_MISTAKES, id="mistakes")
            yield Static(id="mistake")

    def on_mount(self) -> None:
        """Ask in a thread: a model has to be loaded."""
        self.add_class("-waiting")
        playground, record, checkpoint = self._playground, self._record, self._checkpoint

        def work() -> None:
            try:
                tasks = playground.review(
                    record.id,
                    checkpoint=checkpoint,
                    progress=lambda line: self._tell_progress(line),
                )
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self.post_message(WorkFailed("reviewing", problems_of(error)))
                return
            self.post_message(ReviewRead(tasks))

        self.run_worker(work, name="review", thread=True, exit_on_error=False)

    def _tell_progress(self, line: str) -> None:
        self.post_message(WorkProgressed(line))

    @on(WorkProgressed)
    def _progressed(self, message: WorkProgressed) -> None:
        self.query_one("#waiting", Static).update(Content(f"… {visible(message.line)}"))

    @on(WorkFailed)
    def _failed(self, message: WorkFailed) -> None:
        message.stop()
        self.query_one("#waiting", Static).update(problem_lines(message.problems))

    @on(ReviewRead)
    def _review_read(self, message: ReviewRead) -> None:
        self._tasks = message.tasks
        self.remove_class("-waiting")
        self.query_one("#waiting").display = False
        self.query_one("#task", Choice).offer(list(self._tasks))
        self._show()
        self.query_one("#mistakes", Table).focus()

    @property
    def _shown_task(self) -> Mapping[str, Any]:
        return self._tasks.get(self.query_one("#task", Choice).value, {})

    def _show(self) -> None:
        task = self._shown_task
        if not task:
            return
        self.query_one("#scores", Table).show([_score_row(one) for one in task["classes"]])
        self.query_one("#confusion", Static).update(
            confusion_table(task["labels"], task["confusion"])
        )
        self.set_class(self.has_class("-matrix") and bool(task["confusion"]), "-matrix")
        mistakes = self.query_one("#mistakes", Table)
        mistakes.border_title = Content(
            f"{task['wrong']} of {task['examples']} wrong, the worst first"
            if task["wrong"]
            else f"all {task['examples']} right"
        )
        mistakes.show([_mistake_row(at, one) for at, one in enumerate(task["mistakes"])])
        self._show_mistake()

    @on(Choice.Changed)
    def _task_changed(self) -> None:
        self._show()

    @on(Table.Highlighted, "#mistakes")
    def _show_mistake(self) -> None:
        key = self.query_one("#mistakes", Table).cursor_key
        found = self._shown_task.get("mistakes", [])
        shown = found[int(key)] if key is not None and int(key) < len(found) else None
        self.query_one("#mistake", Static).update(
            _mistake(shown) if shown is not None else Content()
        )

    def action_task(self, places: int) -> None:
        """Another task."""
        self.query_one("#task", Choice).step(places)

    def action_confusion(self) -> None:
        """Scores or confusions."""
        if self._shown_task.get("confusion"):
            self.toggle_class("-matrix")
        else:
            self.notify("Only tasks with one class a text have a table of confusions.",
                        markup=False)  # fmt: skip

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)


_SCORES = (
    Column("class", smallest=10),
    Column("precision", is_right=True),
    Column("recall", is_right=True),
    Column("F1", is_right=True),
    Column("", importance=2),
    Column("examples", importance=1, is_right=True),
)
_MISTAKES = (
    Column("is", smallest=8),
    Column("taken for", smallest=8),
    Column("sure", is_right=True),
    Column("text", smallest=20),
)


def _score_row(one: Mapping[str, Any]) -> Row:
    full = round(float(one["f1"]) * 12)
    return Row(
        str(one["label"]),
        (
            Content.styled(visible(str(one["label"])), "bold"),
            Content(figures.metric(one["precision"])),
            Content(figures.metric(one["recall"])),
            Content.styled(figures.metric(one["f1"]), "bold"),
            Content.assemble(("█" * full, "$text-primary"), ("░" * (12 - full), "$foreground 30%")),
            Content.styled(str(one["support"]), "$foreground 65%"),
        ),
    )


def _mistake_row(at: int, one: Mapping[str, Any]) -> Row:
    has_words = bool(one["words"])
    return Row(
        str(at),
        (
            Content(
                _differing(one["expected"], one["predicted"])
                if has_words
                else _text(one["expected"])
            ),
            Content.styled(
                _differing(one["predicted"], one["expected"])
                if has_words
                else _text(one["predicted"]),
                "$text-error",
            ),
            Content(f"{one['badness']:.0f} words" if has_words else f"{one['badness']:.3g}"),
            Content(visible(one["text"])),
        ),
    )


def _text(value: object) -> str:
    return visible(value if isinstance(value, str) else str(value))


def _differing(tags: list[str], others: list[str]) -> str:
    """The tags where they differ."""
    found = [tag for tag, other in zip(tags, others, strict=False) if tag != other]
    kinds = list(dict.fromkeys(found))
    more = " …" if len(kinds) > _TAGS_SHOWN else ""
    return visible(" ".join(kinds[:_TAGS_SHOWN]) + more)


def _mistake(one: Mapping[str, Any]) -> Content:
    if one["words"]:
        return Content("\n").join(
            [
                Content.styled("labelled   ", "$foreground 65%")
                + marked_words(one["words"], one["expected"], one["predicted"]),
                Content.styled("predicted  ", "$foreground 65%")
                + marked_words(one["words"], one["predicted"], one["expected"]),
            ]
        )
    return Content.assemble(
        f"{visible(one['text'])}\n",
        ("is ", "$foreground 65%"), (_text(one["expected"]), "bold"),
        ("  taken for ", "$foreground 65%"), (_text(one["predicted"]), "bold $text-error"),
        (f"  {one['badness']:.3g}", "$foreground 65%"),
    )  # fmt: skip


def confusion_table(labels: list[str], counts: list[list[int]]) -> Content:
    """Rows are what a text is, columns what it was taken for; numbers of columns at their head."""
    if not counts:
        return Content()
    width = min(20, max(len(visible(label)) for label in labels))
    head = "".join(f"{at:>{_CONFUSION_CELLS}}" for at in range(1, len(labels) + 1))
    lines = [Content.styled(f"{'is':<{width + 3}} {head}   taken for", "bold")]
    for at, (label, row) in enumerate(zip(labels, counts, strict=True)):
        parts: list[tuple[str, str]] = [
            (f"{at + 1:>2} ", "$foreground 65%"),
            (f"{visible(label)[:width]:<{width}} ", "bold"),
        ]
        for column, count in enumerate(row):
            look = "$text-success" if column == at else ("bold $text-error" if count else "")
            shown = str(count) if count else "·"
            parts.append((f"{shown:>{_CONFUSION_CELLS}}", look or "$foreground 30%"))
        lines.append(Content.assemble(*parts))
    return Content("\n").join(lines)
