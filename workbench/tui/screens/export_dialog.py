"""The export dialog: which format, which folder, then how it goes and what came of it."""

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

from workbench.export.formats import FORMATS
from workbench.operations.workspace import Workspace
from workbench.store.records import CheckpointRecord, RunRecord
from workbench.tui.messages import ExportFinished, ExportProgressed, WorkFailed
from workbench.tui.screens.live import problems_of
from workbench.tui.visible import visible
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.notice import problem_lines

_LINES_KEPT = 6


class ExportDialog(ModalScreen[None]):
    """Writes in a thread; closing the dialog does not break the export off."""

    PURPOSE = "Write a checkpoint as a folder that other libraries open."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,ctrl+s", "export", "Export", priority=True, id="export.start",
                tooltip="Write the folder and compare its numbers with the checkpoint's"),
        Binding("escape", "close", "Close", id="export.close",
                tooltip="Close; an export that is going on is finished"),
        Binding("down", "app.focus_next", show=False, id="export.next", tooltip="Next field"),
        Binding("up", "app.focus_previous", show=False, id="export.previous",
                tooltip="The field before"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    ExportDialog {
        align: center middle;
        background: $background 60%;
        & > Vertical {
            width: 90; max-width: 96%; height: auto; padding: 1 2;
            background: $surface; border: round $primary;
            border-title-color: $text-primary; border-title-style: bold;
            border-subtitle-color: $text-muted;
        }
        Horizontal { height: 1; }
        Label { width: 8; color: $text-muted; }
        Input { width: 1fr; background: $panel; }
        .about { height: 1; margin-left: 8; color: $text-muted; text-style: italic; }
        #outcome { height: auto; margin-top: 1; }
    }
    """

    def __init__(self, workspace: Workspace, run: RunRecord, checkpoint: CheckpointRecord) -> None:
        super().__init__()
        self._workspace, self._run, self._checkpoint = workspace, run, checkpoint
        self._is_busy = False
        self._lines: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Format, folder, outcome."""
        with Vertical() as box:
            step = self._checkpoint.step
            box.border_title = Content(f" Export {visible(self._run.name)}, step {step} ")
            box.border_subtitle = " enter exports · escape closes "
            with Horizontal():
                yield Label("format")
                yield Choice(tuple(FORMATS), id="format")
            yield Static(id="about", classes="about")
            with Horizontal():
                yield Label("folder")
                yield Input(compact=True, id="folder")
            yield Static(Content("empty: beside the checkpoint, in the run's folder"),
                         classes="about")  # fmt: skip
            yield Static(id="outcome")

    def on_mount(self) -> None:
        """Begin at the format."""
        self._say_what_for()
        self.query_one("#format", Choice).focus()

    @on(Choice.Changed, "#format")
    def _say_what_for(self) -> None:
        chosen = self.query_one("#format", Choice).value
        self.query_one("#about", Static).update(Content(FORMATS[chosen]))

    # ── keys ──────────────────────────────────────────────────────────────────

    def action_export(self) -> None:
        """Write it, in a thread."""
        if self._is_busy:
            return
        self._is_busy = True
        self._lines = ()
        self._show_progress("starting")
        folder = self.query_one("#folder", Input).value.strip()
        chosen = self.query_one("#format", Choice).value
        to = Path(folder).expanduser() if folder else None
        self.run_worker(
            lambda: self._export(chosen, to),
            name="export",
            group="export",
            thread=True,
            exclusive=True,
            exit_on_error=False,
        )

    def action_close(self) -> None:
        """Close."""
        if self._is_busy:
            self.app.notify("The export goes on; it will be listed here.", markup=False)
        self.dismiss(None)

    def _export(self, chosen: str, to: Path | None) -> None:
        """In a thread: export and post."""
        try:
            # Deferred: the rest of the interface works where exporting is not installed.
            from workbench.operations import artefacts

            record = artefacts.export(
                self._workspace,
                self._run.id,
                checkpoint=str(self._checkpoint.step),
                format=chosen,
                to=to,
                progress=self._tell_progress,
            )
        except Exception as error:  # Said in the dialog, whatever it is: nobody sees a thread die.
            self.post_message(WorkFailed("exporting", problems_of(error)))
            return
        self.post_message(ExportFinished(record))

    def _tell_progress(self, line: str) -> None:
        """In a thread: post what the export is doing."""
        self.post_message(ExportProgressed(line))

    # ── what the thread tells ─────────────────────────────────────────────────

    @on(ExportProgressed)
    def _progressed(self, message: ExportProgressed) -> None:
        self._show_progress(message.line)

    def _show_progress(self, line: str) -> None:
        self._lines = (*self._lines, line)[-_LINES_KEPT:]
        lines = [Content.styled(f"… {visible(line)}", "$foreground 65%") for line in self._lines]
        self.query_one("#outcome", Static).update(Content("\n").join(lines))

    @on(ExportFinished)
    def _finished(self, message: ExportFinished) -> None:
        self._is_busy = False
        record = message.record
        self.query_one("#outcome", Static).update(
            Content.assemble(
                ("✓ exported, read again and compared\n", "bold $text-success"),
                ("folder              ", "$foreground 65%"), f"{visible(record.folder)}\n",
                ("largest difference  ", "$foreground 65%"), f"{record.largest_difference:.2g}",
            )
        )  # fmt: skip

    @on(WorkFailed)
    def _failed(self, message: WorkFailed) -> None:
        message.stop()
        self._is_busy = False
        self.query_one("#outcome", Static).update(problem_lines(message.problems))
