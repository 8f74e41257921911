"""The tasks of the form: one is shown at a time, by its fields; others are a key away."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from workbench.config.fields import FieldSpec
from workbench.errors import Problem
from workbench.tui.form import KIND, TASK_PREFIX, FormDraft, TaskDraft, shown, task_specs
from workbench.tui.messages import FrozenMessage
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.field_row import Completer, FieldRow, label_of
from workbench.tui.widgets.task_bar import DeedWanted, TaskBar

NAME = "name of the task"
"""Key of the row with the name."""
_NAME_SPEC = FieldSpec(
    path="tasks.*", kind="text", choices=(), default=None, required=True, task_kinds=(),
    help="What the task is called: a letter, then letters, digits, - or _.",
)  # fmt: skip
"""The one thing about a task that is no setting of it."""


class TaskEditor(Vertical):
    """Writes into the drafts that it was given; says so with `Edited`.

    Each kind of task has rows of its own, made when the first task of that kind is shown: a form
    with a dozen kinds would else begin with a thousand widgets.
    """

    DEFAULT_CSS = """
    TaskEditor { height: auto; .of-kind { height: auto; } }
    """

    class Edited(FrozenMessage):
        """A person changed something about the tasks."""

    class NewTaskWanted(FrozenMessage):
        """A person wants to add a task; of which kind is yet to be asked."""

    @dataclass(eq=False)
    class Shown(FrozenMessage):
        """Another task is shown."""

        name: str

    @dataclass(eq=False)
    class Removed(FrozenMessage):
        """A task was taken out."""

        name: str

    def __init__(self, complete: Completer) -> None:
        """Make an empty editor.

        Args:
            complete: Finds what a row's text may be completed to.
        """
        super().__init__()
        self._draft = FormDraft()
        self._at = 0
        self._complete = complete

    def compose(self) -> ComposeResult:
        """Which task, its name, its kind; the rest is mounted as it is needed."""
        yield TaskBar()
        yield FieldRow(_NAME_SPEC, key=NAME, label="name")
        kind = next(spec for spec in task_specs() if spec.path == f"{TASK_PREFIX}{KIND}")
        yield FieldRow(kind, key=KIND, label="kind")

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

    def add(self, kind: str) -> None:
        """Add a task of a kind and go to its name."""
        self._draft.new_task(kind)
        self._go_to(len(self._draft.tasks) - 1, NAME)

    def rows(self) -> Iterator[FieldRow]:
        """The rows of the task that is shown, as far as they apply."""
        return (row for row in self.query(FieldRow) if row.display and _is_in_sight(row, self))

    def _row(self, key: str) -> FieldRow:
        return next(row for row in self.rows() if row.key == key)

    def _names(self) -> list[str]:
        return [task.name for task in self._draft.tasks]

    def _show_task(self) -> None:
        """Show the task that is chosen, with the rows of its kind."""
        task = self.shown_task
        self._offer_names()
        for row in self.query_children(FieldRow):
            row.appear(task is not None)
        for box in self.query_children(".of-kind"):
            box.display = task is not None and box.name == task.kind
        if task is None:
            return
        self._row(NAME).raw = task.name
        self._row(KIND).raw = task.kind
        boxes = [box for box in self.query_children(".of-kind") if box.name == task.kind]
        if boxes:
            self._fill(boxes[0])
            return
        box = Vertical(*self._rows_of(task.kind), classes="of-kind", name=task.kind)
        self.mount(box)
        self.call_after_refresh(self._fill, box)

    def _rows_of(self, kind: str) -> Iterator[FieldRow]:
        for spec in task_specs(kind):
            key = spec.path.removeprefix(TASK_PREFIX)
            if key != KIND:
                label = label_of(key.removeprefix("data."))
                yield FieldRow(spec, key=key, label=label, complete=self._complete)

    def _fill(self, box: Widget) -> None:
        """Put the values of the task that is shown into the rows of its kind."""
        task = self.shown_task
        if task is None or task.kind != box.name:
            return
        for row in box.query(FieldRow):
            row.raw = task.values.setdefault(row.key, shown(row.spec, row.spec.default))
            row.appear(task.has(row.spec))
        self.post_message(self.Shown(task.name))

    def _offer_names(self) -> None:
        self.query_one(TaskBar).show(distinct(self._names()), self._at)

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
            else:
                self._show_what_applies(task)
        self.post_message(self.Edited())

    def _show_what_applies(self, task: TaskDraft) -> None:
        for row in self.query(FieldRow):
            if row.key not in (NAME, KIND) and _is_in_sight(row, self):
                row.appear(task.has(row.spec))

    @on(Choice.Changed, "#task")
    def _task_chosen(self, message: Choice.Changed) -> None:
        message.stop()
        if self._draft.tasks:
            self._at = message.choice.words.index(message.value)
            self._show_task()

    @on(DeedWanted)
    def _deed_wanted(self, message: DeedWanted) -> None:
        message.stop()
        self.do(message.deed)

    def do(self, deed: str) -> None:
        """Do something with the task that is shown; see `task_bar.DEEDS`."""
        if deed == "add" or self.shown_task is None:
            self.post_message(self.NewTaskWanted())
        elif deed == "copy":
            self._copy()
        elif deed == "remove":
            self._remove()
        elif deed == "rename":
            self._rename()
        else:
            self._move({"earlier": -1, "later": 1}[deed])

    def _copy(self) -> None:
        self._draft.duplicate(self._at)
        self._go_to(self._at + 1, NAME)

    def _remove(self) -> None:
        task = self._draft.tasks.pop(self._at)
        self._at = max(0, min(self._at, len(self._draft.tasks) - 1))
        self._show_task()
        self.post_message(self.Edited())
        self.post_message(self.Removed(task.name))
        focused = self.screen.focused
        if focused is None or not focused.display:
            self.query_one(TaskBar).names.focus()

    def _rename(self) -> None:
        self._row(NAME).focus_editor()

    def _move(self, places: int) -> None:
        self._at = self._draft.move_task(self._at, places)
        self._offer_names()
        self.post_message(self.Edited())

    def _go_to(self, at: int, key: str) -> None:
        self._at = at
        self._show_task()
        self._row(key).focus_editor()
        self.post_message(self.Edited())

    # ── what is wrong ─────────────────────────────────────────────────────────

    def path_of(self, row: FieldRow) -> str:
        """Where the schema has what a row of this editor shows; empty if nothing is shown."""
        if self.shown_task is None or not row.display or not _is_in_sight(row, self):
            return ""
        own = f"tasks.{self.shown_task.name}"
        return own if row.key == NAME else f"{own}.{row.key}"

    def flag(self, problems: Collection[Problem]) -> None:
        """Set off the names of the tasks that have problems."""
        bad = {one.where.split(".")[1] for one in problems if one.where.startswith("tasks.")}
        names = self._names()
        flagged = [name for name, own in zip(distinct(names), names, strict=True) if own in bad]
        self.query_one(TaskBar).names.flag(frozenset(flagged))

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


def _is_in_sight(row: FieldRow, editor: Widget) -> bool:
    """Whether the box that a row is in is that of the task shown."""
    return row.parent is editor or (isinstance(row.parent, Widget) and bool(row.parent.display))


def _fit_values_to_kind(task: TaskDraft) -> None:
    """Words that the new kind does not know go back to its default."""
    for spec in task_specs(task.values[KIND]):
        key = spec.path.removeprefix(TASK_PREFIX)
        if spec.kind == "choice" and task.values.get(key) not in spec.choices:
            task.values[key] = shown(spec, spec.default)
