"""The fields of the form by section: shows a draft, takes what is typed, says what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from workbench.config.optimization import OptimizationConfig
from workbench.errors import Problem
from workbench.tui.form import SECTION_TITLES, FormDraft, plain_specs, section_of
from workbench.tui.messages import FrozenMessage
from workbench.tui.widgets.field_row import FieldRow, label_of
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

    def compose(self) -> ComposeResult:
        """A heading and the rows of each section."""
        for section, title in section_titles().items():
            with Vertical(classes="section", name=section):
                yield Static(Content(title), classes="heading")
                if section == "tasks":
                    yield TaskEditor()
                for spec in plain_specs():
                    if section_of(spec.path) == section:
                        label = label_of(spec.path.rpartition(".")[2])
                        yield FieldRow(spec, key=spec.path, label=label)
                if section == "optimization":
                    yield RateLine()

    # ── what is shown ─────────────────────────────────────────────────────────

    @property
    def task_editor(self) -> TaskEditor:
        """The part about tasks."""
        return self.query_one(TaskEditor)

    def row(self, key: str) -> FieldRow:
        """The row of a field that applies: by path, or by key within the task shown."""
        return next(row for row in self.query(FieldRow) if row.key == key and row.display)

    def show(self, draft: FormDraft) -> None:
        """Show a draft and write into it from now on."""
        self._draft = draft
        for row in self.query(FieldRow):
            if row.spec.path in draft.values:
                row.raw = draft.values[row.spec.path]
        self.task_editor.show(draft)

    def show_rates(self, settings: OptimizationConfig | None) -> None:
        """Sketch the learning rate; nothing while the form is not valid."""
        self.query_one(RateLine).show_settings(settings)

    @on(FieldRow.Edited)
    def _edited(self, message: FieldRow.Edited) -> None:
        message.stop()
        self._draft.values[message.row.key] = message.raw
        self.post_message(self.Edited())

    @on(TaskEditor.Edited)
    def _tasks_edited(self, message: TaskEditor.Edited) -> None:
        message.stop()
        self.post_message(self.Edited())

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
            path = tasks.path_of(row) if row in of_tasks else row.key
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
                editors = [one for one in box.query("Input, Choice, TextArea") if one.focusable]
                if editors:
                    editors[0].focus(scroll_visible=False)
                self.scroll_to_widget(box, top=True, animate=False)


def section_titles() -> dict[str, str]:
    """Sections in the order of the form; those the schema has and the form does not name last."""
    sections = {section_of(spec.path) for spec in plain_specs()} | {"tasks"}
    named = {section: title for section, title in SECTION_TITLES.items() if section in sections}
    rest = sorted(sections - set(named))
    return named | {section: section.capitalize() for section in rest}


def count_by_section(problems: Sequence[Problem]) -> Counter[str]:
    """How many problems each section has; those of no section count for the first."""
    known = section_titles()
    return Counter(
        section if (section := one.where.partition(".")[0]) in known else "" for one in problems
    )
