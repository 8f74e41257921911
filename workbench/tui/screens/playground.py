"""Playground: type sentences, see what every task of a checkpoint says, and how alike they are."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from workbench.operations.playground import Playground, Tried, cosines
from workbench.operations.workspace import Workspace
from workbench.store.records import RunRecord
from workbench.tui.answers import answer_lines
from workbench.tui.messages import ScreenWanted, TextsTried, WorkFailed, WorkProgressed
from workbench.tui.screens.live import problems_of
from workbench.tui.visible import visible
from workbench.tui.widgets.empty_state import EmptyState
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.table import Column, Row, Table

_VIEWS = ("predictions", "cosines", "vectors")


class PlaygroundScreen(Screen[None]):
    """One checkpoint, as many sentences as one likes."""

    PURPOSE = (
        "Try a checkpoint: each sentence that you type goes through the model once, and every "
        "task says what it makes of it. v shows how alike the sentences' vectors are."
    )

    AUTO_FOCUS = "#text"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash,a", "type", "Type", key_display="a", id="playground.type",
                tooltip="Type a sentence; enter tries it"),
        Binding("v", "view", "View", id="playground.view",
                tooltip="Predictions, cosines between the sentences, or vectors"),
        Binding("x,delete", "remove", "Remove", key_display="x", id="playground.remove",
                tooltip="Take the sentence under the cursor away"),
        Binding("escape", "leave", "List", id="playground.leave",
                tooltip="From typing to the list, then back to all runs"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    PlaygroundScreen {
        EmptyState { display: none; }
        &.-empty EmptyState { display: block; }
        &.-empty #body { display: none; }
        #body { height: 1fr; }
        #source { height: 1; padding: 0 1; }
        #text { border: none; height: 1; background: $surface; padding: 0 1; margin: 0 1; }
        #texts { height: auto; max-height: 40%; min-height: 3; }
        #answer { height: 1fr; border-top: solid $border-blurred; padding: 0 1;
                  border-title-color: $text-muted; scrollbar-size-vertical: 1; }
        #answer Static { height: auto; }
    }
    """

    def __init__(self, workspace: Workspace, playground: Playground) -> None:
        super().__init__()
        self._workspace, self._playground = workspace, playground
        self._record: RunRecord | None = None
        self._checkpoint = "best"
        self._texts: tuple[str, ...] = ()
        self._tried: Tried | None = None
        self._view = _VIEWS[0]
        self._waiting = 0
        self._asked: tuple[str, str, tuple[str, ...]] | None = None

    def compose(self) -> ComposeResult:
        """Where from, the line to type in, the sentences, what is said of one."""
        yield JumpBar("playground", self._workspace.location.url)
        yield Notice()
        with Vertical(id="body"):
            yield Static(id="source")
            yield Input(placeholder="a sentence; enter tries it", compact=True, id="text")
            yield Table(_COLUMNS, id="texts")
            with VerticalScroll(id="answer", can_focus=False):
                yield Static(id="said")
        yield EmptyState(
            "No checkpoint to try",
            "Choose a run whose files are on this machine: put the cursor on it on the first\n"
            "screen, press k for its checkpoints, then y to try one.",
            (("1", "all runs"), ("5", "checkpoints"), ("?", "help")),
        )
        yield KeyBar()

    def on_mount(self) -> None:
        """Nothing is said at first."""
        self._show_source()
        self._show()

    @property
    def run_id(self) -> str | None:
        """The run whose checkpoint is tried."""
        return self._record.id if self._record is not None else None

    @property
    def tried(self) -> Tried | None:
        """What was said last."""
        return self._tried

    def show_checkpoint(self, record: RunRecord, checkpoint: str) -> None:
        """Try this checkpoint from now on; the sentences stay, and are tried again."""
        if self._record is not None and (self._record.id, self._checkpoint) == (
            record.id,
            checkpoint,
        ):
            return
        self._record, self._checkpoint, self._tried = record, checkpoint, None
        if not self._texts and record.config.showcase.texts:
            self._texts = tuple(record.config.showcase.texts)
        if self.is_mounted:
            self._show_source()
            self._try()

    def on_screen_resume(self) -> None:
        """Try what waits and was not asked yet."""
        self._show_source()
        wanted = (self.run_id, self._checkpoint, self._texts)
        if self._tried is None and self._texts and self._asked != wanted:
            self._try()

    def _show_source(self) -> None:
        self.set_class(self._record is None, "-empty")
        if self._record is not None:
            which = self._checkpoint if self._checkpoint == "best" else f"step {self._checkpoint}"
            self.query_one("#source", Static).update(
                Content.assemble(
                    (visible(self._record.name), "bold"),
                    (f"  {self._record.id}  {which}", "$foreground 65%"),
                    ("   … working" if self._waiting else "", "$text-warning"),
                )
            )

    # ── trying ────────────────────────────────────────────────────────────────

    @on(Input.Submitted, "#text")
    def _submitted(self, message: Input.Submitted) -> None:
        message.stop()
        text = message.value.strip()
        if text and text not in self._texts:
            self._texts = (*self._texts, text)
            self.query_one(Input).value = ""
            self._show()
            self.query_one("#texts", Table).move_to(text)
            self._try()

    def _try(self) -> None:
        record, texts, checkpoint = self._record, self._texts, self._checkpoint
        playground = self._playground
        if record is None or not texts:
            self._show()
            return
        self._waiting += 1
        self._asked = (record.id, checkpoint, texts)
        self._show_source()

        def work() -> None:
            try:
                tried = playground.try_texts(
                    record.id,
                    texts,
                    checkpoint=checkpoint,
                    progress=lambda line: void(self.post_message(WorkProgressed(line))),
                )
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self.post_message(WorkFailed("trying the sentences", problems_of(error)))
                return
            self.post_message(TextsTried(record.id, checkpoint, tried))

        self.run_worker(work, name="try", group="try", thread=True, exit_on_error=False)

    @on(TextsTried)
    def _texts_tried(self, message: TextsTried) -> None:
        self._waiting = max(0, self._waiting - 1)
        self.query_one(Notice).tell(())
        answered = (message.run_id, message.checkpoint, message.tried.texts)
        if answered == (self.run_id, self._checkpoint, self._texts):
            self._tried = message.tried
        self._show_source()
        self._show()

    @on(WorkProgressed)
    def _progressed(self, message: WorkProgressed) -> None:
        if self._tried is None:
            self._say(Content.styled(f"… {visible(message.line)}", "$foreground 65%"))

    @on(WorkFailed)
    def _failed(self, message: WorkFailed) -> None:
        message.stop()
        self._waiting = max(0, self._waiting - 1)
        self._asked = None
        self._show_source()
        self.query_one(Notice).tell(message.problems)

    # ── showing ───────────────────────────────────────────────────────────────

    def _show(self) -> None:
        tried, table = self._tried, self.query_one("#texts", Table)
        known = dict(zip(tried.texts, tried.predictions, strict=True)) if tried else {}
        table.show(
            [
                Row(text, (Content(str(at)), Content(visible(text)), _short(known.get(text, {}))))
                for at, text in enumerate(self._texts, start=1)
            ]
        )
        self._show_answer()

    @on(Table.Highlighted)
    def _show_answer(self) -> None:
        tried, key = self._tried, self.query_one("#texts", Table).cursor_key
        box = self.query_one("#answer")
        box.border_title = Content(f"{self._view} · v shows others")
        if not self._texts:
            self._say(Content.styled("Type a sentence above, and press enter.", "$foreground 65%"))
        elif tried is None or key not in tried.texts:
            self._say(Content.styled("…", "$foreground 65%"))
        elif self._view == "cosines":
            self._say(cosine_table(tried))
        elif self._view == "vectors":
            self._say(_vector(tried, key))
        else:
            answers = tried.predictions[tried.texts.index(key)]
            lines = [line for task, one in answers.items() for line in answer_lines(task, one, key)]
            self._say(Content("\n").join(lines))

    def _say(self, content: Content) -> None:
        self.query_one("#said", Static).update(content)

    # ── keys ──────────────────────────────────────────────────────────────────

    def action_type(self) -> None:
        """Type a sentence."""
        self.query_one(Input).focus()

    def action_view(self) -> None:
        """Show something else of the sentences."""
        self._view = _VIEWS[(_VIEWS.index(self._view) + 1) % len(_VIEWS)]
        self._show_answer()

    def action_remove(self) -> None:
        """Take a sentence away."""
        key = self.query_one("#texts", Table).cursor_key
        if key is not None:
            self._texts = tuple(text for text in self._texts if text != key)
            self._tried = None
            self._try()

    def action_leave(self) -> None:
        """From typing to the list, then away."""
        if isinstance(self.focused, Input):
            self.query_one("#texts", Table).focus()
        else:
            self.post_message(ScreenWanted("home"))


def void(_: object) -> None:
    """Let a value go."""


_COLUMNS = (
    Column("", is_right=True),
    Column("sentence", smallest=20),
    Column("in short", importance=1, smallest=12),
)


def _short(answers: object) -> Content:
    """What each task says, in a word."""
    parts = []
    for answer in dict(answers).values() if isinstance(answers, dict) else ():
        if isinstance(answer.get("label"), str):
            parts.append(visible(answer["label"]))
        elif answer.get("entities"):
            parts.append(visible(", ".join(str(one["text"]) for one in answer["entities"])))
    return Content.styled("  ".join(parts), "$foreground 65%")


def cosine_table(tried: Tried) -> Content:
    """The cosine of each two sentences, by their numbers."""
    values = cosines(tried.vectors)
    head = "     " + "".join(f"{at:>7}" for at in range(1, len(tried.texts) + 1))
    lines = [Content.styled(head, "bold")]
    for at, row in enumerate(values):
        parts: list[tuple[str, str]] = [(f"{at + 1:>4} ", "bold")]
        for other, value in enumerate(row.tolist()):
            strong = (
                "bold $text-success"
                if value >= 0.8
                else ("" if value >= 0.3 else "$foreground 65%")
            )
            parts.append((f"{value:>7.3f}", "$foreground 40%" if at == other else strong))
        lines.append(Content.assemble(*parts, f"  {visible(tried.texts[at])}"))
    return Content("\n").join(lines)


def _vector(tried: Tried, text: str) -> Content:
    """All dimensions of one vector, and its length."""
    vector = tried.vectors[tried.texts.index(text)]
    numbers = "  ".join(f"{value:+.3f}" for value in vector.tolist())
    length = float(np.linalg.norm(vector))
    return Content.assemble((f"{vector.size} dimensions, length {length:.3f}\n", "bold"), numbers)
