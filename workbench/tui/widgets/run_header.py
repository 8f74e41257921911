"""The head of the screen of a run: what it is, how far it is, how good it is."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

from workbench.operations.reading import RunSummary
from workbench.tui import figures
from workbench.tui.charts.canvas import FAR_CELLS
from workbench.tui.states import state_colour, state_word
from workbench.tui.visible import visible
from workbench.tui.widgets.run_table import best_words
from workbench.worker.liveness import RunState
from workbench.worker.machine import MachineFigures

_LEAST_BAR_CELLS = 16


class RunHeader(Widget):
    """Three lines; of those, only the cells that differ are painted again."""

    DEFAULT_CSS = """
    RunHeader {
        height: 3;
        padding: 0 1;
        background: $background;
        color: $foreground;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._run: RunSummary | None = None
        self._epoch: float | None = None
        self._machine: MachineFigures | None = None
        self._lines: tuple[Content, ...] = ()

    def show_run(
        self,
        run: RunSummary | None,
        epoch: float | None,
        machine: MachineFigures | None = None,
    ) -> None:
        """Show this run.

        Args:
            run: The run.
            epoch: Passes over its data, None if not known.
            machine: What its machine is doing, None if not known.
        """
        self._run, self._epoch, self._machine = run, epoch, machine
        before, self._lines = self._lines, self._describe()
        if len(before) != len(self._lines):
            self.refresh()
            return
        regions = [
            Region(start, row, end - start, 1)
            for row, lines in enumerate(zip(before, self._lines, strict=True))
            for start, end in changed_spans(*lines)
        ]
        if regions:
            self.refresh(*regions)

    def on_resize(self) -> None:
        """As many words as there is room for now."""
        self._lines = self._describe()

    def render(self) -> Content:
        """Name and state, progress, metrics."""
        return Content("\n").join(self._lines)

    def _describe(self) -> tuple[Content, ...]:
        if self._run is None:
            return ()
        width = self.content_size.width
        lines = (
            _title(self._run),
            _progress(self._run, self._epoch, width),
            _best(self._run, self._machine, width),
        )
        return tuple(line.truncate(width, ellipsis=True) for line in lines)


def changed_spans(old: Content, new: Content) -> list[tuple[int, int]]:
    """Where two lines differ, as first cell and the one after the last."""
    if old.is_same(new):
        return []
    before, after = old.plain, new.plain
    whole = max(old.cell_length, new.cell_length)
    if before == after or old.cell_length != len(before) or new.cell_length != len(after):
        return [(0, whole)]  # Other colours, or wide characters: not worth the trouble.
    spans: list[tuple[int, int]] = []
    pairs = zip(before.ljust(whole), after.ljust(whole), strict=True)
    for at in (at for at, (one, other) in enumerate(pairs) if one != other):
        if spans and at - spans[-1][1] < FAR_CELLS:
            spans[-1] = (spans[-1][0], at + 1)
        else:
            spans.append((at, at + 1))
    return spans


def _best(run: RunSummary, machine: MachineFigures | None, width: int) -> Content:
    """What was reached, and at the right, if there is room, what the machine is doing."""
    strip = machine_words(machine) if machine is not None else Content()
    for words in (best_words(run, width - strip.cell_length - 3), best_words(run, 0)):
        room = width - words.cell_length - strip.cell_length
        if strip.plain and room >= 3:
            return words + Content(" " * room) + strip
    return best_words(run, width)


def machine_words(machine: MachineFigures) -> Content:
    """`cpu 1.9/2  mem 1.2 GB  host 98% cpu 61% mem  gpu0 87% 11/24 GB 61°`."""
    parts = [
        f"cpu {machine.process_cpu:.1f}/{machine.cores}",
        f"mem {figures.size(machine.process_memory)}",
        f"host {figures.percent(machine.host_memory)} mem",
    ]
    for gpu in machine.gpus:
        busy = "" if gpu.busy is None else f" {figures.percent(gpu.busy)}"
        warm = "" if gpu.temperature is None else f" {gpu.temperature:.0f}°"
        used = f"{gpu.memory_used / 1e9:.0f}/{gpu.memory_total / 1e9:.0f} GB"
        parts.append(f"gpu{gpu.index}{busy} {used}{warm}")
    return Content.styled("  ".join(parts), "$foreground 65%")


def _title(run: RunSummary) -> Content:
    # Of a run that is well, the age of its last sign of life would change each second for nothing.
    is_well = run.state is RunState.RUNNING
    why = f"started {figures.moment(run.record.created_at)}" if is_well else run.why
    return Content.assemble(
        state_word(run.state),
        "  ",
        (visible(run.record.name), "bold"),
        (f"  {visible(run.record.id)}", "$foreground 65%"),
        (f"  {visible(why)}", "$foreground 65%"),
    )


def _progress(run: RunSummary, epoch: float | None, width: int) -> Content:
    part = figures.share(run.step, run.total_steps)
    total = str(run.total_steps or "?")
    facts = [f"step {run.step:>{len(total)}}/{total}"]
    if epoch is not None:
        facts.append(f"epoch {epoch:.2f}/{run.record.config.training.epochs}")
    if not run.state.is_over:
        if run.phase and run.phase != "training":
            facts.insert(0, visible(run.phase))
        facts.append(f"ETA {figures.duration(run.eta_seconds)}")
    if run.texts_per_second:
        facts.append(f"{run.texts_per_second:3.0f} texts/s")
    facts.append(f"took {figures.duration(run.seconds)}" if run.state.is_over
                 else f"elapsed {figures.duration(run.seconds)}")  # fmt: skip
    # Two more speeds, where the bar stays long enough to be read.
    for speed, unit in ((run.steps_per_second, "steps/s"), (run.tokens_per_second, "tokens/s")):
        more = f"{figures.speed(speed)} {unit}" if speed else ""
        if more and width - len("  ".join([*facts, more])) - 7 >= _LEAST_BAR_CELLS:
            facts.insert(len(facts) - 1, more)
    words = "  ".join(facts)
    cells = max(6, width - len(words) - 7)
    done, open_part = figures.progress_bar(part, cells)
    return Content.assemble(
        (done, state_colour(run.state)),
        (open_part, "$foreground 40%"),
        (f" {figures.percent(part):>4}  ", "bold"),
        (words, "$foreground 65%"),
    )
