"""Under the form: what the field in focus means, and the command that does the same."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from workbench.config.fields import FieldSpec
from workbench.config.meanings import lead, meanings
from workbench.tui.form import shown
from workbench.tui.messages import FormChecked
from workbench.tui.visible import visible

_HELP_LINES = 3


class FormFoot(Vertical):
    """The field's name and default, three lines of help, the state of the form, its command."""

    DEFAULT_CSS = """
    FormFoot {
        height: auto;
        padding: 0 1;
        border-top: solid $border-blurred;
        border-title-color: $text-accent;
        #help { height: 3; color: $foreground; text-overflow: ellipsis; }
        #outcome { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    """

    def compose(self) -> ComposeResult:
        """Help and outcome."""
        yield Static(id="help")
        yield Static(id="outcome")

    def show_help(self, spec: FieldSpec, task: str, word: str = "") -> None:
        """Explain a setting.

        Args:
            spec: The setting.
            task: The task that it is one of, if of any.
            word: The word that is chosen: of a choice only this one is explained.
        """
        path = spec.in_task(task) if task else spec.path
        default = shown(spec, spec.default).replace("\n", " ")
        about = f"default {default}" if default else "required" if spec.required else "may be empty"
        told = {one.word: one.sentence for one in meanings(spec) if one.text}
        if told:
            about = f"{about} · enter explains all"
        self._title(path, about)
        text = f"{told[word]} {lead(spec)}" if word in told else lead(spec)
        self._help(
            Content.assemble((visible(word), "bold"), f"  {text}") if word else Content(spec.help)
        )

    def show_words(self, name: str, words: str) -> None:
        """Explain something that is no setting."""
        self._title(name, "")
        self._help(Content(words))

    def _title(self, name: str, about: str) -> None:
        rest = f" · {about}" if about else ""
        self.border_title = Content(f" {visible(name + rest)} ")

    def _help(self, content: Content) -> None:
        width = self.size.width - 2
        lines = wrap(content.plain, width) if width > 0 else []
        if len(lines) > _HELP_LINES:  # the whole of it is in the help, F1
            content = content[: len(" ".join(lines[:_HELP_LINES])) - 2] + "…"
        self.query_one("#help", Static).update(content)

    def show_outcome(self, checked: FormChecked) -> None:
        """Say whether the form is valid, and how to start it from a shell."""
        if checked.config is None:
            count = len(checked.problems)
            words = f"✗ {count} problem{'s' if count > 1 else ''} to mend before it can start"
            self._outcome(Content.styled(words, "$text-error"))
            return
        self._outcome(
            Content.assemble(
                ("✓ valid  ", "bold $text-success"),
                ("$ ", "$foreground 65%"),
                visible(checked.command),
            )
        )

    def show_plan_errors(self, words: Sequence[str]) -> None:
        """Say what the plan found: each setting is in order, and yet the run would fail."""
        more = f" and {len(words) - 1} more" if len(words) > 1 else ""
        self._outcome(Content.styled(f"✗ F2: {visible(words[0])}{more}", "$text-error"))

    def show_waiting(self, words: str) -> None:
        """Say that something goes on."""
        self._outcome(Content.styled(f"◔ {words}", "bold $text-primary"))

    def _outcome(self, content: Content) -> None:
        self.query_one("#outcome", Static).update(content)
