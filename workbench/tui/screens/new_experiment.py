"""New experiment: a form made from the config schema, checked and planned while one types."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Label, Select

from workbench.config.experiment import ExperimentConfig
from workbench.config.meanings import lead, meanings
from workbench.errors import Problem
from workbench.operations.workspace import Workspace
from workbench.store.records import RunRecord
from workbench.tui import clipboard
from workbench.tui.check_desk import CHECK_SECONDS, CheckDesk
from workbench.tui.form import FormDraft, empty_draft, task_specs
from workbench.tui.launch_desk import LaunchDesk, Way
from workbench.tui.messages import (
    DraftLoaded,
    FilesPeeked,
    FormChecked,
    PlanMade,
    PlanProgressed,
    PresetsRead,
    RunsQueued,
    RunStarted,
    ScreenWanted,
    TrialsMade,
    UpdatesMeasured,
    WorkFailed,
)
from workbench.tui.plan_desk import PlanDesk
from workbench.tui.plan_lines import short_lines
from workbench.tui.preset_shelf import PresetShelf
from workbench.tui.screens.choose import ChooseScreen
from workbench.tui.screens.prompt import PromptScreen
from workbench.tui.screens.save_preset import SavePresetDialog
from workbench.tui.visible import visible
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.field_row import FieldRow
from workbench.tui.widgets.form_fields import FormFields, count_by_section, section_titles
from workbench.tui.widgets.form_foot import FormFoot
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.outlook import Outlook, styled
from workbench.tui.widgets.section_rail import SectionRail
from workbench.tui.widgets.task_editor import NAME, TaskEditor

FIRST_PRESET = "quickstart"
PLAN_SECONDS = 0.5
"""After so long without a key a plan is asked for."""
_WIDE = 112
"""Columns from which there is room for a panel at the side."""
_NEXT_VARIATION = re.compile(r"\s+(?=[\w.-]+=[^=])")
"""Values may have blanks between them; what follows one and has an equals sign is a setting."""
_ABOUT_SWEEPS = (
    "Settings, each with the values that it takes; every combination is queued as a run: "
    "optimization.learning_rate=1e-4,3e-4 seed=1,2,3"
)
_ABOUT_OTHERS = {
    "root": ("data root", "A folder that is looked in first for the data files below."),
    "task": ("tasks", "Left and right show another task. a adds one, c copies the one shown, x "
             "removes it, < and > move it, enter goes to its name."),
}  # fmt: skip
"""Help for what is no setting, by id."""


class NewExperimentScreen(Screen[None]):
    """Keeps what was typed while one is elsewhere; starts nothing that is not valid."""

    PURPOSE = (
        "Describe an experiment and start it. Begin with a preset, or with the settings of a run "
        "(N on Home), and change what you like: every field is checked as you type, and fields "
        "that have no effect are hidden. A bold name with a dot is a value that differs from the "
        "default. The plan says what the run would do before it is started."
    )

    AUTO_FOCUS = "#preset"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5,ctrl+g", "start", "Start", key_display="F5", id="new.start",
                tooltip="Start the run and watch it", priority=True),
        Binding("f6", "queue", "Queue", key_display="F6", id="new.queue", priority=True,
                tooltip="Let the run wait for its turn, after those that are at work"),
        Binding("f7", "sweep", "Sweep", show=False, key_display="F7", id="new.sweep", priority=True,
                tooltip="Queue a run for each combination of values that some settings take"),
        Binding("f2,ctrl+l", "look('plan')", "Plan", key_display="F2", id="new.plan",
                tooltip="Layers, data, steps, memory and warnings of the run"),
        Binding("f3", "look('curves')", "Curves", key_display="F3", id="new.curves",
                tooltip="Learning rates over the run"),
        Binding("f4", "look('file')", "File", key_display="F4", id="new.file",
                tooltip="The experiment as a command and as a file, to be copied"),
        Binding("ctrl+s", "save", "Save", key_display="^s", id="new.save",
                tooltip="Save the form as a preset"),
        Binding("ctrl+t", "add_task", "Add task", key_display="^t", id="new.add-task",
                tooltip="Add a task"),
        Binding("ctrl+r", "remove_task", "Remove task", show=False, key_display="^r",
                id="new.remove-task", tooltip="Remove the task that is shown"),
        Binding("ctrl+z", "restore", "Form before", show=False, key_display="^z",
                id="new.restore", tooltip="The form as it was before it was filled anew"),
        Binding("pagedown,ctrl+down", "section(1)", "Section", key_display="pgdn",
                id="new.next-section", tooltip="Go to the next section"),
        Binding("pageup,ctrl+up", "section(-1)", "Section before", show=False,
                id="new.previous-section", tooltip="Go to the section before"),
        Binding("down", "app.focus_next", "Next field", show=False, id="new.next-field",
                tooltip="Go to the next field"),
        Binding("up", "app.focus_previous", "Field before", show=False, id="new.previous-field",
                tooltip="Go to the field before"),
        Binding("escape", "leave", "Back", id="new.home",
                tooltip="Back to the fields, or to all runs; what you typed stays"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    NewExperimentScreen {
        #begin { height: 1; padding: 0 1; background: $surface; }
        #begin Label { color: $text-muted; width: auto; padding-right: 1; }
        #preset { width: 30; }
        #preset > SelectOverlay { max-height: 18; }
        #preset:focus > SelectCurrent { background: $primary 22%; }
        #root { width: 1fr; background: $background; }
        #root:focus { background: $primary 15%; }
        #begin .root-label { padding: 0 1 0 2; }
        #middle { height: 1fr; }
        Outlook { display: none; }
        &.-wide Outlook { display: block; width: 44%; max-width: 90;
                          border-left: solid $border-blurred; }
        &.-looking Outlook { display: block; }
        &.-looking.-narrow SectionRail { display: none; }
        &.-looking.-narrow FormFields { display: none; }
        &.-looking.-narrow FormFoot { display: none; }
    }
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._draft = empty_draft()
        self._shelf = PresetShelf(self, workspace.location.runs.parent)
        self._checks = CheckDesk(self, lambda: self._draft.entries())
        self._begin_when_checked: tuple[Way, Sequence[str]] | None = None
        self._variations = ""
        self._launches = LaunchDesk(self, workspace)
        self._desk = PlanDesk(self)
        self._plan_timer: Timer | None = None
        self._before: FormDraft | None = None
        self._run: RunRecord | None = None
        self._field: Widget | None = None

    # ── layout ────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Where to begin, sections and fields, what it comes to, keys."""
        # Before the fields are there: afterwards it would style them all anew, twice.
        self._fit(self.app.size.width)
        yield JumpBar("new", self._workspace.location.url)
        with Horizontal(id="begin"):
            yield Label("preset")
            yield Select[str]((), prompt="none", allow_blank=True, compact=True, id="preset")
            yield Label("data root", classes="root-label")
            yield Input(placeholder="folder for data files", compact=True,
                        id="root")  # fmt: skip
        yield Notice()
        with Horizontal(id="middle"):
            yield SectionRail(section_titles())
            yield FormFields()
            yield Outlook()
        yield FormFoot()
        yield KeyBar()

    def on_mount(self) -> None:
        """The presets come from a thread, and the form is filled with the first, or with a run."""
        self._desk.open()
        if self._run is not None:
            self._fill(self._run)
        self.query_one(FormFoot).show_waiting("reading the presets …")
        self._shelf.look()

    def on_unmount(self) -> None:
        """Leave no helper behind."""
        self._desk.close()

    def on_resize(self) -> None:
        """What the form comes to is beside it only where there is room."""
        self._fit(self.size.width)

    def _fit(self, width: int) -> None:
        self.set_class(width >= _WIDE, "-wide")
        self.set_class(width < _WIDE, "-narrow")

    # ── presets ───────────────────────────────────────────────────────────────

    @on(PresetsRead)
    def _presets_read(self, message: PresetsRead) -> None:
        self._shelf.take(message)
        names = self._shelf.names
        picker = self.query_one("#preset", Select)
        with self.prevent(Select.Changed):
            picker.set_options((Content(visible(name)), name) for name in names)
            if self._draft.source in names:
                picker.value = self._draft.source
        if self.verdict is not None or self._run is not None:
            return  # read anew after one was saved, or a run fills the form
        if FIRST_PRESET in names:
            picker.value = FIRST_PRESET
        else:
            self._show_draft()

    @on(Select.Changed, "#preset")
    def _preset_chosen(self, message: Select.Changed) -> None:
        if not isinstance(message.value, str):
            if self._draft.source:
                self._begin_empty()
        elif message.value != self._draft.source:
            self._shelf.load(message.value)

    def _begin_empty(self) -> None:
        draft = empty_draft()
        draft.new_task()
        self.post_message(DraftLoaded(draft))
        self.notify("Emptied; ^z brings back what was there.", markup=False)

    def fill(self, record: RunRecord) -> None:
        """Begin with the settings of a run; before the form is there, as soon as it is."""
        self._run = record
        if self.is_mounted:
            self._fill(record)

    def _fill(self, record: RunRecord) -> None:
        self._shelf.load_settings_of(record)
        self.notify(f'Filled with the settings of "{visible(record.name)}".', markup=False)

    @on(DraftLoaded)
    def _draft_loaded(self, message: DraftLoaded) -> None:
        if self._draft.tasks:
            self._before = self._draft
        self._draft = message.draft
        self._draft.data_root = self.query_one("#root", Input).value
        self._take_draft()

    def action_restore(self) -> None:
        """Bring back the form as it was before it was filled; once more undoes that."""
        if self._before is not None:
            self._draft, self._before = self._before, self._draft
            self._take_draft()

    def _take_draft(self) -> None:
        picker = self.query_one("#preset", Select)
        with self.prevent(Select.Changed):
            if self._draft.source in self._shelf.names:
                picker.value = self._draft.source
            else:
                picker.clear()
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
        return self._checks.verdict

    @property
    def _fields(self) -> FormFields:
        return self.query_one(FormFields)

    def row(self, key: str) -> FieldRow:
        """The row of a field that applies: by path, or by key within the task shown."""
        return self._fields.row(key)

    def _show_draft(self) -> None:
        self._fields.show(self._draft)
        self._explain()
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

    def _check_soon(self, seconds: float = CHECK_SECONDS) -> None:
        self.query_one(Outlook).wait("")  # what it shows is of an earlier form from now on
        if self._plan_timer is not None:
            self._plan_timer.stop()
        self._checks.soon(seconds)

    @on(FormChecked)
    def _checked(self, message: FormChecked) -> None:
        if not self._checks.take(message):
            return
        self._show_problems()
        self.query_one(FormFoot).show_outcome(message)
        settings = message.config.optimization if message.config is not None else None
        self._fields.show_rates(settings)
        self.query_one(Outlook).show_form(message.config, message.command, message.toml)
        self._show_plan()
        self._plan_timer = self.set_timer(PLAN_SECONDS, self._plan)
        if self._begin_when_checked is not None:
            (way, variations), self._begin_when_checked = self._begin_when_checked, None
            self._begin(way, variations)

    @on(FilesPeeked)
    def _peeked(self, message: FilesPeeked) -> None:
        if self._checks.is_of_now(message):
            self._fields.show_peeks(message.peeks)

    # ── the plan ──────────────────────────────────────────────────────────────

    def _plan(self) -> None:
        """Ask for a plan of the form as it is, unless nobody can see it."""
        self._desk.want(self._checks.config if self.is_current else None)
        self._show_plan()

    def _show_plan(self) -> None:
        """Show the plan of the form as it is, or say that there is none yet."""
        outlook, rail = self.query_one(Outlook), self.query_one(SectionRail)
        config = self._checks.config
        found = self._desk.answer(config) if config is not None else None
        if found is not None:
            outlook.show_plan(*found, self._desk.trials)
            rail.show_plan(styled(short_lines(*found)))
            self._tell_fields()
            if errors := [one.what for one in found[0].findings if one.severity == "error"]:
                self.query_one(FormFoot).show_plan_errors(errors)
        elif config is None:
            outlook.spoil()
            rail.show_plan(Content())
        else:
            outlook.wait("planning …" if self._desk.is_busy else "")
            rail.show_plan(Content.styled("planning …", "$foreground 65%"))

    @on(PlanProgressed)
    def _plan_progressed(self, message: PlanProgressed) -> None:
        if self._checks.config is not None and self._desk.answer(self._checks.config) is None:
            self.query_one(Outlook).wait(f"{message.line} …")
        elif self._desk.is_busy:
            self.query_one(Outlook).measuring(f"{message.line} …")

    @on(PlanMade)
    def _plan_made(self, message: PlanMade) -> None:
        self._desk.made(message)
        self._show_plan()

    @on(UpdatesMeasured)
    def _updates_measured(self, message: UpdatesMeasured) -> None:
        self._desk.measured(message)
        self._show_plan()

    @on(TrialsMade)
    def _trials_made(self, message: TrialsMade) -> None:
        self._desk.tried(message)
        self._show_plan()

    @on(Outlook.MeasureWanted)
    def _measure_wanted(self) -> None:
        self._ask_for("measuring …", self._desk.measure)

    @on(Outlook.TrialsWanted)
    def _trials_wanted(self) -> None:
        self._ask_for("trying it out …", self._desk.try_out)

    def _ask_for(self, doing: str, ask: Callable[[ExperimentConfig], bool]) -> None:
        """Have the helper do something with the form as it is."""
        config = self._checks.config
        if config is None:
            self.notify("The form has problems: mend them first.", markup=False)
        elif ask(config):
            self.query_one(Outlook).measuring(doing)
        else:
            self.notify("The helper is at work; press the key once more when it is done.",
                        markup=False)  # fmt: skip

    @on(Outlook.CopyWanted)
    def _copy_wanted(self, message: Outlook.CopyWanted) -> None:
        verdict = self.verdict
        if verdict is None or verdict.config is None:
            self.notify("The form has problems: there is nothing to copy.", markup=False)
            return
        is_command = message.what == "command"
        text = verdict.command if is_command else verdict.toml
        self.app.notify(
            clipboard.copy(self.app, text, "command.sh" if is_command else "experiment.toml"),
            markup=False,
        )

    @on(Outlook.PageWanted)
    def _page_wanted(self, message: Outlook.PageWanted) -> None:
        self.action_look(message.page)

    @property
    def _is_looking(self) -> bool:
        """Whether the focus is in the outlook, not in the form."""
        focused = self.focused
        return focused is not None and self.query_one(Outlook) in focused.ancestors

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of the form rest while one looks at what it comes to."""
        of_form = ("add_task", "remove_task", "section", "restore", "save")
        return not (action in of_form and self._is_looking)

    def action_look(self, page: str) -> None:
        """Go to a page of what the form comes to."""
        outlook = self.query_one(Outlook)
        if not self._is_looking:
            self._field = self.focused
        self.add_class("-looking")
        outlook.show_page(page)
        outlook.focus_page()

    def _show_problems(self) -> None:
        """Say what is wrong: beside its field, or above the form if it has none."""
        unplaced = self._tell_fields()
        # What the plan says of no field that is here stands in the plan, and at the foot.
        self.query_one(Notice).tell([one for one in unplaced if one in self._problems()])

    def _tell_fields(self) -> list[Problem]:
        """Put each problem beside its field, and count them by section; those without a field."""
        unplaced = self._fields.tell([*self._problems(), *self._problems_of_plan()])
        self._show_rail()
        return unplaced

    def _show_rail(self) -> None:
        counts = count_by_section([*self._problems(), *self._problems_of_plan()])
        self.query_one(SectionRail).show(self._section_in_focus(), counts)

    def _problems(self) -> Sequence[Problem]:
        return self.verdict.problems if self.verdict is not None else ()

    def _problems_of_plan(self) -> list[Problem]:
        """What the plan of the form as it is found wrong with a setting, at that setting."""
        config = self._checks.config
        found = self._desk.answer(config) if config is not None else None
        return [
            Problem(one.what, one.setting, one.next_step)
            for one in (found[0].findings if found is not None else ())
            if one.severity == "error" and one.setting
        ]

    # ── moving about ──────────────────────────────────────────────────────────

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Explain the field that was entered."""
        self._explain()
        self._show_rail()

    def _explain(self) -> None:
        """Say what the field in focus is for, and what the word that is chosen there does."""
        row = _row_around(self.focused)
        foot = self.query_one(FormFoot)
        place = self.focused.id or "" if self.focused is not None else ""
        if place == "preset":
            foot.show_words("preset", self._about_preset())
        elif place in _ABOUT_OTHERS:
            foot.show_words(*_ABOUT_OTHERS[place])
        if row is not None:
            task = self._fields.task_editor.shown_task
            name = task.name if task is not None and row.key != NAME else ""
            foot.show_help(row.spec, name, row.chosen_word)

    def _section_in_focus(self) -> str:
        return self._fields.section_around(self._field if self._is_looking else self.focused)

    def action_section(self, places: int) -> None:
        """Go to the first field of another section."""
        sections = list(section_titles())
        at = sections.index(self._section_in_focus())
        self._fields.go_to(sections[(at + places) % len(sections)])

    @on(SectionRail.Wanted)
    def _section_wanted(self, message: SectionRail.Wanted) -> None:
        self._fields.go_to(message.section)

    @property
    def help_here(self) -> Content:
        """All that is to be said of the field in focus, for the help."""
        row = _row_around(self.focused)
        if row is None:
            return Content()
        lines = [Content.styled(row.spec.path.replace("*", "NAME"), "bold $text-accent")]
        told = [one for one in meanings(row.spec) if one.text]
        if about := (lead(row.spec) if told else row.spec.help):
            lines.append(Content(about))
        lines += [Content.assemble((f"{one.word}  ", "bold"), one.sentence) for one in told]
        return Content("\n").join(lines)

    def _about_preset(self) -> str:
        """What the preset is for, or what presets are."""
        known = self._shelf.find(self._draft.source)
        how = "Enter shows the list of presets, and a choice fills the form. Go on with tab."
        about = " ".join(known.header.split()) if known is not None else ""
        return visible(f"{how} {about}")

    def action_leave(self) -> None:
        """Back to the fields from what one looked at; else to the runs."""
        if self._is_looking:
            self.remove_class("-looking")
            if self._field is not None and self._field.is_attached:
                self._field.focus()
            else:
                self.focus_next()
            return
        self.post_message(ScreenWanted("home"))

    # ── saving ────────────────────────────────────────────────────────────────

    def action_save(self) -> None:
        """Ask where to save the form."""
        config = self._checks.config
        if config is None:
            self.notify("Not saved: mend the problems of the form first.", severity="warning",
                        markup=False)  # fmt: skip
            return
        known = self._shelf.find(self._draft.source)

        def saved(name: str | None) -> None:
            if name is not None:
                # Read again: its data files may be written in another way than in the form.
                self._shelf.load(name)
                self.notify(f"Saved as {visible(name)}.", markup=False)
                self._shelf.look()

        file = self._shelf.file_for(config, self._draft.source)
        dialog = SavePresetDialog(config, file=file, about=known.summary if known else "")
        self.app.push_screen(dialog, saved)

    # ── starting ──────────────────────────────────────────────────────────────

    def action_start(self) -> None:
        """Start what the form says, once it is known to be valid."""
        self._begin("start")

    def action_queue(self) -> None:
        """The same, but let it wait for its turn."""
        self._begin("queue")

    def action_sweep(self) -> None:
        """Ask what is to be varied, and queue every combination."""

        def answered(text: str | None) -> None:
            if text is None:
                return
            self._variations = text.strip()
            if self._variations:
                self._begin("queue", variations=_NEXT_VARIATION.split(self._variations))

        self.app.push_screen(PromptScreen("sweep", _ABOUT_SWEEPS, value=self._variations), answered)

    def _begin(self, way: Way, variations: Sequence[str] = ()) -> None:
        verdict = self._checks.verdict_of_now
        if self._launches.is_busy:
            return
        if verdict is None:
            self._begin_when_checked = way, variations
            return
        if verdict.config is None:
            count = len(verdict.problems)
            self._fields.go_to_first_problem(verdict.problems)
            not_done = "started" if way == "start" else "queued"
            self.notify(f"Not {not_done}: {count} problem{'s' if count > 1 else ''} in the form.",
                        severity="warning", markup=False)  # fmt: skip
            return
        waiting = "starting the worker …" if way == "start" else "adding it to the queue …"
        self.query_one(FormFoot).show_waiting(waiting)
        if way == "start":
            self._launches.start(verdict.config, self._draft.source)
        else:
            self._launches.queue(verdict.config, self._draft.source, variations)

    @on(RunStarted)
    @on(RunsQueued)
    def _started(self) -> None:
        self._launches.begun()
        if self.verdict is not None:
            self.query_one(FormFoot).show_outcome(self.verdict)

    @on(WorkFailed)
    def _failed(self, message: WorkFailed) -> None:
        message.stop()
        self._launches.failed(message)
        if message.doing in ("measuring", "trying out"):
            self._desk.free()
            self._show_plan()
        self.query_one(Notice).tell(message.problems)
        if self.verdict is not None:
            self.query_one(FormFoot).show_outcome(self.verdict)


def _row_around(widget: Widget | None) -> FieldRow | None:
    for parent in widget.ancestors_with_self if widget is not None else ():
        if isinstance(parent, FieldRow):
            return parent
    return None
