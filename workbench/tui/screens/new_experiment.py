"""New experiment: a form made from the config schema, checked while one types."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static

from workbench.config.experiment import ExperimentConfig
from workbench.config.fields import FieldSpec
from workbench.config.presets import PresetInfo, list_presets
from workbench.errors import Problem
from workbench.operations import lifecycle
from workbench.operations.workspace import Workspace
from workbench.tui.form import (
    KIND,
    SECTION_TITLES,
    TASK_PREFIX,
    FormDraft,
    TaskDraft,
    empty_draft,
    judge,
    load_draft,
    plain_specs,
    section_of,
    shown,
    task_specs,
)
from workbench.tui.messages import (
    DraftLoaded,
    FormChecked,
    PresetsRead,
    RunStarted,
    ScreenWanted,
    WorkFailed,
)
from workbench.tui.screens.live import problems_of
from workbench.tui.visible import visible
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.field_row import FieldRow
from workbench.tui.widgets.form_foot import FormFoot
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.rate_preview import RateChart, RateLine
from workbench.tui.widgets.section_rail import SectionRail

FIRST_PRESET = "quickstart"
_CHECK_SECONDS = 0.15
_WIDE = 112
"""Columns from which there is room for a panel at the side."""
_NAME = "name of the task"
_NAME_SPEC = FieldSpec(
    path="tasks.*", kind="text", choices=(), default=None, required=True, task_kinds=(),
    help="What the task is called: a letter, then letters, digits, - or _.",
)  # fmt: skip
"""The one thing about a task that is no setting of it."""
_ABOUT_OTHERS = {
    "preset": ("preset", "Where to begin: enter shows the list, and a choice fills the form. "
               "Go on with tab."),
    "root": ("data root", "A folder that is looked in first for the data files below."),
    "task": ("tasks", "Left and right show another task, ^t adds one, ^r removes the one shown."),
}  # fmt: skip
"""Help for what is no setting, by id."""


class _Fields(VerticalScroll, inherit_bindings=False, can_focus=False):
    """Scrolls as the focus moves; its keys belong to the form."""


class NewExperimentScreen(Screen[None]):
    """Keeps what was typed while one is elsewhere; starts nothing that is not valid."""

    PURPOSE = (
        "Describe an experiment and start it. Begin with a preset, change what you like: every "
        "field is checked as you type, and the command below does the same from a shell. "
        "A bold name with a dot is a value that differs from the default."
    )

    AUTO_FOCUS = "#preset"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5,ctrl+s", "start", "Start", key_display="F5", id="new.start",
                tooltip="Start the run and watch it", priority=True),
        Binding("ctrl+t", "add_task", "Add task", key_display="^t", id="new.add-task",
                tooltip="Add a task"),
        Binding("ctrl+r", "remove_task", "Remove task", key_display="^r", id="new.remove-task",
                tooltip="Remove the task that is shown"),
        Binding("pagedown,ctrl+down", "section(1)", "Section", key_display="pgdn",
                id="new.next-section", tooltip="Go to the next section"),
        Binding("pageup,ctrl+up", "section(-1)", "Section before", show=False,
                id="new.previous-section", tooltip="Go to the section before"),
        Binding("down", "app.focus_next", "Next field", show=False, id="new.next-field",
                tooltip="Go to the next field"),
        Binding("up", "app.focus_previous", "Field before", show=False, id="new.previous-field",
                tooltip="Go to the field before"),
        Binding("escape", "home", "Home", id="new.home",
                tooltip="Back to all runs; what you typed stays"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    NewExperimentScreen {
        #begin { height: 1; padding: 0 1; background: $surface; }
        #begin Label { color: $text-muted; width: auto; padding-right: 1; }
        #preset { width: 30; }
        #preset:focus > SelectCurrent { background: $primary 22%; }
        #root { width: 1fr; background: $background; }
        #root:focus { background: $primary 15%; }
        .root-label { padding-left: 2; }
        #middle { height: 1fr; }
        #fields { width: 1fr; height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
        #side { display: none; width: 40; height: 1fr; padding: 0 1;
                border-left: solid $border-blurred; }
        &.-wide #side { display: block; }
        .section { height: auto; }
        .heading { height: 2; padding-top: 1; color: $text-primary; text-style: bold; }
        #task { margin-left: 2; }
        #toml { height: 1fr; margin-top: 1; border-top: solid $border-blurred; color: $text-muted;
                border-title-color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
        #about { height: auto; color: $text-muted; margin: 1 0; }
        #no-task { display: none; color: $text-muted; padding-left: 2; }
    }
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._draft = empty_draft()
        self._presets: tuple[PresetInfo, ...] = ()
        self._task_at = 0
        self._serial = 0
        self._timer: Timer | None = None
        self._verdict: FormChecked | None = None
        self._is_starting = False
        self._start_when_checked = False

    # ── layout ────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Where to begin, sections and fields, what it comes to, keys."""
        yield JumpBar("new", self._workspace.location.url)
        with Horizontal(id="begin"):
            yield Label("preset")
            yield Select[str]((), prompt="none", allow_blank=True, compact=True, id="preset")
            yield Label("data root", classes="root-label")
            yield Input(placeholder="folder looked in first for data files", compact=True,
                        id="root")  # fmt: skip
        yield Notice()
        with Horizontal(id="middle"):
            yield SectionRail(_titles())
            with _Fields(id="fields"):
                for section, title in _titles().items():
                    with Vertical(classes="section", name=section):
                        yield Static(Content(title), classes="heading")
                        yield from self._section(section)
            with Vertical(id="side"):
                yield Static(id="about")
                yield RateChart()
                yield Static(id="toml")
        yield FormFoot()
        yield KeyBar()

    def _section(self, section: str) -> ComposeResult:
        if section == "tasks":
            yield Choice((), id="task")
            yield Static(Content("No task yet: ctrl+t adds one."), id="no-task")
            yield FieldRow(_NAME_SPEC, key=_NAME, label="name")
            for spec in task_specs():
                key = spec.path.removeprefix(TASK_PREFIX)
                yield FieldRow(spec, key=key, label=_label(key.removeprefix("data.")))
            return
        for spec in plain_specs():
            if section_of(spec.path) == section:
                yield FieldRow(spec, key=spec.path, label=_label(spec.path.rpartition(".")[2]))
        if section == "optimization":
            yield RateLine()

    def on_mount(self) -> None:
        """Show an empty form at once; the presets come from a thread."""
        self.query_one("#toml", Static).border_title = "as a file"
        self._show_draft()
        self.run_worker(self._read_presets, group="presets", thread=True, exclusive=True,
                        exit_on_error=False)  # fmt: skip

    def on_resize(self) -> None:
        """The side panel only where there is room."""
        self.set_class(self.size.width >= _WIDE, "-wide")

    # ── presets ───────────────────────────────────────────────────────────────

    def _read_presets(self) -> None:
        """In a thread: list the presets and load the first."""
        try:
            presets = tuple(list_presets())
        except Exception as error:  # Said on the screen: nobody sees a thread die.
            self.post_message(WorkFailed("reading the presets", problems_of(error)))
            return
        self.post_message(PresetsRead(presets))

    @on(PresetsRead)
    def _presets_read(self, message: PresetsRead) -> None:
        self._presets = message.presets
        names = [preset.name for preset in self._presets]
        picker = self.query_one("#preset", Select)
        picker.set_options((Content(visible(name)), name) for name in names)
        if FIRST_PRESET in names:
            picker.value = FIRST_PRESET

    @on(Select.Changed, "#preset")
    def _preset_chosen(self, message: Select.Changed) -> None:
        if not isinstance(message.value, str) or message.value == self._draft.source:
            return
        source = message.value
        self.run_worker(lambda: self._load(source), group="load", thread=True, exclusive=True,
                        exit_on_error=False)  # fmt: skip

    def _load(self, source: str) -> None:
        """In a thread: read a preset."""
        try:
            draft = load_draft(source)
        except Exception as error:  # Said on the screen: nobody sees a thread die.
            self.post_message(WorkFailed(f'reading the preset "{source}"', problems_of(error)))
            return
        self.post_message(DraftLoaded(draft))

    @on(DraftLoaded)
    def _draft_loaded(self, message: DraftLoaded) -> None:
        self._draft = message.draft
        self._draft.data_root = self.query_one("#root", Input).value
        self._task_at = 0
        self.query_one(Notice).tell(())
        self._show_draft()

    # ── what is shown ─────────────────────────────────────────────────────────

    @property
    def draft(self) -> FormDraft:
        """What was typed so far."""
        return self._draft

    @property
    def verdict(self) -> FormChecked | None:
        """What the schema said last."""
        return self._verdict

    @property
    def shown_task(self) -> TaskDraft | None:
        """The task whose fields are shown."""
        return self._draft.tasks[self._task_at] if self._draft.tasks else None

    def row(self, key: str) -> FieldRow:
        """The row of a field that applies: by path, or by key within the task shown."""
        return next(row for row in self.query(FieldRow) if row.key == key and row.display)

    def _show_draft(self) -> None:
        for row in self.query(FieldRow):
            if row.spec.path in self._draft.values and row.key != _NAME:
                row.raw = self._draft.values[row.spec.path]
        self._show_task()
        about = next((one for one in self._presets if one.name == self._draft.source), None)
        self.query_one("#about", Static).update(Content(visible_lines(about.header))
                                                if about else Content())  # fmt: skip
        self._check_soon(0)

    def _show_task(self) -> None:
        names = _distinct([task.name for task in self._draft.tasks])
        picker = self.query_one("#task", Choice)
        picker.offer(names)
        if names:
            picker.value = names[self._task_at]
        picker.display = bool(names)
        self.query_one("#no-task").display = not names
        task = self.shown_task
        for row in self.query(FieldRow):
            if row.key == _NAME:
                row.display = task is not None
                row.raw = task.name if task is not None else ""
            elif row.spec.path.startswith(TASK_PREFIX):
                kind = task.values.get(KIND, "") if task is not None else None
                row.display = kind in row.spec.task_kinds
                if task is not None and row.display:
                    if row.key not in task.values:
                        task.values[row.key] = shown(row.spec, row.spec.default)
                    row.raw = task.values[row.key]

    # ── editing ───────────────────────────────────────────────────────────────

    @on(FieldRow.Edited)
    def _edited(self, message: FieldRow.Edited) -> None:
        row, raw, task = message.row, message.raw, self.shown_task
        if row.key == _NAME and task is not None:
            task.name = raw
            picker = self.query_one("#task", Choice)
            names = _distinct([one.name for one in self._draft.tasks])
            picker.offer(names)
            picker.value = names[self._task_at]
        elif row.spec.path.startswith(TASK_PREFIX) and task is not None:
            task.values[row.key] = raw
            if row.key == KIND:
                self._fit_values_to_kind(task)
                self._show_task()
        else:
            self._draft.values[row.key] = raw
        self._check_soon()

    def _fit_values_to_kind(self, task: TaskDraft) -> None:
        """Words that the new kind does not know go back to its default."""
        for spec in task_specs(task.values[KIND]):
            key = spec.path.removeprefix(TASK_PREFIX)
            if spec.choices and task.values.get(key) not in spec.choices:
                task.values[key] = shown(spec, spec.default)

    @on(Choice.Changed, "#task")
    def _task_chosen(self, message: Choice.Changed) -> None:
        self._task_at = message.choice.words.index(message.value)
        self._show_task()
        self._show_problems()

    @on(Input.Changed, "#root")
    def _root_changed(self, message: Input.Changed) -> None:
        self._draft.data_root = message.value
        self._check_soon()

    @on(Input.Submitted)
    def _field_done(self) -> None:
        self.focus_next()

    def action_add_task(self) -> None:
        """Add a task and go to its name."""
        self._draft.new_task()
        self._task_at = len(self._draft.tasks) - 1
        self._show_task()
        self.row(_NAME).focus_editor()
        self._check_soon()

    def action_remove_task(self) -> None:
        """Remove the task that is shown."""
        task = self.shown_task
        if task is None:
            return
        self._draft.tasks.remove(task)
        self._task_at = max(0, min(self._task_at, len(self._draft.tasks) - 1))
        self._show_task()
        self._check_soon()
        self.notify(f'Task "{visible(task.name)}" is removed.', markup=False)

    # ── checking ──────────────────────────────────────────────────────────────

    def _check_soon(self, seconds: float = _CHECK_SECONDS) -> None:
        self._serial += 1
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(seconds or 0.001, self._check)

    def _check(self) -> None:
        serial, entries = self._serial, self._draft.entries()

        def check() -> None:
            try:
                verdict = judge(entries)
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self.post_message(FormChecked(serial, None, problems_of(error)))
                return
            self.post_message(
                FormChecked(serial, verdict.config, verdict.problems, verdict.command, verdict.toml)
            )

        self.run_worker(check, group="check", thread=True, exclusive=True, exit_on_error=False)

    @on(FormChecked)
    def _checked(self, message: FormChecked) -> None:
        if message.serial != self._serial:
            return
        self._verdict = message
        self._show_problems()
        self.query_one(FormFoot).show_outcome(message)
        settings = message.config.optimization if message.config is not None else None
        self.query_one(RateLine).show_settings(settings)
        self.query_one(RateChart).show_settings(settings)
        if message.toml:
            self.query_one("#toml", Static).update(Content(visible_lines(message.toml)))
        if self._start_when_checked:
            self._start_when_checked = False
            self.action_start()

    def _show_problems(self) -> None:
        """Put each problem beside its field, and count them by section."""
        problems = self._verdict.problems if self._verdict is not None else ()
        task = self.shown_task
        placed: set[str] = set()
        for row in self.query(FieldRow):
            path = self._path_of(row)
            found = next((one for one in problems if one.where == path), None) if path else None
            row.tell(found)
            if found is not None:
                placed.add(found.where)
        names = [one.name for one in self._draft.tasks]
        bad = {one.where.split(".")[1] for one in problems if one.where.startswith("tasks.")}
        flagged = [name for name, own in zip(_distinct(names), names, strict=True) if own in bad]
        self.query_one("#task", Choice).flag(frozenset(flagged))
        shown_task = f"tasks.{task.name}" if task is not None else ""
        elsewhere = [
            one
            for one in problems
            if one.where not in placed and not self._is_in_hidden_task(one, shown_task)
        ]
        self.query_one(Notice).tell(elsewhere)
        self._show_rail()

    def _is_in_hidden_task(self, problem: Problem, shown_task: str) -> bool:
        if not problem.where.startswith("tasks.") or problem.where.startswith(f"{shown_task}."):
            return False
        return any(problem.where.startswith(f"tasks.{one.name}.") for one in self._draft.tasks)

    def _path_of(self, row: FieldRow) -> str:
        if row.key != _NAME and not row.spec.path.startswith(TASK_PREFIX):
            return row.key
        if self.shown_task is None or not row.display:
            return ""
        own = f"tasks.{self.shown_task.name}"
        return own if row.key == _NAME else f"{own}.{row.key}"

    def _show_rail(self) -> None:
        problems = self._verdict.problems if self._verdict is not None else ()
        known = _titles()
        counts = Counter(
            section if (section := one.where.partition(".")[0]) in known else "" for one in problems
        )
        self.query_one(SectionRail).show(self._section_in_focus(), counts)

    # ── moving about ──────────────────────────────────────────────────────────

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Explain the field that was entered."""
        row = _row_around(self.focused)
        foot = self.query_one(FormFoot)
        about = _ABOUT_OTHERS.get(self.focused.id or "") if self.focused is not None else None
        if about is not None:
            foot.show_words(*about)
        if row is not None:
            task = self.shown_task.name if self.shown_task is not None else ""
            foot.show_help(row.spec, "" if row.key == _NAME else task)
        self._show_rail()

    def _section_in_focus(self) -> str:
        node = self.focused
        for parent in node.ancestors_with_self if node is not None else ():
            if isinstance(parent, Widget) and parent.has_class("section"):
                return parent.name or ""
        return ""

    def action_section(self, places: int) -> None:
        """Go to the first field of another section."""
        sections = list(_titles())
        at = sections.index(self._section_in_focus())
        self._go_to(sections[(at + places) % len(sections)])

    @on(SectionRail.Wanted)
    def _section_wanted(self, message: SectionRail.Wanted) -> None:
        self._go_to(message.section)

    def _go_to(self, section: str) -> None:
        for box in self.query(".section"):
            if box.name == section:
                editors = [one for one in box.query("Input, Choice, TextArea") if one.focusable]
                if editors:
                    editors[0].focus(scroll_visible=False)
                self.query_one("#fields").scroll_to_widget(box, top=True, animate=False)

    def action_home(self) -> None:
        """Back to the runs."""
        self.post_message(ScreenWanted("home"))

    # ── starting ──────────────────────────────────────────────────────────────

    def action_start(self) -> None:
        """Start what the form says, once it is known to be valid."""
        verdict = self._verdict
        if self._is_starting:
            return
        if verdict is None or verdict.serial != self._serial:
            self._start_when_checked = True
            return
        if verdict.config is None:
            self._go_to_first_problem(verdict.problems)
            return
        self._is_starting = True
        self.query_one(FormFoot).show_waiting("starting the worker …")
        config, source = verdict.config, self._draft.source
        self.run_worker(lambda: self._start(config, source), group="start", thread=True,
                        exclusive=True, exit_on_error=False)  # fmt: skip

    def _start(self, config: ExperimentConfig, source: str) -> None:
        """In a thread: start the worker and wait until it has claimed the run."""
        try:
            record = lifecycle.start(self._workspace, config, source=source)
        except Exception as error:  # Said on the screen: nobody sees a thread die.
            self.post_message(WorkFailed("starting the run", problems_of(error)))
            return
        self.post_message(RunStarted(record))

    @on(RunStarted)
    def _started(self) -> None:
        self._is_starting = False
        if self._verdict is not None:
            self.query_one(FormFoot).show_outcome(self._verdict)

    @on(WorkFailed)
    def _failed(self, message: WorkFailed) -> None:
        message.stop()
        self._is_starting = False
        self.query_one(Notice).tell(message.problems)
        if self._verdict is not None:
            self.query_one(FormFoot).show_outcome(self._verdict)

    def _go_to_first_problem(self, problems: tuple[Problem, ...]) -> None:
        names = [task.name for task in self._draft.tasks]
        for problem in problems:
            parts = problem.where.split(".")
            if parts[0] == "tasks" and len(parts) > 1 and parts[1] in names:
                self._task_at = names.index(parts[1])
                self._show_task()
                self._show_problems()
            wrong = [row for row in self.query(FieldRow) if row.has_class("-wrong") and row.display]
            if wrong:
                wrong[0].focus_editor()
                break
        count = len(problems)
        self.notify(f"Not started: {count} problem{'s' if count > 1 else ''} in the form.",
                    severity="warning", markup=False)  # fmt: skip


def visible_lines(text: str) -> str:
    """Several lines, each made safe."""
    return "\n".join(visible(line) for line in text.splitlines())


def _titles() -> dict[str, str]:
    """Sections in the order of the form; those the schema has and the form does not name last."""
    sections = {section_of(spec.path) for spec in plain_specs()} | {"tasks"}
    named = {section: title for section, title in SECTION_TITLES.items() if section in sections}
    rest = sorted(sections - set(named))
    return named | {section: section.capitalize() for section in rest}


def _label(key: str) -> str:
    return key.replace("_", " ").replace(".", " ")


def _distinct(names: list[str]) -> list[str]:
    """Names as they are; the second of two alike with its number."""
    return [
        name if names.index(name) == at and name else f"{name or 'unnamed'} ({at + 1})"
        for at, name in enumerate(names)
    ]


def _row_around(widget: Widget | None) -> FieldRow | None:
    for parent in widget.ancestors_with_self if widget is not None else ():
        if isinstance(parent, FieldRow):
            return parent
    return None
