"""One setting in one row: its name, the place to type or choose, and beneath it what is wrong.

While the field is in focus a line beneath it says what it may be completed to, and what is known
of the file that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from workbench.config.fields import FieldSpec
from workbench.errors import Problem
from workbench.tui.form import shown
from workbench.tui.messages import FrozenMessage
from workbench.tui.visible import visible
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.completing_input import CompletingInput, Find
from workbench.tui.widgets.list_area import ListArea
from workbench.tui.widgets.many_choice import ManyChoice

EDITORS = "Input, Choice, ManyChoice, TextArea"
"""What a row may have to type or choose in."""
_SWITCH_WORDS = {"on": "true", "off": "false"}
Completer = Callable[["FieldRow", str], Find]
"""From a row and what is typed in it to the way to find what that may become."""


def label_of(key: str) -> str:
    """A key as a person reads it."""
    return key.replace("_", " ").replace(".", " ")


class FieldRow(Widget):
    """Holds raw text whatever the kind of field; a person's change posts `Edited`."""

    DEFAULT_CSS = """
    FieldRow {
        height: auto;
        layout: vertical;
        .name { dock: left; width: 25; height: 1; color: $text-muted; text-wrap: nowrap;
                text-overflow: ellipsis; }
        .name.-changed { color: $foreground; text-style: bold; }
        &.-entered .name { color: $text-accent; }
        Input { width: 1fr; background: $surface; color: $foreground; }
        Input:focus { background: $primary 15%; }
        .problem { display: none; height: auto; color: $text-error; }
        &.-wrong .problem { display: block; }
        .hint { display: none; height: 1; color: $text-muted; text-wrap: nowrap;
                text-overflow: ellipsis; }
        &.-hinted.-entered .hint { display: block; }
    }
    """

    @dataclass(eq=False)
    class Edited(FrozenMessage):
        """A person changed the field."""

        row: FieldRow
        raw: str

        @property
        def control(self) -> FieldRow:
            """The row, so that `@on` can select by it."""
            return self.row

    def __init__(
        self, spec: FieldSpec, *, key: str, label: str, complete: Completer | None = None
    ) -> None:
        """Make an empty row.

        Args:
            spec: What the schema says of the field.
            key: Names the field in the draft: its path, or its key within a task.
            label: What to call it.
            complete: Finds what the field may be completed to.
        """
        super().__init__()
        self.spec = spec
        self.key = key
        self._label = label
        self._complete = complete
        self._raw = ""
        self._differs = False
        self._candidates: tuple[str, ...] = ()
        self._known = ""

    def compose(self) -> ComposeResult:
        """Name and editor; a line beneath them is mounted when there is something to say.

        Few widgets a row: a form of eighty rows has to be there at once.
        """
        yield Static(Content(f"  {self._label}"), classes="name")
        yield self._editor()

    def _editor(self) -> Widget:
        spec = self.spec
        if spec.kind == "choice":
            return Choice(spec.choices, value=shown(spec, spec.default))
        if spec.kind == "switch":
            return Choice(tuple(_SWITCH_WORDS))
        if spec.entries:
            return ManyChoice(spec.entries)
        if spec.kind == "list" and not spec.has_numbers:
            return ListArea()
        complete = self._complete
        if spec.names and complete is not None:
            return CompletingInput(
                lambda typed: complete(self, typed), self._show_candidates, self._placeholder()
            )
        return Input(placeholder=self._placeholder(), compact=True)

    def _placeholder(self) -> str:
        if self.spec.required:
            return "required"
        default = shown(self.spec, self.spec.default)
        if default:
            return f"default {default}"
        return "not set" if self.spec.kind != "table" else "name = 1.0, other = 0.5"

    @property
    def raw(self) -> str:
        """The field's text as `coerce` reads it."""
        return self._raw

    @raw.setter
    def raw(self, raw: str) -> None:
        """Show a value without posting anything; a row that is not there yet shows it then."""
        self._raw = raw
        if self.is_mounted:
            self._show_raw()

    def on_mount(self) -> None:
        """Show what was given before the row was there."""
        self._show_raw()

    def _show_raw(self) -> None:
        raw, editor = self._raw, self.editor
        if isinstance(editor, Input):
            if editor.value != raw:
                with self.prevent(Input.Changed):
                    editor.value = raw
                editor.cursor_position = len(raw) if len(raw) <= editor.size.width else 0
        elif isinstance(editor, TextArea):
            if editor.text != raw:
                with self.prevent(TextArea.Changed):
                    editor.load_text(raw)
        elif isinstance(editor, ManyChoice):
            editor.taken = raw.splitlines()
        elif isinstance(editor, Choice):
            words = {text: word for word, text in _SWITCH_WORDS.items()}
            editor.value = words.get(raw, raw)
        self._show_difference()

    @property
    def editor(self) -> Widget:
        """Where one types or chooses."""
        return next(child for child in self.children if child.can_focus)

    @property
    def chosen_word(self) -> str:
        """The word that is chosen; empty for a field that has none to choose from."""
        editor = self.editor
        return editor.value if isinstance(editor, Choice) else ""

    def know(self, words: str) -> None:
        """Say what is known of what the field names, such as the rows of a file."""
        if words != self._known:
            self._known = words
            self._show_hint()

    def _show_candidates(self, found: Sequence[str]) -> None:
        self._candidates = tuple(found)
        self._show_hint()

    def _show_hint(self) -> None:
        said = visible(self._known)
        offered = "  ".join(visible(_last_part(one)) for one in self._candidates)
        if offered and (self._raw or not said):
            said = f"{said}  " if said else ""
            said += f"→ {offered}" if self._raw else offered
        self.set_class(bool(said), "-hinted")
        if said:
            self._say("hint", Content(said))

    def tell(self, problem: Problem | None) -> None:
        """Show what is wrong with the field, or nothing."""
        if problem is None and not self.has_class("-wrong"):
            return
        self.set_class(problem is not None, "-wrong")
        if problem is not None:
            next_step = f" {problem.next_step}" if problem.next_step else ""
            self._say(
                "problem",
                Content.assemble(
                    ("✗ ", "bold"),
                    visible(problem.what),
                    (visible(next_step), "$foreground 75%"),
                ),
            )

    def _say(self, what: str, content: Content) -> None:
        """Put a text into the line of that name beneath the field."""
        line = next((one for one in self.query_children(Static) if one.has_class(what)), None)
        if line is None:
            self.mount(Static(content, classes=what))
        else:
            line.update(content)

    def appear(self, is_there: bool) -> None:
        """Show the row or hide it; setting `display` alone would style it anew each time."""
        if bool(self.display) != is_there:
            self.display = is_there

    def focus_editor(self) -> None:
        """Put the cursor into the field."""
        self.editor.focus()

    def _show_difference(self) -> None:
        default = shown(self.spec, self.spec.default)
        differs = bool(self._raw) and self._raw != default
        if differs != self._differs:
            self._differs = differs
            name = self.query_children(Static).first()
            name.set_class(differs, "-changed")
            name.update(Content(f"{'•' if differs else ' '} {self._label}"))

    def on_descendant_focus(self) -> None:
        """Set the row off."""
        self.add_class("-entered")

    def on_descendant_blur(self) -> None:
        """And no longer."""
        self.remove_class("-entered")

    def _edited(self, raw: str) -> None:
        if raw != self._raw:
            self._raw = raw
            self._show_difference()
            self.post_message(self.Edited(self, raw))

    @on(Input.Changed)
    def _input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self._edited(message.value)

    @on(TextArea.Changed)
    def _text_changed(self, message: TextArea.Changed) -> None:
        message.stop()
        self._edited(message.text_area.text)

    @on(ManyChoice.Changed)
    def _many_changed(self, message: ManyChoice.Changed) -> None:
        message.stop()
        self._edited("\n".join(message.taken))

    @on(Choice.Changed)
    def _choice_changed(self, message: Choice.Changed) -> None:
        message.stop()
        self._edited(_SWITCH_WORDS.get(message.value, message.value))


def _last_part(path: str) -> str:
    """The end of a path, by which candidates of one folder differ."""
    return (
        path
        if not path.startswith((".", "/", "~"))
        else path.rstrip("/").rpartition("/")[2] + ("/" if path.endswith("/") else "")
    )
