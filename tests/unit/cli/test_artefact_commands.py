"""`export`, `predict`, `encode`, `evaluate` hand on what they are asked and print what comes."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from workbench import operations
from workbench.cli import output
from workbench.cli.predictions import in_words
from workbench.cli.progress import Progress
from workbench.data.new_texts import TextFile, windows
from workbench.store.records import ExportRecord


class Artefacts(ModuleType):
    """Stands for the work that needs torch; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__("workbench.operations.artefacts")
        self.asked: list[Any] = []

    def export(self, space: Any, ref: str, *, progress: Any, **options: Any) -> ExportRecord:
        self.asked.append((ref, options))
        progress("opening it again")
        return ExportRecord(datetime(2026, 1, 1, tzinfo=UTC), options["format"], "/out", 20, 2e-7)

    def predict(
        self,
        space: Any,
        source: str,
        texts: Any,
        checkpoint: str = "best",
        labels: Any = None,
        *,
        precision: str,
        progress: Any,
        advance: Any,
    ) -> Any:
        texts = list(texts)
        self.asked.append((source, texts, checkpoint, *([labels] if labels else [])))
        return [
            {
                **(
                    {"text": text}
                    if isinstance(text, str)
                    else {"text": text[0], "text_b": text[1]}
                ),
                "tasks": {
                    "question": {"label": "a", "probabilities": {"a": 0.9, "b": 0.1}},
                    "entity": {
                        "words": ["To", "Rome"],
                        "tags": ["O", "B-LOC"],
                        "entities": [{"text": "Rome", "label": "LOC"}],
                    },
                },
            }
            for text in texts
        ]

    def encode(
        self,
        space: Any,
        source: str,
        texts: Any,
        checkpoint: str = "best",
        *,
        precision: str,
        progress: Any,
        advance: Any,
    ) -> Any:
        self.asked.append(precision)
        for window in windows(texts, most_texts=2):
            size = len(window)
            yield window, np.arange(12 * size, dtype=np.float32).reshape(size, 12)

    def evaluate(
        self,
        space: Any,
        ref: str,
        split: str,
        checkpoint: str = "best",
        *,
        precision: str,
        progress: Any,
    ) -> Any:
        self.asked.append((ref, split, checkpoint))
        progress("question/test: 3 row(s) have no label")
        return {"question": {"accuracy": 0.9, "loss": float("nan")}}


@pytest.fixture
def artefacts(monkeypatch: pytest.MonkeyPatch) -> Artefacts:
    stand_in = Artefacts()
    monkeypatch.setitem(sys.modules, "workbench.operations.artefacts", stand_in)
    monkeypatch.setattr(operations, "artefacts", stand_in, raising=False)
    return stand_in


def test_export_prints_the_folder_and_the_difference(run_command: Any, artefacts: Any) -> None:
    result = run_command("export", "r", "--format", "transformers", "--to", "x")

    assert result.out == "/out\n"
    assert "opening it again" in result.err
    assert "at most 2.0e-07" in result.err
    assert artefacts.asked == [
        ("r", {"checkpoint": "best", "format": "transformers", "to": Path("x")})
    ]


def test_predictions_are_printed_task_by_task(run_command: Any, artefacts: Any) -> None:
    lines = run_command("predict", "r", "One.", "Two.").out.splitlines()

    assert lines[:3] == ["One.", "  question  a  (a 0.900  b 0.100)", "  entity  Rome (LOC)"]
    assert run_command("predict", "r", "One.", "--json").json[0]["text"] == "One."


@pytest.mark.parametrize(
    ("tags", "line"),
    [
        (["O", "O"], "nothing found"),
        (["I-LOC", "O"], "nothing found"),
        (["NN", "O"], "rain/NN ./O"),
    ],
)
def test_tags_without_spans_are_printed_word_by_word(tags: list[str], line: str) -> None:
    assert in_words({"words": ["rain", "."], "tags": tags, "entities": []}) == line


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (
            {"labels": ["joy", "love"], "probabilities": {"fear": 0.1, "joy": 0.9, "love": 0.6}},
            "joy, love  (joy 0.900  love 0.600  fear 0.100)",
        ),
        ({"labels": [], "probabilities": {"fear": 0.1}}, "no label  (fear 0.100)"),
        ({"value": 3.14159}, "3.142"),
        ({"value": -12345.6}, "-1.235e+04"),
        ({"similarity": 0.98765}, "similarity 0.988"),
    ],
)
def test_every_kind_of_prediction_is_said_in_a_line(value: dict[str, Any], line: str) -> None:
    assert in_words(value) == line


def test_pairs_are_arguments_in_twos_and_lines_with_a_tab(
    run_command: Any, artefacts: Any, tmp_path: Path
) -> None:
    (tmp_path / "pairs.txt").write_text("Three.\tFour.\n\nFive.\t Six.\t7\n")

    result = run_command(
        "predict", "r", "--pairs", "One.", "Two.", "--file", str(tmp_path / "pairs.txt")
    )

    assert result.out.splitlines()[0] == "One.  |  Two."
    assert artefacts.asked == [
        ("r", [("One.", "Two."), ("Three.", "Four."), ("Five.", " Six.\t7")], "best")
    ]


def test_a_text_without_its_second_is_an_error(
    run_command: Any, artefacts: Any, tmp_path: Path
) -> None:
    (tmp_path / "pairs.txt").write_text("Three.\tFour.\nFive.\n")

    odd = run_command("predict", "r", "--pairs", "One.")
    line = run_command("predict", "r", "--pairs", "--file", str(tmp_path / "pairs.txt"))
    none = run_command("predict", "r", "--pairs")

    assert (odd.code, line.code, none.code) == (2, 1, 2)
    assert "in twos" in odd.err
    assert "Text 2 has no second one: 'Five.'" in line.err
    assert "give texts, or --file" in none.err
    assert artefacts.asked == []


def test_vectors_are_printed_short_and_written_whole(
    run_command: Any, artefacts: Any, tmp_path: Path
) -> None:
    out = tmp_path / "vectors.bin"

    result = run_command("encode", "r", "One.", "--out", str(out))

    assert result.out == ""
    assert np.load(out).shape == (1, 12)
    assert "(12 values)" in run_command("encode", "r", "One.").out
    assert run_command("encode", "r", "One.", "--json").json[0]["vector"][-1] == 11.0


def test_vectors_that_cannot_be_written_are_an_error_in_words(
    run_command: Any, artefacts: Any, tmp_path: Path
) -> None:
    result = run_command("encode", "r", "One.", "--out", str(tmp_path / "gone" / "vectors.npy"))

    assert result.code == 1
    assert "vectors.npy cannot be written: No such file or directory." in result.err


def test_a_split_is_measured(run_command: Any, artefacts: Any) -> None:
    result = run_command("evaluate", "r", "--split", "test", "--checkpoint", "last", "--json")

    assert result.json == {"question": {"accuracy": 0.9, "loss": None}}
    assert artefacts.asked == [("r", "test", "last")]
    assert "3 row(s) have no label" in result.err
    assert run_command("evaluate", "r", "--split", "tset").code == 2


def test_texts_that_were_given_come_before_those_of_the_file(
    run_command: Any, artefacts: Any, tmp_path: Path
) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text('{"say": "One."}\n{"say": "Two."}\n')
    out = tmp_path / "vectors.npy"

    run_command("predict", "r", "Zero.", "--file", str(file), "--column", "say")
    result = run_command(
        "encode", "r", "Zero.", "--file", str(file), "--column", "say", "--out", str(out),
        "--precision", "bf16",
    )  # fmt: skip

    assert artefacts.asked == [("r", ["Zero.", "One.", "Two."], "best"), "bf16"]
    assert np.load(out).shape == (3, 12)
    assert result.err == f"Wrote 3 vectors to {out}.\n"
    assert run_command("encode", "r", "One.", "--precision", "fp8").code == 2


@pytest.mark.parametrize(("command", "name"), [("encode", "v.npy"), ("predict", "p.jsonl")])
def test_a_line_that_cannot_be_read_leaves_the_file_that_was_there(
    command: str, name: str, run_command: Any, artefacts: Any, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("of yesterday")
    file = tmp_path / "texts.jsonl"
    file.write_text('{"text": "One."}\n' * 3 + "{\n")

    result = run_command(command, "r", "--file", str(file), "--out", str(tmp_path / name))

    assert result.code == 1
    assert f"{file}, line 4" in result.err
    assert "next   write one JSON object a line" in result.err
    assert (tmp_path / name).read_text() == "of yesterday"
    assert list(tmp_path.glob(".*.writing")) == []


def test_predictions_are_written_as_lines_of_json_or_of_cells(
    run_command: Any, artefacts: Any, tmp_path: Path
) -> None:
    for name in ("p.jsonl", "p.csv"):
        run_command("predict", "r", "One, two", "Three", "--out", str(tmp_path / name))

    lines = (tmp_path / "p.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["One, two", "Three"]
    header, first, _ = csv.reader((tmp_path / "p.csv").read_text().splitlines())
    assert dict(zip(header, first, strict=True)) == {
        "text": "One, two",
        "question": "a",
        "question.probability": "0.9",
        "entity": '[{"text": "Rome", "label": "LOC"}]',
        "entity.words": "To Rome",
        "entity.tags": "O B-LOC",
    }
    wrong = run_command("predict", "r", "One", "--out", str(tmp_path / "p.xlsx"))
    assert "known: .csv, .jsonl" in wrong.err


@pytest.mark.parametrize("count", [0, 1, 50, 51, 120])
def test_a_list_of_json_is_whole_however_long_it_is(
    count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    output.json_list({"number": number} for number in range(count))

    assert json.loads(capsys.readouterr().out) == [{"number": number} for number in range(count)]


def test_how_far_it_is_is_the_share_of_the_bytes_whose_texts_are_done(tmp_path: Path) -> None:
    file = TextFile(tmp_path / "texts.txt")
    file.path.write_text("1234567\n" * 10)
    times = iter([0.0, 2.0])
    progress = Progress(file, clock=lambda: next(times))
    texts = iter(file)

    progress.advance(0, 0)
    for _ in range(4):
        next(texts)
    progress.advance(2, 4)

    assert progress.share == pytest.approx(0.2)
    assert progress.words == "20%  2 texts  1 texts/s  8s left"


def test_labels_are_given_by_their_descriptions(run_command: Any, artefacts: Any) -> None:
    run_command(
        "predict", "r", "Wake me", "--label", "intent.alarm=set an alarm = wake",
        "--label", "intent.music=play music",
    )  # fmt: skip

    labels = {"intent": {"alarm": "set an alarm = wake", "music": "play music"}}
    assert artefacts.asked == [("r", ["Wake me"], "best", labels)]


def test_a_label_without_a_description_is_wrong_usage(run_command: Any, artefacts: Any) -> None:
    result = run_command("predict", "r", "Wake me", "--label", "intent.alarm")

    assert result.code == 2
    assert "TASK.LABEL=DESCRIPTION" in result.err
