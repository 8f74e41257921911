"""Save the form as a preset: which file, and what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from workbench.config.experiment import ExperimentConfig
from workbench.config.saving import save_preset
from workbench.tui.messages import PresetSaved, WorkFailed
from workbench.tui.screens.live import problems_of
from workbench.tui.widgets.notice import problem_lines


class SavePresetDialog(ModalScreen[str | None]):
    """Gives back the file that was written, as it was named, or None."""

    PURPOSE = "Keep the form as a preset: a TOML file that the form and `train` can be given."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,ctrl+s", "save", "Save", priority=True, id="save.save",
                tooltip="Write the file; once more to write over one that is there"),
        Binding("escape", "close", "Close", id="save.close", tooltip="Close without saving"),
        Binding("down", "app.focus_next", show=False, id="save.next", tooltip="Next field"),
        Binding("up", "app.focus_previous", show=False, id="save.previous",
                tooltip="The field before"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    SavePresetDialog {
        align: center middle;
        background: $background 60%;
        & > Vertical {
            width: 76; max-width: 96%; height: auto; padding: 1 2;
            background: $surface; border: round $primary;
            border-title-color: $text-primary; border-title-style: bold;
            border-subtitle-color: $text-muted;
        }
        Horizontal { height: 1; }
        Label { width: 10; color: $text-muted; }
        Input { width: 1fr; background: $panel; }
        #outcome { height: auto; margin-top: 1; }
    }
    """

    def __init__(self, config: ExperimentConfig, *, file: str, about: str) -> None:
        """Offer to save an experiment.

        Args:
            config: The experiment.
            file: The file to suggest.
            about: What it is for, as far as that is known.
        """
        super().__init__()
        self._config, self._file, self._about = config, file, about
        self._refused = ""

    def compose(self) -> ComposeResult:
        """File, purpose, outcome."""
        with Vertical() as box:
            box.border_title = " Save as a preset "
            box.border_subtitle = " enter saves · escape closes "
            with Horizontal():
                yield Label("file")
                yield Input(self._file, compact=True, id="file")
            with Horizontal():
                yield Label("what for")
                yield Input(self._about, compact=True, id="about",
                            placeholder="its first line, as in a list of presets")  # fmt: skip
            yield Static(id="outcome")

    def action_save(self) -> None:
        """Write it, in a thread."""
        file = self.query_one("#file", Input).value.strip()
        if not file:
            self.query_one("#outcome", Static).update(
                Content.styled("give the file a name", "$text-error")
            )
            return
        about = self.query_one("#about", Input).value
        overwrite = file == self._refused

        def save() -> None:
            try:
                save_preset(self._config, Path(file), about=about, overwrite=overwrite)
            except Exception as error:  # Said in the dialog: nobody sees a thread die.
                self.post_message(WorkFailed("saving", problems_of(error)))
                return
            self.post_message(PresetSaved(file if file.endswith(".toml") else f"{file}.toml"))

        self.run_worker(save, group="save", thread=True, exclusive=True, exit_on_error=False)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)

    @on(PresetSaved)
    def _saved(self, message: PresetSaved) -> None:
        message.stop()
        self.dismiss(message.file)

    @on(WorkFailed)
    def _failed(self, message: WorkFailed) -> None:
        message.stop()
        # The same name once more means that the file may go; another error would come again.
        self._refused = self.query_one("#file", Input).value.strip()
        self.query_one("#outcome", Static).update(problem_lines(message.problems))
