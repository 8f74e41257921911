"""A plan as lines of text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from workbench.plan import Check, Finding, Measured, Memory, Plan, PlannedPart, PlannedTask
from workbench.tui.plan_lines import as_text, count, plan_lines, short_lines


def a_plan(layers: int = 6, *, gradual: bool = False, labels: int = 3) -> Plan:
    layer_parts = (
        PlannedPart(f"layer {at}", 1_774_464, 1_774_464, 2e-5, 100 - 10 * at if gradual else 1)
        for at in range(layers)
    )
    return Plan(
        device="cpu",
        precision="fp32",
        parts=(
            PlannedPart("embeddings", 11_918_592, 0, 0.0),
            *layer_parts,
            PlannedPart("head topic", 3080, 3080, 1e-3),
        ),
        trainable_parameters=10_649_864,
        total_parameters=22_568_456,
        tasks=(
            PlannedTask(
                name="topic",
                kind="classification",
                examples={"train": 1200, "dev": 200},
                labels={f"label {at}": 400 - at for at in range(labels)},
                truncated={"train": 12},
                scores=(),
                score_range=(0.0, 0.0),
                lengths=(0, 1, 700, 499),
            ),
        ),
        length_steps=(8, 16, 24, 32),
        max_length=32,
        total_steps=300,
        steps_per_epoch=100,
        memory=Memory(90_000_000, 45_000_000, 90_000_000, 60_000_000, 450_000_000),
    )


WARNED = Check(a_plan(), (Finding("warning", "topic: 3 rows have no label.", "[tasks.topic]"),))


def text_of(check: Check, width: int = 80, measured: Measured | None = None) -> str:
    return "\n".join(as_text(line) for line in plan_lines(check, width, measured))


def test_the_most_important_comes_first() -> None:
    lines = text_of(WARNED).splitlines()

    assert "10.6M of 22.6M parameters, 47%" in lines[0]
    assert "300, 100 a pass, 3 passes" in lines[1]
    assert "about 735 MB" in lines[2]
    assert lines[3] == "! topic: 3 rows have no label."


def test_layers_that_are_treated_alike_are_one_line() -> None:
    assert "layers 0–5" in text_of(WARNED)
    assert "layer 3 " in text_of(Check(a_plan(gradual=True)))
    assert "from step 60" in text_of(Check(a_plan(gradual=True)))


def test_what_is_cut_is_told_with_its_share() -> None:
    assert "12 (1%) cut at 32" in text_of(WARNED)


def test_of_many_labels_the_ends_are_shown() -> None:
    text = text_of(Check(a_plan(labels=100)))

    assert "label 0 " in text
    assert "label 99" in text
    assert "and 92 labels between" in text


def test_a_check_without_a_plan_says_why() -> None:
    text = text_of(Check(None, (Finding("error", "There is no column.", "a.jsonl:1", "add it"),)))

    assert text.splitlines() == ["✗ There is no column.", "  where a.jsonl:1", "  next  add it"]


def test_what_was_measured_is_told() -> None:
    measured = Measured("cpu", 0.25, 75.0, 800_000_000)

    assert "250 ms an update, about 1m15s in all" in text_of(WARNED, measured=measured)
    assert "~1m15s" in [as_text(line) for line in short_lines(WARNED, measured)]


@given(width=st.integers(36, 200), layers=st.integers(0, 24), gradual=st.booleans(),
       labels=st.integers(0, 30))  # fmt: skip
def test_lines_of_parts_and_labels_keep_to_their_width(
    width: int, layers: int, gradual: bool, labels: int
) -> None:
    check = Check(a_plan(layers, gradual=gradual, labels=labels), WARNED.findings)

    parts_and_labels = [
        line for line in plan_lines(check, width) if any(span.text[:1] == "█" for span in line)
    ]
    for line in parts_and_labels:
        assert cell_len(as_text(line)) <= max(width, 44)


@given(width=st.integers(30, 120), words=st.lists(st.text("abc", min_size=1, max_size=9)))
def test_findings_are_wrapped_and_nothing_is_lost(width: int, words: list[str]) -> None:
    check = Check(None, (Finding("warning", " ".join(words)),))

    lines = [as_text(line) for line in plan_lines(check, width)]

    assert all(len(line) <= width for line in lines)
    assert " ".join(lines).removeprefix("! ").split() == words


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1155, "1.16k"), (22_573_846, "22.6M"), (3_000_000_000, "3G")],
)
def test_parameters_are_counted_shortly(number: int, text: str) -> None:
    assert count(number) == text
