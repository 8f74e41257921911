"""What the form comes to: the plan, the curves, and the file with its command, a page each.

Beside the form where there is room; else in its place while one looks. It shows what it is
given and says whether that is of the form as it is now; it plans nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from workbench.config.experiment import ExperimentConfig
from workbench.plan import Check, Measured, Trial
from workbench.tui.messages import FrozenMessage
from workbench.tui.plan_lines import Line, plan_lines
from workbench.tui.visible import visible
from workbench.tui.widgets.rate_preview import RateChart
from workbench.tui.widgets.share_preview import ShareChart

PAGES = {"plan": "F2 plan", "curves": "F3 curves", "file": "F4 file"}
"""The pages in their order, as the first row calls them."""

STYLES = {
    "plain": "$foreground",
    "dim": "$foreground 65%",
    "strong": "bold $foreground",
    "good": "bold $text-success",
    "bad": "bold $text-error",
    "careful": "bold $text-warning",
    "mark": "$text-primary",
}
"""How the lines of a plan look, by what they mean."""


def styled(lines: list[Line]) -> Content:
    """Lines of a plan as Textual shows them."""
    return Content("\n").join(
        Content.assemble(*((visible(text), STYLES[meant]) for text, meant in line))
        for line in lines
    )


class _Page(VerticalScroll):
    """One page; its keys work while it is in focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "Page before", show=False, id="outlook.before",
                tooltip="The page before"),
        Binding("right", "turn(1)", "Next page", show=False, id="outlook.next",
                tooltip="The next page"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    _Page { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    """

    def action_turn(self, places: int) -> None:
        """Show another page."""
        names = list(PAGES)
        at = (names.index(self.name or names[0]) + places) % len(names)
        self.post_message(Outlook.PageWanted(names[at]))


class PlanPage(_Page):
    """What a run would do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "measure", "Measure", id="outlook.measure",
                tooltip="Time two real updates, for the time that the run will take"),
        Binding("t", "try_out", "Try out", id="outlook.try-out",
                tooltip="Small experiments with model and data: padding, labels, first loss, "
                "gradients, a batch by heart"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    PlanPage Static { height: auto; }
    """

    def compose(self) -> ComposeResult:
        """The lines."""
        yield Static()

    def action_measure(self) -> None:
        """Ask for two updates to be timed."""
        self.post_message(Outlook.MeasureWanted())

    def action_try_out(self) -> None:
        """Ask for the experiment to be tried in the small."""
        self.post_message(Outlook.TrialsWanted())


class CurvesPage(_Page):
    """Learning rates and the tasks' shares over the run, by the functions that the run uses."""

    DEFAULT_CSS = """
    CurvesPage RateChart { height: 16; }
    CurvesPage Static { height: auto; color: $text-muted; }
    """

    def compose(self) -> ComposeResult:
        """Each chart, and in words what it shows."""
        yield RateChart()
        yield Static(id="rate-words")
        yield ShareChart()
        yield Static(id="share-words")


class FilePage(_Page):
    """The experiment as a command and as a file."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy('command')", "Copy command", id="outlook.copy-command",
                tooltip="Copy the command to the clipboard"),
        Binding("t", "copy('file')", "Copy file", id="outlook.copy-file",
                tooltip="Copy the TOML file to the clipboard"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    FilePage .title { height: auto; color: $text-muted; margin-top: 1; }
    FilePage .text { height: auto; }
    """

    def compose(self) -> ComposeResult:
        """Command first: it is what one wants to take along most often."""
        yield Static("as a command (c copies it)", classes="title")
        yield Static(id="command-text", classes="text")
        yield Static("as a file (t copies it)", classes="title")
        yield Static(id="file-text", classes="text")

    def action_copy(self, what: str) -> None:
        """Ask for one of them to be copied."""
        self.post_message(Outlook.CopyWanted(what))


class _Tabs(Widget):
    """The pages by name, and whether what they show is of the form as it is now."""

    DEFAULT_CSS = """
    _Tabs { height: 1; padding: 0 1; color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._page = next(iter(PAGES))
        self._state = Content()
        self._ends: list[tuple[int, str]] = []

    def show(self, page: str, state: Content) -> None:
        """Set off a page; say how fresh the plan is."""
        if (page, state) != (self._page, self._state):
            self._page, self._state = page, state
            self.refresh()

    def render(self) -> Content:
        """Names at the left, state at the right."""
        parts: list[tuple[str, str]] = []
        self._ends, used = [], 0
        for page, words in PAGES.items():
            is_here = page == self._page
            text = f" {words} "
            parts.append((text, "bold reverse $text-primary" if is_here else "$foreground 65%"))
            used += len(text)
            self._ends.append((used, page))
        left = Content.assemble(*parts)
        space = self.size.width - left.cell_length - self._state.cell_length
        return left + " " * max(1, space) + self._state

    def on_click(self, event: events.Click) -> None:
        """Go to the page under the mouse."""
        for end, page in self._ends:
            if event.x - 1 < end:
                self.post_message(Outlook.PageWanted(page))
                return


class Outlook(Vertical):
    """Three pages, one of them shown."""

    DEFAULT_CSS = """
    Outlook { height: 1fr; }
    """

    @dataclass(eq=False)
    class PageWanted(FrozenMessage):
        """A person wants to see a page."""

        page: str

    class MeasureWanted(FrozenMessage):
        """A person wants two updates to be timed."""

    class TrialsWanted(FrozenMessage):
        """A person wants the experiment to be tried in the small."""

    @dataclass(eq=False)
    class CopyWanted(FrozenMessage):
        """A person wants the command or the file on the clipboard."""

        what: str

    def __init__(self) -> None:
        super().__init__()
        self._page = next(iter(PAGES))
        self._check: Check | None = None
        self._measured: Measured | None = None
        self._trials: tuple[Trial, ...] = ()
        self._config: ExperimentConfig | None = None
        self._is_fresh = False
        self._doing = ""
        self._width = 0

    def compose(self) -> ComposeResult:
        """Names of the pages, the pages."""
        yield _Tabs()
        yield PlanPage(name="plan")
        yield CurvesPage(name="curves")
        yield FilePage(name="file")

    def on_mount(self) -> None:
        """Begin with the plan."""
        self.show_page(self._page)
        self._show_plan()

    def on_resize(self) -> None:
        """Lines of a plan are made for a width."""
        if self.size.width != self._width:
            self._width = self.size.width
            self._show_plan()

    # ── what is shown ─────────────────────────────────────────────────────────

    @property
    def page(self) -> str:
        """The page that is shown."""
        return self._page

    @property
    def is_fresh(self) -> bool:
        """Whether the plan is of the form as it is now."""
        return self._is_fresh

    def show_page(self, page: str) -> None:
        """Show one of the pages."""
        self._page = page
        for one in self.query(_Page):
            one.display = one.name == page
        self._show_state()

    def focus_page(self) -> None:
        """Let the keys of the page that is shown work."""
        next(one for one in self.query(_Page) if one.name == self._page).focus()

    def show_form(self, config: ExperimentConfig | None, command: str, toml: str) -> None:
        """Show what the form says; curves and file are made of it at once.

        Args:
            config: The experiment, None while the form is not valid.
            command: The command line that does the same.
            toml: The experiment as a file.
        """
        is_news = (config is None) != (self._config is None)
        self._config = config
        if self._check is None and is_news:
            self._show_plan()
        if config is not None:
            self.query_one("#command-text", Static).update(Content(f"$ {visible(command)}"))
            text = "\n".join(visible(line) for line in toml.splitlines())
            self.query_one("#file-text", Static).update(Content(text))
        self._show_curves()

    def show_plan(
        self, check: Check, measured: Measured | None, trials: tuple[Trial, ...] = ()
    ) -> None:
        """Show a plan that is of the form as it is now, with what was tried of it."""
        self._check, self._measured, self._trials = check, measured, trials
        self._is_fresh, self._doing = True, ""
        self._show_plan()
        self._show_curves()

    def wait(self, doing: str) -> None:
        """Say that another plan is being made; the old one is no longer of this form."""
        self._is_fresh, self._doing = False, doing
        self._show_state()

    def measuring(self, doing: str) -> None:
        """Say that updates are being timed; the plan stays as it is."""
        self._doing = doing
        self._show_state()

    def spoil(self) -> None:
        """Say that the form is not valid, so that there is no plan for it."""
        self._is_fresh, self._doing = False, ""
        self._show_state()

    def _show_state(self) -> None:
        if self._doing:
            state = Content.styled(f"◔ {visible(self._doing)}", "$text-primary")
        elif self._config is None:
            state = Content.styled("✗ form has problems", "$text-error")
        elif self._is_fresh or self._page == "file":  # the file is made of each form at once
            state = Content.styled("✓ up to date", "$foreground 65%")
        elif self._check is None:
            state = Content()
        else:
            state = Content.styled("◔ of the form before", "$text-warning")
        self.query_one(_Tabs).show(self._page, state)
        self.query_one(PlanPage).set_class(not self._is_fresh, "-stale")

    def _show_plan(self) -> None:
        self._show_state()
        lines = self.query_one(PlanPage).query_one(Static)
        if self._check is None:
            words = (
                "The plan comes as soon as the form is valid."
                if self._config is None
                else "The plan is being made. The first takes longest: a helper process begins, "
                "reads the data and loads the backbone; then it follows what you type."
            )
            lines.update(Content.styled(words, "$foreground 65%"))
            return
        width = max(30, self._width - 4)
        content = styled(plan_lines(self._check, width, self._measured, self._trials))
        if self._check.plan is not None:
            content += Content.assemble(
                "\n\n", ("m", "bold $text-accent"), (" times two real updates", "$foreground 65%"),
                "   ", ("t", "bold $text-accent"), (" tries it out in the small",
                                                    "$foreground 65%"),
            )  # fmt: skip
        lines.update(content)

    def _show_curves(self) -> None:
        page = self.query_one(CurvesPage)
        settings = self._config.optimization if self._config is not None else None
        plan = self._check.plan if self._check is not None and self._is_fresh else None
        page.query_one(RateChart).show_settings(settings, plan)
        page.query_one("#rate-words", Static).update(Content(page.query_one(RateChart).words))
        page.query_one(ShareChart).show_plan(self._config, plan)
        page.query_one("#share-words", Static).update(Content(page.query_one(ShareChart).words))
