"""The tasks of the form: one is shown at a time, by its fields; others are a key away."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from workbench.config.fields import FieldSpec
from workbench.errors import Problem
from workbench.tui.form import KIND, TASK_PREFIX, FormDraft, TaskDraft, shown, task_specs
from workbench.tui.messages import FrozenMessage
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.field_row import FieldRow, label_of

NAME = "name of the task"
"""Key of the row with the name."""
_NAME_SPEC = FieldSpec(
    path="tasks.*", kind="text", choices=(), default=None, required=True, task_kinds=(),
    help="What the task is called: a letter, then letters, digits, - or _.",
)  # fmt: skip
"""The one thing about a task that is no setting of it."""


class TaskEditor(Vertical):
    """Writes into the drafts that it was given; says so with `Edited`."""

    DEFAULT_CSS = """
    TaskEditor {
        height: auto;
        #task { margin-left: 2; }
        #no-task { display: none; color: $text-muted; padding-left: 2; }
    }
    """

    class Edited(FrozenMessage):
        """A person changed something about the tasks."""

    @dataclass(eq=False)
    class Shown(FrozenMessage):
        """A person chose to see another task."""

        name: str

    def __init__(self) -> None:
        super().__init__()
        self._draft = FormDraft()
        self._at = 0

    def compose(self) -> ComposeResult:
        """Which task, its name, its settings."""
        yield Choice((), id="task")
        yield Static(Content("No task yet: ctrl+t adds one."), id="no-task")
        yield FieldRow(_NAME_SPEC, key=NAME, label="name")
        for spec in task_specs():
            key = spec.path.removeprefix(TASK_PREFIX)
            yield FieldRow(spec, key=key, label=label_of(key.removeprefix("data.")))

    # ── what is shown ─────────────────────────────────────────────────────────

    @property
    def shown_task(self) -> TaskDraft | None:
        """The task whose fields are shown."""
        return self._draft.tasks[self._at] if self._draft.tasks else None

    def show(self, draft: FormDraft) -> None:
        """Edit the tasks of this draft, beginning with the first."""
        self._draft, self._at = draft, 0
        self._show_task()

    def show_task(self, name: str) -> None:
        """Show the task of that name, if there is one."""
        names = self._names()
        if name in names:
            self._at = names.index(name)
            self._show_task()

    def add(self) -> None:
        """Add a task and go to its name."""
        self._draft.new_task()
        self._at = len(self._draft.tasks) - 1
        self._show_task()
        self._row(NAME).focus_editor()
        self.post_message(self.Edited())

    def remove_task(self) -> str | None:
        """Remove the task that is shown, and say which it was."""
        task = self.shown_task
        if task is None:
            return None
        self._draft.tasks.remove(task)
        self._at = max(0, min(self._at, len(self._draft.tasks) - 1))
        self._show_task()
        self.post_message(self.Edited())
        return task.name

    def _row(self, key: str) -> FieldRow:
        return next(row for row in self.query(FieldRow) if row.key == key)

    def _names(self) -> list[str]:
        return [task.name for task in self._draft.tasks]

    def _show_task(self) -> None:
        task = self.shown_task
        self._offer_names()
        self.query_one("#task", Choice).display = task is not None
        self.query_one("#no-task").display = task is None
        for row in self.query(FieldRow):
            if row.key == NAME:
                row.display = task is not None
                row.raw = task.name if task is not None else ""
                continue
            row.display = task is not None and task.values.get(KIND, "") in row.spec.task_kinds
            if task is not None and row.display:
                row.raw = task.values.setdefault(row.key, shown(row.spec, row.spec.default))

    def _offer_names(self) -> None:
        names = distinct(self._names())
        picker = self.query_one("#task", Choice)
        picker.offer(names)
        if names:
            picker.value = names[self._at]

    # ── editing ───────────────────────────────────────────────────────────────

    @on(FieldRow.Edited)
    def _edited(self, message: FieldRow.Edited) -> None:
        message.stop()
        row, task = message.row, self.shown_task
        if task is None:
            return
        if row.key == NAME:
            task.name = message.raw
            self._offer_names()
        else:
            task.values[row.key] = message.raw
            if row.key == KIND:
                _fit_values_to_kind(task)
                self._show_task()
        self.post_message(self.Edited())

    @on(Choice.Changed, "#task")
    def _task_chosen(self, message: Choice.Changed) -> None:
        message.stop()
        self._at = message.choice.words.index(message.value)
        self._show_task()
        self.post_message(self.Shown(self._names()[self._at]))

    # ── what is wrong ─────────────────────────────────────────────────────────

    def path_of(self, row: FieldRow) -> str:
        """Where the schema has what a row of this editor shows; empty if nothing is shown."""
        if self.shown_task is None or not row.display:
            return ""
        own = f"tasks.{self.shown_task.name}"
        return own if row.key == NAME else f"{own}.{row.key}"

    def flag(self, problems: Collection[Problem]) -> None:
        """Set off the names of the tasks that have problems."""
        bad = {one.where.split(".")[1] for one in problems if one.where.startswith("tasks.")}
        names = self._names()
        flagged = [name for name, own in zip(distinct(names), names, strict=True) if own in bad]
        self.query_one("#task", Choice).flag(frozenset(flagged))

    def is_of_another_task(self, problem: Problem) -> bool:
        """Whether a problem has its place among the fields of a task that is not shown."""
        here = f"tasks.{self.shown_task.name}." if self.shown_task is not None else "tasks.."
        if problem.where.startswith(here):
            return False
        return any(problem.where.startswith(f"tasks.{name}.") for name in self._names())


def distinct(names: list[str]) -> list[str]:
    """Names as they are; the second of two alike with its number."""
    return [
        name if names.index(name) == at and name else f"{name or 'unnamed'} ({at + 1})"
        for at, name in enumerate(names)
    ]


def _fit_values_to_kind(task: TaskDraft) -> None:
    """Words that the new kind does not know go back to its default."""
    for spec in task_specs(task.values[KIND]):
        key = spec.path.removeprefix(TASK_PREFIX)
        if spec.choices and task.values.get(key) not in spec.choices:
            task.values[key] = shown(spec, spec.default)
