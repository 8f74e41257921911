"""A plan as lines of text, for the panel beside the form and for the command `check`.

Needs no Textual: a line is a list of texts with a word each that says how it is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from workbench.plan import Check, Finding, Measured, Plan, PlannedPart, PlannedTask, Trial
from workbench.tui import figures

Meant = Literal["plain", "dim", "strong", "good", "bad", "careful", "mark"]
_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_LABELS = 8
_MOST_LAYERS_APART = 4


class Span(NamedTuple):
    """A piece of a line."""

    text: str
    meant: Meant = "plain"


Line = list[Span]

_SIGNS: dict[str, tuple[str, Meant]] = {
    "error": ("✗", "bad"),
    "warning": ("!", "careful"),
    "note": ("·", "dim"),
}


def plan_lines(
    check: Check, width: int, measured: Measured | None = None, trials: Sequence[Trial] = ()
) -> list[Line]:
    """Everything, the most important first.

    Args:
        check: The plan and its findings.
        width: Cells of a line.
        measured: Two updates that were timed, if they were.
        trials: What was tried out, if it was.
    """
    lines: list[Line] = []
    if check.plan is not None:
        lines += _summary(check.plan, measured)
    for finding in check.findings:
        lines += _finding(finding, width)
    if not check.findings:
        lines.append([Span("✓", "good"), Span(" nothing that would warn")])
    for trial in trials:
        lines += _trial(trial, width)
    if check.plan is not None:
        lines += [[], *_layers(check.plan, width)]
        for task in check.plan.tasks:
            lines += [[], *_task(task, check.plan, width)]
    return lines


def short_lines(check: Check, measured: Measured | None = None) -> list[Line]:
    """The same in a few narrow lines, for a corner that may be cut off at its end."""
    lines: list[Line] = []
    for severity in ("error", "warning", "note"):
        number = sum(one.severity == severity for one in check.findings)
        if number:
            sign, meant = _SIGNS[severity]
            lines.append([Span(f"{sign} {number} {severity}{'s' if number > 1 else ''}", meant)])
    if measured is not None:
        lines.append([Span(f"~{figures.duration(measured.seconds_in_all)}", "strong")])
    if check.plan is not None:
        plan = check.plan
        lines.append([Span(f"{plan.total_steps:,} steps")])
        lines.append([Span(f"{count(plan.trainable_parameters)} trained")])
        lines.append([Span(f"~{figures.size(plan.memory.total)}")])
    return lines


def count(number: int) -> str:
    """A number of parameters: `22.6M`."""
    amount = float(number)
    for unit in ("", "k", "M", "G"):
        if amount < 999.5:
            return f"{amount:.0f}{unit}" if not unit or amount >= 100 else f"{amount:.3g}{unit}"
        amount /= 1000
    return f"{amount:.3g}T"


# ── the parts of it ───────────────────────────────────────────────────────────


def _summary(plan: Plan, measured: Measured | None) -> Iterator[Line]:
    part = figures.share(plan.trainable_parameters, plan.total_parameters)
    yield [
        Span("trained     ", "dim"),
        Span(f"{count(plan.trainable_parameters)}", "strong"),
        Span(f" of {count(plan.total_parameters)} parameters, {figures.percent(part)}"),
    ]
    passes = plan.total_steps // plan.steps_per_epoch if plan.steps_per_epoch else 0
    yield [
        Span("steps       ", "dim"),
        Span(f"{plan.total_steps:,}", "strong"),
        Span(f", {plan.steps_per_epoch:,} a pass, {passes} passes" if passes else ""),
    ]
    yield [
        Span("device      ", "dim"),
        Span(f"{plan.device}, {plan.precision}, expects "),
        Span(f"about {figures.size(plan.memory.total)}", "strong"),
    ]
    if measured is not None:
        yield [
            Span("measured    ", "dim"),
            Span(f"{_seconds(measured.seconds_per_update)} an update, "),
            Span(f"about {figures.duration(measured.seconds_in_all)} in all", "strong"),
            Span(f", {figures.size(measured.memory_bytes)}"),
        ]


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _finding(finding: Finding, width: int) -> Iterator[Line]:
    sign, meant = _SIGNS[finding.severity]
    for number, text in enumerate(_wrapped(finding.what, width - 2)):
        yield [Span(f"{sign} " if number == 0 else "  ", meant), Span(text)]
    for word, said in (("where", finding.where), ("next ", finding.next_step)):
        for number, text in enumerate(_wrapped(said, width - 8) if said else ()):
            yield [Span(f"  {word} " if number == 0 else " " * 8, "dim"), Span(text, "dim")]


def _trial(trial: Trial, width: int) -> Iterator[Line]:
    sign: Span = Span("✓ ", "good") if trial.is_well else Span("! ", "careful")
    for number, text in enumerate(_wrapped(f"{trial.what} {trial.means}", width - 2)):
        yield [sign if number == 0 else Span("  "), Span(text)]
    for number, text in enumerate(_wrapped(trial.next_step, width - 8)):
        yield [Span("  next  " if number == 0 else " " * 8, "dim"), Span(text, "dim")]


def _wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield line


def _layers(plan: Plan, width: int) -> Iterator[Line]:
    """From the top down, as one thinks of a model: heads, layers, embeddings."""
    # Where there is no room for remarks, the bar tells of thawing by itself.
    has_remarks = width >= 62 and any(
        0 < part.trained < part.parameters or part.first_step > 1 for part in plan.parts
    )
    bar = max(6, min(24, width - 37 - 17 * has_remarks))
    title = "moves in the run" if bar >= 16 else "moves"
    yield [
        Span(f"{'part':<16}", "dim"),
        Span(f"{title:<{bar + 1}}"[: bar + 1], "dim"),
        Span(f"{'rate':>8}{'parameters':>12}", "dim"),
    ]
    for group in _alike(tuple(reversed(plan.parts))):
        first = group[0]
        parameters = sum(part.parameters for part in group)
        trained = sum(part.trained for part in group)
        begins = figures.share(first.first_step - 1, plan.total_steps)
        still = round(begins * bar) if trained else bar
        yield [
            Span(f"{_named(group):<16}"[:16]),
            Span("░" * still, "dim"),
            Span("█" * (bar - still), "mark"),
            Span(" "),
            Span(f"{figures.rate(first.rate) if trained else 'frozen':>8}",
                 "plain" if trained else "dim"),
            Span(f"{count(parameters):>12}"),
            Span(_remark(first.first_step, trained, parameters) if has_remarks else "", "dim"),
        ]  # fmt: skip


def _remark(first_step: int, trained: int, parameters: int) -> str:
    if not trained:
        return ""
    if first_step > 1:
        return f"  from step {first_step:,}"
    return f"  {count(trained)} move" if trained < parameters else ""


def _alike(parts: Sequence[PlannedPart]) -> Iterator[list[PlannedPart]]:
    """Layers that follow one another and are treated alike, if they are many, go together."""
    group: list[PlannedPart] = []
    for part in parts:
        if group and not (_is_layer(part) and _is_layer(group[-1]) and _same(part, group[-1])):
            yield from _split(group)
            group = []
        group.append(part)
    yield from _split(group)


def _split(group: list[PlannedPart]) -> Iterator[list[PlannedPart]]:
    if len(group) < _MOST_LAYERS_APART:
        yield from ([part] for part in group)
    else:
        yield group


def _is_layer(part: PlannedPart) -> bool:
    return part.name.startswith("layer ")


def _same(one: PlannedPart, other: PlannedPart) -> bool:
    return (one.rate, one.first_step, one.trained) == (other.rate, other.first_step, other.trained)


def _named(group: Sequence[PlannedPart]) -> str:
    if len(group) == 1:
        return group[0].name
    numbers = sorted(int(part.name.removeprefix("layer ")) for part in group)
    return f"layers {numbers[0]}–{numbers[-1]}"


def _task(task: PlannedTask, plan: Plan, width: int) -> Iterator[Line]:
    rows = ", ".join(f"{split} {number:,}" for split, number in task.examples.items())
    yield [Span(task.name, "strong"), Span(f"  {task.kind}  ", "dim"), Span(rows)]
    yield from _labels(task, width)
    if task.scores:
        low, high = task.score_range
        yield [
            Span("  scores "),
            Span(_sketch(task.scores), "mark"),
            Span(f" {low:g} to {high:g}", "dim"),
        ]
    yield _lengths(task, plan)


def _labels(task: PlannedTask, width: int) -> Iterator[Line]:
    """A bar for each label; of many the most and the least frequent."""
    if not task.labels:
        return
    shown = list(task.labels.items())
    left_out = 0
    if len(shown) > _MOST_LABELS:
        left_out = len(shown) - _MOST_LABELS
        shown = shown[: _MOST_LABELS // 2] + shown[-_MOST_LABELS // 2 :]
    most = max(task.labels.values()) or 1
    total = sum(task.labels.values())
    columns = 2 if width >= 64 else 1
    cell = width // columns
    name = min(14, max(len(label) for label, _ in shown))
    bar = max(4, min(16, cell - name - 16))
    cells = [
        [
            Span(f"  {label:<{name}}"[: name + 2] + " "),
            *_bar(number / most, bar),
            Span(f"{number:>7,} {figures.percent(number / total):>4}", "dim"),
        ]
        for label, number in shown
    ]
    half = -(-len(cells) // columns)
    for row in range(half):
        line: Line = []
        for column in range(columns):
            at = column * half + row
            if at < len(cells):
                line += cells[at]
        yield line
    if left_out:
        yield [Span(f"  and {left_out} labels between", "dim")]


def _bar(part: float, width: int) -> Line:
    eighths = max(1, round(part * width * 8)) if part > 0 else 0
    whole, rest = divmod(eighths, 8)
    tip = "▏▎▍▌▋▊▉"[rest - 1] if rest else ""
    return [Span("█" * whole + tip, "mark"), Span(" " * (width - whole - bool(rest)))]


def _lengths(task: PlannedTask, plan: Plan) -> Line:
    """A histogram in a row, and what will be cut."""
    longest = plan.length_steps[-1] if plan.length_steps else 0
    line = [
        Span("  length "),
        Span(_sketch(task.lengths), "mark"),
        Span(f" up to {longest} pieces; ", "dim"),
    ]
    train = task.truncated.get("train", 0)
    if not train:
        return [*line, Span("none is cut", "dim")]
    part = figures.share(train, task.examples.get("train", 0))
    return [*line, Span(f"{train:,} ({part * 100:.3g}%) cut at {plan.max_length}", "careful")]


def _sketch(counts: Sequence[int]) -> str:
    """A histogram in one row."""
    most = max(counts, default=0) or 1
    return "".join(
        _BLOCKS[min(7, round(number / most * 7))] if number else " " for number in counts
    )


def as_text(line: Line) -> str:
    """A line without what it means."""
    return "".join(span.text for span in line).rstrip()
