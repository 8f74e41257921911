"""Under the form: what the field in focus means, and the command that does the same."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from workbench.config.fields import FieldSpec
from workbench.tui.form import shown
from workbench.tui.messages import FormChecked
from workbench.tui.visible import visible


class FormFoot(Vertical):
    """Two lines of help, then the state of the form with its command."""

    DEFAULT_CSS = """
    FormFoot {
        height: auto;
        padding: 0 1;
        border-top: solid $border-blurred;
        #help { height: 2; color: $text-muted; }
        #outcome { height: auto; min-height: 1; max-height: 3; }
    }
    """

    def compose(self) -> ComposeResult:
        """Help and outcome."""
        yield Static(id="help")
        yield Static(id="outcome")

    def show_help(self, spec: FieldSpec, task: str) -> None:
        """Explain a setting, in the task of that name if it is one of a task."""
        path = spec.in_task(task) if task else spec.path
        default = shown(spec, spec.default).replace("\n", " ")
        rest = f"  default {default}" if default else "" if spec.required else "  default: not set"
        self.query_one("#help", Static).update(
            Content.assemble(
                (visible(path), "$text-accent"), f"{visible(rest)}  ", (spec.help, "$foreground")
            )
        )

    def show_words(self, name: str, words: str) -> None:
        """Explain something that is no setting."""
        self.query_one("#help", Static).update(
            Content.assemble((name, "$text-accent"), "  ", (words, "$foreground"))
        )

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

    def show_waiting(self, words: str) -> None:
        """Say that something goes on."""
        self._outcome(Content.styled(f"◔ {words}", "bold $text-primary"))

    def _outcome(self, content: Content) -> None:
        self.query_one("#outcome", Static).update(content)
