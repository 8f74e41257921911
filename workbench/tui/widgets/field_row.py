"""One setting in one row: its name, the place to type or choose, and beneath it what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from workbench.config.fields import FieldSpec
from workbench.errors import Problem
from workbench.tui.form import shown
from workbench.tui.messages import FrozenMessage
from workbench.tui.visible import visible
from workbench.tui.widgets.choice import Choice

_SWITCH_WORDS = {"on": "true", "off": "false"}
_TEXT_KINDS = ("text", "number", "integer", "table")


def label_of(key: str) -> str:
    """A key as a person reads it."""
    return key.replace("_", " ").replace(".", " ")


class FieldRow(Widget):
    """Holds raw text whatever the kind of field; a person's change posts `Edited`."""

    DEFAULT_CSS = """
    FieldRow {
        height: auto;
        layout: vertical;
        & > Horizontal { height: auto; }
        .name { width: 24; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
        .name.-changed { color: $foreground; text-style: bold; }
        &:focus-within .name { color: $text-accent; }
        Input { width: 1fr; background: $surface; color: $foreground; }
        Input:focus { background: $primary 15%; }
        TextArea { width: 1fr; height: 5; padding: 0; border: none; background: $surface; }
        TextArea:focus { background: $primary 12%; border: none; }
        .problem { display: none; height: auto; margin-left: 24; color: $text-error; }
        &.-wrong .problem { display: block; }
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

    def __init__(self, spec: FieldSpec, *, key: str, label: str) -> None:
        """Make an empty row.

        Args:
            spec: What the schema says of the field.
            key: Names the field in the draft: its path, or its key within a task.
            label: What to call it.
        """
        super().__init__()
        self.spec = spec
        self.key = key
        self._label = label
        self._raw = ""

    def compose(self) -> ComposeResult:
        """Name, editor, problem."""
        with Horizontal():
            yield Static(Content(f"  {self._label}"), classes="name")
            yield self._editor()
        yield Static(classes="problem")

    def _editor(self) -> Widget:
        spec = self.spec
        if spec.kind == "choice":
            return Choice(spec.choices, value=shown(spec, spec.default))
        if spec.kind == "switch":
            return Choice(tuple(_SWITCH_WORDS))
        if spec.kind == "list":
            return TextArea(self._raw, tab_behavior="focus", compact=True)
        return Input(placeholder=self._hint(), compact=True)

    def _hint(self) -> str:
        if self.spec.required:
            return "required"
        default = shown(self.spec, self.spec.default)
        return f"default {default}" if default else "not set"

    @property
    def raw(self) -> str:
        """The field's text as `coerce` reads it."""
        return self._raw

    @raw.setter
    def raw(self, raw: str) -> None:
        """Show a value without posting anything."""
        self._raw = raw
        if self.spec.kind in _TEXT_KINDS:
            field = self.query_one(Input)
            if field.value != raw:
                with self.prevent(Input.Changed):
                    field.value = raw
                field.cursor_position = len(raw) if len(raw) <= field.size.width else 0
        elif self.spec.kind == "list":
            with self.prevent(TextArea.Changed):
                self.query_one(TextArea).load_text(raw)
        else:
            words = {text: word for word, text in _SWITCH_WORDS.items()}
            self.query_one(Choice).value = words.get(raw, raw)
        self._show_difference()

    def tell(self, problem: Problem | None) -> None:
        """Show what is wrong with the field, or nothing."""
        self.set_class(problem is not None, "-wrong")
        if problem is not None:
            next_step = f" {problem.next_step}" if problem.next_step else ""
            self.query_one(".problem", Static).update(
                Content.assemble(
                    ("✗ ", "bold"),
                    visible(problem.what),
                    (visible(next_step), "$foreground 75%"),
                )
            )

    def focus_editor(self) -> None:
        """Put the cursor into the field."""
        self.query("Input, Choice, TextArea").first(Widget).focus()

    def _show_difference(self) -> None:
        default = shown(self.spec, self.spec.default)
        differs = bool(self._raw) and self._raw != default
        name = self.query_one(".name", Static)
        name.set_class(differs, "-changed")
        name.update(Content(f"{'•' if differs else ' '} {self._label}"))

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

    @on(Choice.Changed)
    def _choice_changed(self, message: Choice.Changed) -> None:
        message.stop()
        self._edited(_SWITCH_WORDS.get(message.value, message.value))
