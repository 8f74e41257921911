"""The fields of the form by section: shows a draft, takes what is typed, says what is wrong.

Which fields there are is the schema's affair, and so is when a field applies: one that does not
is hidden, and keeps what was typed until it does again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from workbench.config.fields import FieldSpec, experiment_fields
from workbench.config.optimization import OptimizationConfig
from workbench.data.peeking import Peek
from workbench.errors import Problem
from workbench.tui.completion import Surroundings, candidates
from workbench.tui.form import (
    SECTION_TITLES,
    FormDraft,
    data_folders,
    empty_draft,
    plain_specs,
    section_of,
)
from workbench.tui.messages import FrozenMessage
from workbench.tui.widgets.completing_input import Find
from workbench.tui.widgets.field_row import EDITORS, FieldRow, label_of
from workbench.tui.widgets.rate_preview import RateLine
from workbench.tui.widgets.task_editor import TaskEditor


class FormFields(VerticalScroll, inherit_bindings=False, can_focus=False):
    """Scrolls as the focus moves; its keys belong to the form."""

    DEFAULT_CSS = """
    FormFields {
        width: 1fr;
        height: 1fr;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        .section { height: auto; }
        .heading { height: 2; padding-top: 1; color: $text-primary; text-style: bold; }
    }
    """

    class Edited(FrozenMessage):
        """A person changed the draft."""

    def __init__(self) -> None:
        super().__init__()
        self._draft = FormDraft()
        self._peeks: Mapping[str, Mapping[str, Peek]] = {}

    def compose(self) -> ComposeResult:
        """A heading and the rows of each section that apply at the defaults; others as they do."""
        beginning = empty_draft()
        for section, title in section_titles().items():
            with Vertical(classes="section", name=section):
                yield Static(Content(title), classes="heading")
                if section == "tasks":
                    yield TaskEditor(self._candidates)
                for spec in plain_specs():
                    if section_of(spec.path) == section and beginning.has(spec):
                        yield self._new_row(spec)
                if section == "optimization":
                    yield RateLine()

    # ── what is shown ─────────────────────────────────────────────────────────

    @property
    def task_editor(self) -> TaskEditor:
        """The part about tasks."""
        return self.query_one(TaskEditor)

    def row(self, key: str) -> FieldRow:
        """The row of a field that applies: by path, else by key within the task shown."""
        rows = [*self._plain_rows(), *self.task_editor.rows()]
        return next(row for row in rows if row.key == key and row.display)

    def show(self, draft: FormDraft) -> None:
        """Show a draft and write into it from now on."""
        self._draft = draft
        for row in self._plain_rows():
            row.raw = draft.values.get(row.spec.path, "")
        self._show_what_applies()
        self.task_editor.show(draft)

    def show_rates(self, settings: OptimizationConfig | None) -> None:
        """Sketch the learning rate; nothing while the form is not valid."""
        self.query_one(RateLine).show_settings(settings)

    def show_peeks(self, peeks: Mapping[str, Mapping[str, Peek]]) -> None:
        """Say what is in the data files, by task and by the key of the field that names one."""
        self._peeks = peeks
        task = self.task_editor.shown_task
        if task is not None:
            known = peeks.get(task.name, {})
            for row in self.task_editor.rows():
                if row.spec.names == "file":
                    row.know(known[row.key].words if row.key in known else "")

    def _plain_rows(self) -> list[FieldRow]:
        of_tasks = set(self.task_editor.query(FieldRow))
        return [row for row in self.query(FieldRow) if row not in of_tasks]

    def _new_row(self, spec: FieldSpec) -> FieldRow:
        label = label_of(spec.path.partition(".")[2] or spec.path)
        return FieldRow(spec, key=spec.path, label=label, complete=self._candidates)

    def _show_what_applies(self) -> None:
        """Show the rows that apply, in the schema's order; one is made when it first does."""
        rows = {row.key: row for row in self._plain_rows()}
        last: dict[str, FieldRow] = {}
        for spec in plain_specs():
            section = section_of(spec.path)
            row = rows.get(spec.path)
            if row is not None:
                row.appear(self._draft.has(spec))
            elif self._draft.has(spec):
                row = self._new_row(spec)
                row.raw = self._draft.values.get(spec.path, "")
                box = next(box for box in self.query(".section") if box.name == section)
                box.mount(row, after=last[section] if section in last else box.children[0])
            if row is not None:
                last[section] = row

    def _candidates(self, row: FieldRow, typed: str) -> Find:
        """The way to find what a field may be completed to, with the draft as it is now."""
        task, names = self.task_editor.shown_task, row.spec.names
        data_root, source = self._draft.data_root, self._draft.source
        tasks = tuple(one.name for one in self._draft.tasks)
        peeks = self._peeks.get(task.name) if task is not None else None

        def find() -> Sequence[str]:
            folders = tuple(data_folders(data_root, source))
            return candidates(names, typed, Surroundings(folders, tasks, peeks))

        return find

    @on(FieldRow.Edited)
    def _edited(self, message: FieldRow.Edited) -> None:
        message.stop()
        self._draft.values[message.row.key] = message.raw
        self._show_what_applies()
        self.post_message(self.Edited())

    @on(TaskEditor.Edited)
    def _tasks_edited(self, message: TaskEditor.Edited) -> None:
        message.stop()
        self.post_message(self.Edited())

    @on(TaskEditor.Shown)
    def _task_shown(self) -> None:
        self.show_peeks(self._peeks)

    # ── what is wrong ─────────────────────────────────────────────────────────

    def tell(self, problems: Sequence[Problem]) -> list[Problem]:
        """Put each problem beside its field.

        Returns:
            Those that have no field: not even one of a task that is not shown.
        """
        tasks = self.task_editor
        of_tasks = set(tasks.query(FieldRow))
        placed: set[str] = set()
        for row in self.query(FieldRow):
            path = tasks.path_of(row) if row in of_tasks else row.key if row.display else ""
            found = next((one for one in problems if one.where == path), None) if path else None
            row.tell(found)
            if found is not None:
                placed.add(found.where)
        tasks.flag(problems)
        return [
            one for one in problems if one.where not in placed and not tasks.is_of_another_task(one)
        ]

    def go_to_first_problem(self, problems: Sequence[Problem]) -> None:
        """Go to the field of the first problem that has one, in whichever task it is."""
        for problem in problems:
            parts = problem.where.split(".")
            if parts[0] == "tasks" and len(parts) > 1:
                self.task_editor.show_task(parts[1])
                self.tell(problems)
            wrong = [row for row in self.query(FieldRow) if row.has_class("-wrong") and row.display]
            if wrong:
                wrong[0].focus_editor()
                return

    # ── moving about ──────────────────────────────────────────────────────────

    def section_around(self, widget: Widget | None) -> str:
        """The section in which a widget is; empty if in none, or in the first."""
        for parent in widget.ancestors_with_self if widget is not None else ():
            if isinstance(parent, Widget) and parent.has_class("section"):
                return parent.name or ""
        return ""

    def go_to(self, section: str) -> None:
        """Go to the first field of a section."""
        for box in self.query(".section"):
            if box.name == section:
                editors = [one for one in box.query(EDITORS) if one.focusable]
                if editors:
                    editors[0].focus(scroll_visible=False)
                self.scroll_to_widget(box, top=True, animate=False)


def section_titles() -> dict[str, str]:
    """Sections in the order of the form; each that has no place there after its neighbour."""
    in_schema = list(dict.fromkeys(section_of(spec.path) for spec in experiment_fields()))
    order = [section for section in SECTION_TITLES if section in in_schema]
    for at, section in enumerate(in_schema):
        if section not in order:
            before = [one for one in in_schema[:at] if one in order]
            order.insert(order.index(before[-1]) + 1 if before else 0, section)
    return {one: SECTION_TITLES.get(one, label_of(one).capitalize()) for one in order}


def count_by_section(problems: Sequence[Problem]) -> Counter[str]:
    """How many problems each section has; those of no section count for the first."""
    known = section_titles()
    return Counter(
        section if (section := one.where.partition(".")[0]) in known else "" for one in problems
    )
