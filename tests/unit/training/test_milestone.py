"""What is looked at between updates is found in the arrays of a split, not example by example."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import LABELS, a_split, an_encoded_example, an_encoded_split

from workbench.data.examples import Example, Examples
from workbench.data.tokenizing import EncodedExamples
from workbench.inference.evaluation import TaskPredictions
from workbench.training.dev_predictions import keep_predictions, read_predictions
from workbench.training.manifest import BEST_ON_DEV
from workbench.training.milestone import unseen_tasks


def never(*given: object) -> Any:
    raise AssertionError("an example is put together")


@pytest.mark.parametrize(
    ("seen_at", "unseen"), [(None, ["mood", "entity"]), (3, ["entity"]), (2, ["mood", "entity"])]
)
def test_tasks_with_labels_are_unseen_until_they_are_evaluated_after_the_last_update(
    seen_at: int | None, unseen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EncodedExamples, "at", never)
    split = an_encoded_split(
        an_encoded_example(text_labels={"mood": 1}), an_encoded_example(words={"entity": [(1, 2)]})
    )
    run: Any = SimpleNamespace(
        config=SimpleNamespace(tasks=dict.fromkeys(("mood", "entity"))),
        dev_split=split,
        step=3,
        evaluated=seen_at and SimpleNamespace(step=seen_at, metrics={"mood": {}}),
    )

    assert unseen_tasks(run) == unseen


def test_of_each_text_that_a_task_labels_a_fingerprint_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ("Ada left", "Bob stays", "Ada left")
    examples = [Example((text,), {"mood": "good"}, f"a:{at}") for at, text in enumerate(texts)]
    split = a_split({"mood": LABELS["mood"]}, *examples)
    monkeypatch.setattr(Examples, "at", never)

    found = TaskPredictions(0.5, ["good"] * 3, ["bad"] * 3)
    keep_predictions(tmp_path, 4, {"mood": found}, split, LABELS)

    kept = read_predictions(tmp_path / BEST_ON_DEV)["mood"]
    assert len(kept.texts) == len(set(kept.texts)) == 3
    assert kept.texts[2] == f"{kept.texts[0]}-1"
