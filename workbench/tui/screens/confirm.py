"""A question that is asked before something is done that cannot be taken back."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


class ConfirmScreen(ModalScreen[bool]):
    """Yes or no; whatever is not a clear yes is a no."""

    PURPOSE = "A question before something that cannot be taken back."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "Yes", id="confirm.yes", tooltip="Do it"),
        Binding("n,escape,q", "answer(False)", "No", id="confirm.no", tooltip="Leave it"),
    ]

    DEFAULT_CSS = """
    ConfirmScreen {
        align: center middle;
        background: $background 60%;
        & > Vertical {
            width: 64; max-width: 90%; height: auto; padding: 1 2;
            background: $surface; border: round $warning;
            border-title-color: $text-warning; border-title-style: bold;
        }
    }
    """

    def __init__(self, question: str, consequence: str, *, yes: str) -> None:
        super().__init__()
        self._question, self._consequence, self._yes = question, consequence, yes

    def compose(self) -> ComposeResult:
        """Question, consequence, the two keys."""
        with Vertical() as box:
            box.border_title = " Sure? "
            yield Static(Content.styled(self._question, "bold"))
            yield Static(Content(self._consequence))
            yield Static(
                Content.assemble(
                    ("\ny", "bold $text-accent"), f"  {self._yes}        ",
                    ("n", "bold $text-accent"), "  leave it",
                )
            )  # fmt: skip

    def action_answer(self, is_yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(is_yes)
