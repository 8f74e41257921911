"""New experiment: a form made from the config schema, checked while one types."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static

from workbench.config.experiment import ExperimentConfig
from workbench.config.meanings import lead, meanings
from workbench.config.presets import PresetInfo, list_presets
from workbench.operations import lifecycle
from workbench.operations.workspace import Workspace
from workbench.tui.form import (
    FormDraft,
    empty_draft,
    judge,
    load_draft,
    peek_at_files,
    task_specs,
)
from workbench.tui.messages import (
    DraftLoaded,
    FilesPeeked,
    FormChecked,
    PresetsRead,
    RunStarted,
    ScreenWanted,
    WorkFailed,
)
from workbench.tui.screens.choose import ChooseScreen
from workbench.tui.screens.live import problems_of
from workbench.tui.visible import visible
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.field_row import FieldRow
from workbench.tui.widgets.form_fields import FormFields, count_by_section, section_titles
from workbench.tui.widgets.form_foot import FormFoot
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.rate_preview import RateChart
from workbench.tui.widgets.section_rail import SectionRail
from workbench.tui.widgets.task_editor import NAME, TaskEditor

FIRST_PRESET = "quickstart"
_CHECK_SECONDS = 0.15
_WIDE = 112
"""Columns from which there is room for a panel at the side."""
_ABOUT_OTHERS = {
    "preset": ("preset", "Where to begin: enter shows the list, and a choice fills the form. "
               "Go on with tab."),
    "root": ("data root", "A folder that is looked in first for the data files below."),
    "task": ("tasks", "Left and right show another task. a adds one, c copies the one shown, x "
             "removes it, < and > move it, enter goes to its name."),
}  # fmt: skip
"""Help for what is no setting, by id."""


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
        #begin .root-label { padding: 0 1 0 2; }
        #middle { height: 1fr; }
        #side { display: none; width: 40; height: 1fr; padding: 0 1;
                border-left: solid $border-blurred; }
        &.-wide #side { display: block; }
        #toml { height: 1fr; margin-top: 1; border-top: solid $border-blurred; color: $text-muted;
                border-title-color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
        #about { height: auto; color: $text-muted; margin: 1 0; }
    }
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._draft = empty_draft()
        self._presets: tuple[PresetInfo, ...] = ()
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
            yield SectionRail(section_titles())
            yield FormFields()
            with Vertical(id="side"):
                yield Static(id="about")
                yield RateChart()
                yield Static(id="toml")
        yield FormFoot()
        yield KeyBar()

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
    def _fields(self) -> FormFields:
        return self.query_one(FormFields)

    def row(self, key: str) -> FieldRow:
        """The row of a field that applies: by path, or by key within the task shown."""
        return self._fields.row(key)

    def _show_draft(self) -> None:
        self._fields.show(self._draft)
        about = next((one for one in self._presets if one.name == self._draft.source), None)
        self.query_one("#about", Static).update(Content(visible_lines(about.header))
                                                if about else Content())  # fmt: skip
        self._check_soon(0)

    # ── editing ───────────────────────────────────────────────────────────────

    @on(FormFields.Edited)
    def _edited(self) -> None:
        self._explain()
        self._check_soon()

    @on(TaskEditor.Shown)
    def _task_shown(self) -> None:
        self._show_problems()
        self._explain()

    @on(TaskEditor.NewTaskWanted)
    def _new_task_wanted(self) -> None:
        self.action_add_task()

    @on(TaskEditor.Removed)
    def _task_removed(self, message: TaskEditor.Removed) -> None:
        self.notify(f'Task "{visible(message.name)}" is removed.', markup=False)

    @on(Choice.ExplainWanted)
    def _explain_wanted(self, message: Choice.ExplainWanted) -> None:
        """List the words of a choice with all that is said of them."""
        row = _row_around(message.choice)
        if row is None:
            return
        told = {one.word: one.sentence for one in meanings(row.spec)}
        words = {word: told.get(word, "") for word in message.choice.words}

        def chosen(word: str | None) -> None:
            if word is not None:
                message.choice.take(word)

        task = self._fields.task_editor.shown_task
        name = row.spec.in_task(task.name) if task is not None else row.spec.path
        self.app.push_screen(
            ChooseScreen(name, words, value=message.choice.value, intro=lead(row.spec)), chosen
        )

    @on(Input.Changed, "#root")
    def _root_changed(self, message: Input.Changed) -> None:
        self._draft.data_root = message.value
        self._check_soon()

    @on(Input.Submitted)
    def _field_done(self) -> None:
        self.focus_next()

    def action_add_task(self) -> None:
        """Ask which kind of task to add, add it, and go to its name."""
        spec = next(one for one in task_specs() if one.path == "tasks.*.kind")
        kinds = {one.word: one.sentence for one in meanings(spec)}

        def chosen(kind: str | None) -> None:
            if kind is not None:
                self._fields.task_editor.add(kind)

        self.app.push_screen(ChooseScreen("Add a task of which kind?", kinds), chosen)

    def action_remove_task(self) -> None:
        """Remove the task that is shown."""
        if self._draft.tasks:
            self._fields.task_editor.do("remove")

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
            self.post_message(FilesPeeked(serial, peek_at_files(entries)))

        self.run_worker(check, group="check", thread=True, exclusive=True, exit_on_error=False)

    @on(FormChecked)
    def _checked(self, message: FormChecked) -> None:
        if message.serial != self._serial:
            return
        self._verdict = message
        self._show_problems()
        self.query_one(FormFoot).show_outcome(message)
        settings = message.config.optimization if message.config is not None else None
        self._fields.show_rates(settings)
        self.query_one(RateChart).show_settings(settings)
        if message.toml:
            self.query_one("#toml", Static).update(Content(visible_lines(message.toml)))
        if self._start_when_checked:
            self._start_when_checked = False
            self.action_start()

    @on(FilesPeeked)
    def _peeked(self, message: FilesPeeked) -> None:
        if message.serial == self._serial:
            self._fields.show_peeks(message.peeks)

    def _show_problems(self) -> None:
        """Put each problem beside its field, and count them by section."""
        problems = self._verdict.problems if self._verdict is not None else ()
        self.query_one(Notice).tell(self._fields.tell(problems))
        self._show_rail()

    def _show_rail(self) -> None:
        problems = self._verdict.problems if self._verdict is not None else ()
        self.query_one(SectionRail).show(self._section_in_focus(), count_by_section(problems))

    # ── moving about ──────────────────────────────────────────────────────────

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Explain the field that was entered."""
        self._explain()
        self._show_rail()

    def _explain(self) -> None:
        """Say what the field in focus is for, and what the word that is chosen there does."""
        row = _row_around(self.focused)
        foot = self.query_one(FormFoot)
        about = _ABOUT_OTHERS.get(self.focused.id or "") if self.focused is not None else None
        if about is not None:
            foot.show_words(*about)
        if row is not None:
            task = self._fields.task_editor.shown_task
            name = task.name if task is not None and row.key != NAME else ""
            foot.show_help(row.spec, name, row.chosen_word)

    def _section_in_focus(self) -> str:
        return self._fields.section_around(self.focused)

    def action_section(self, places: int) -> None:
        """Go to the first field of another section."""
        sections = list(section_titles())
        at = sections.index(self._section_in_focus())
        self._fields.go_to(sections[(at + places) % len(sections)])

    @on(SectionRail.Wanted)
    def _section_wanted(self, message: SectionRail.Wanted) -> None:
        self._fields.go_to(message.section)

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
            count = len(verdict.problems)
            self._fields.go_to_first_problem(verdict.problems)
            self.notify(f"Not started: {count} problem{'s' if count > 1 else ''} in the form.",
                        severity="warning", markup=False)  # fmt: skip
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


def visible_lines(text: str) -> str:
    """Several lines, each made safe."""
    return "\n".join(visible(line) for line in text.splitlines())


def _row_around(widget: Widget | None) -> FieldRow | None:
    for parent in widget.ancestors_with_self if widget is not None else ():
        if isinstance(parent, FieldRow):
            return parent
    return None
