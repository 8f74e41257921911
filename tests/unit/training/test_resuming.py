"""Interrupted and resumed equals never interrupted, to the last bit."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import (
    Script,
    a_task,
    an_experiment,
    events_of,
    resumable_steps,
    sentences,
    write_corpus,
    write_jsonl,
)
from safetensors.torch import load_file

from workbench.config.experiment import ExperimentConfig
from workbench.control import (
    Evaluate,
    Pause,
    Request,
    Resume,
    SaveCheckpoint,
    SetLogInterval,
    SetRateScale,
    SetWeight,
    Stop,
    StopNow,
    from_json,
)
from workbench.data.tokenizing import EncodedSplit
from workbench.errors import CheckpointError
from workbench.events import (
    PAUSED,
    CheckpointRemoved,
    CheckpointSaved,
    EvaluationFinished,
    Event,
    PhaseStarted,
    RequestObeyed,
    RunFinished,
    RunStarted,
    ShowcaseComputed,
    StepFinished,
    Warned,
)
from workbench.training import resuming as resuming_module
from workbench.training.loop import train
from workbench.training.manifest import (
    checkpoint_name,
    checkpoint_steps,
    has_training_state,
    sha256_of,
)
from workbench.training.selection import selection_value

UPDATES = 6
EVERY_UPDATE = 1e-9
"""`checkpoint_minutes` so short that every update is saved."""

Sections = dict[str, Any]


def with_rnn(cell: str, **settings: Any) -> Callable[[Path], Sections]:
    def tasks(corpus: Path) -> Sections:
        rnn = {"rnn": cell, "hidden_size": 8} | settings
        return {"tasks": {"mood": a_task(corpus), "entity": a_task(corpus, "tagging", **rnn)}}

    return tasks


KINDS: dict[str, Callable[[Path], Sections]] = {
    "linear, thawing": lambda _: {"freezing": {"gradual": 0.6}},
    "adafactor, cosine": lambda _: {
        "optimization": {"optimizer": "adafactor", "schedule": "cosine"},
        "freezing": {"mode": "embeddings"},
    },
    "schedule-free": lambda _: {
        "optimization": {"optimizer": "schedule_free", "schedule": "constant"},
        "training": {"evaluations_per_epoch": 3},
    },
    "plateau, bf16": lambda _: {
        "optimization": {"schedule": "plateau", "plateau_patience": 0, "learning_rate": 1e-5},
        "training": {"evaluations_per_epoch": 2, "precision": "bf16"},
    },
    "lstm and crf, restarts": lambda corpus: (
        with_rnn("lstm", crf=True, constrained=True, scheme="bioes")(corpus)
        | {"optimization": {"schedule": "cosine_restarts"}}
    ),
    "gru, one cycle, no buckets": lambda corpus: (
        with_rnn("gru", layers=2)(corpus)
        | {"optimization": {"schedule": "one_cycle"}, "training": {"length_buckets": False}}
    ),
    "parts of updates, slanted": lambda _: {
        "optimization": {"schedule": "slanted_triangular", "layer_rates": "decay"},
        "training": {"micro_batch_size": 3},
    },
    "uniform, uncertainty, gradvac": lambda _: {
        "sampling": {"strategy": "annealed", "anneal_from": "uniform"},
        "weighting": {"method": "uncertainty", "gradients": "gradvac"},
        "instruments": {"interference_every": 2},
    },
    "budget, famo, one task through": lambda corpus: {
        "tasks": {
            "mood": a_task(corpus, patience=1),
            "entity": a_task(corpus, "tagging", evaluate_every=2),
        },
        "sampling": {"examples_per_epoch": 24, "batches": "one_task"},
        "weighting": {"method": "famo"},
        "optimization": {"learning_rate": 1e-6},
        "training": {"evaluations_per_epoch": 3},
    },
    "learned pooling, mixed layers, inverse root": lambda corpus: {
        "tasks": {
            "mood": a_task(corpus, layer_mix=True),
            "entity": a_task(corpus, "tagging", layer_mix=True),
        },
        "pooling": {"mode": "attention"},
        "optimization": {"schedule": "inverse_sqrt"},
    },
    "adapters": lambda _: {
        "backbone_settings": {"lora": {"rank": 2, "dropout": 0.2, "targets": "all"}},
        "optimization": {"layer_rates": "decay"},
    },
    "words and characters, gru": lambda _: {
        "backbone_settings": {
            "kind": "stack",
            "embeddings": ["words", "char_lstm", "char_cnn"],
            "rnn": {"cell": "gru", "hidden_size": 8, "layers": 2},
        },
        "pooling": {"mode": "concat", "modes": ["max", "attention"], "normalize": True},
    },
    "thresholds, fitted layers, pairs": lambda corpus: {
        "tasks": {
            kind: a_task(corpus, kind)
            for kind in ("multilabel", "regression", "similarity", "contrastive", "few_shot")
        },
        "training": {"epochs": 1},
    },
    "frozen backbone, stable": lambda _: {
        "optimization": {"schedule": "warmup_stable_decay"},
        "freezing": {"mode": "backbone"},
    },
}


@dataclass(frozen=True)
class WholeRun:
    """A run that nothing interrupted."""

    config: ExperimentConfig
    folder: Path
    numbers: dict[tuple[str, int], Any]

    @property
    def updates(self) -> int:
        return max(step for _, step in self.numbers)


@pytest.fixture(scope="module", params=KINDS)
def whole(
    request: pytest.FixtureRequest,
    bert: Path,
    corpus: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> WholeRun:
    if request.param == "schedule-free":
        pytest.importorskip("schedulefree", reason="the extra schedulefree is not installed")
    sections = KINDS[request.param](corpus)
    config = an_experiment(backbone=bert, folder=corpus, **sections)
    folder = tmp_path_factory.mktemp("whole")
    return WholeRun(config, folder, numbers_of(events_of(config, folder)))


def numbers_of(events: list[Event]) -> dict[tuple[str, int], Any]:
    """Everything that was told of each step but how long it took; the later telling counts.

    What was planned stands apart from an evaluation of the same step that was asked for: that one
    looks at the tasks that were left out.
    """
    told: dict[tuple[str, int], Any] = {}
    for event in events:
        if isinstance(event, StepFinished):
            values = (event.epoch, event.losses, event.total_loss, event.learning_rates)
            told["step", event.step] = (*values, event.gradient_norm, event.texts, event.tokens)
        elif isinstance(event, EvaluationFinished):
            looked_at = ", ".join(event.metrics)
            told[f"dev {looked_at}", event.step] = (event.metrics, event.selection)
    return told


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    found = {}
    for file in sorted(last_checkpoint(folder).rglob("*.safetensors")):
        found |= {f"{file.stem}/{name}": value for name, value in load_file(file).items()}
    return found


def disturb_the_random_streams() -> None:
    """As a process would that has nothing to do with the one before."""
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)


def last_checkpoint(folder: Path) -> Path:
    return folder / checkpoint_name(resumable_steps(folder)[-1])


def assert_the_same(whole: WholeRun, events: list[Event], folder: Path) -> None:
    found = numbers_of(events)
    assert {key: found[key] for key in whole.numbers} == whole.numbers
    one, other = weights_of(whole.folder), weights_of(folder)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


# --- Exactly as if nothing had happened ---------------------------------------------------------


def test_a_run_that_is_stopped_and_resumed_learns_what_it_would_have(
    whole: WholeRun, tmp_path: Path
) -> None:
    at = random.Random(whole.config.model_dump_json()).randrange(1, whole.updates)
    first = events_of(whole.config, tmp_path, Script((at, Stop())))
    assert resumable_steps(tmp_path) == [at]
    disturb_the_random_streams()

    rest = list(train(whole.config, folder=tmp_path, resume_from=last_checkpoint(tmp_path)))

    assert isinstance(first[-1], RunFinished)
    assert next(event.step for event in rest if isinstance(event, StepFinished)) == at + 1
    assert_the_same(whole, first + rest, tmp_path)


def test_a_run_that_is_killed_again_and_again_learns_what_it_would_have(
    whole: WholeRun, tmp_path: Path
) -> None:
    # Each life ends at a random event, between which updates are saved or not.
    chance = random.Random(whole.config.seed)
    training = whole.config.training.model_copy(update={"checkpoint_minutes": EVERY_UPDATE})
    config = whole.config.model_copy(update={"training": training})
    told: list[Event] = []
    for _life in range(3):
        steps = resumable_steps(tmp_path)
        life = train(
            config, folder=tmp_path, resume_from=last_checkpoint(tmp_path) if steps else None
        )
        told += [event for _, event in zip(range(chance.randrange(8, 24)), life, strict=False)]
        del life
        disturb_the_random_streams()
    told += train(config, folder=tmp_path, resume_from=last_checkpoint(tmp_path))

    assert isinstance(told[-1], RunFinished)
    assert sum(isinstance(event, RunStarted) for event in told) == 4
    assert_the_same(whole, told, tmp_path)


def test_a_run_that_is_resumed_at_its_end_has_nothing_left_to_do(
    whole: WholeRun, tmp_path: Path
) -> None:
    shutil.copytree(whole.folder, tmp_path / "run")

    events = list(
        train(whole.config, folder=tmp_path / "run", resume_from=last_checkpoint(tmp_path / "run"))
    )

    assert numbers_of(events) == {}
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].step, events[-1].stopped) == (whole.updates, False)


# --- What a person does in between --------------------------------------------------------------

BY_HAND: list[tuple[int, Request]] = [
    (1, SetWeight("mood", 0.25)),
    (2, SetRateScale(0.5)),
    (2, Evaluate()),
    (3, SaveCheckpoint()),
    (4, Pause()),
    (4, Resume()),
    (4, SetWeight("entity", 0.0)),
    (5, SetRateScale(2.0)),
]


def recorded(events: list[Event], *, after: int = 0) -> list[tuple[int, Request]]:
    return [
        (event.step, from_json(event.kind, event.body))
        for event in events
        if isinstance(event, RequestObeyed) and event.step > after
    ]


def test_requests_take_effect_with_the_next_update(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus)
    plain = numbers_of(events_of(config, tmp_path / "plain"))

    events = events_of(config, tmp_path / "run", Script(*BY_HAND))

    steps = {event.step: event for event in events if isinstance(event, StepFinished)}
    assert plain["step", 1][1] == steps[1].losses
    assert plain["step", 2][1] == steps[2].losses  # the weight has changed, the loss not yet
    for step, (mood, entity) in {1: (1, 1), 2: (0.25, 1), 4: (0.25, 1), 5: (0.25, 0)}.items():
        losses = steps[step].losses
        weighted = mood * losses["mood"] + entity * losses["entity"]
        assert steps[step].total_loss == pytest.approx(weighted, rel=1e-6)
    for step, scale in {1: 1.0, 2: 1.0, 3: 0.5, 5: 0.5, 6: 2.0}.items():
        planned = plain["step", step][3]["heads"]
        assert steps[step].learning_rates["heads"] == pytest.approx(scale * planned)
    evaluated = [event.step for event in events if isinstance(event, EvaluationFinished)]
    saved = [event.step for event in events if isinstance(event, CheckpointSaved)]
    assert (evaluated, saved) == ([2, 3, 6], [3, 4, 6])
    assert sorted(map(str, recorded(events))) == sorted(map(str, BY_HAND))


def test_a_run_in_which_somebody_had_a_hand_can_be_repeated_from_what_it_told(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus)
    first = events_of(config, tmp_path / "first", Script(*BY_HAND))

    second = events_of(config, tmp_path / "second", Script(*recorded(first)))

    assert numbers_of(second) == numbers_of(first)
    assert recorded(second) == recorded(first)
    one, other = weights_of(tmp_path / "first"), weights_of(tmp_path / "second")
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("killed_at", range(1, UPDATES))
def test_what_was_set_by_hand_is_still_in_force_after_a_crash(
    killed_at: int, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    # Of what was asked after the checkpoint the record tells; before it, the checkpoint.
    config = an_experiment(
        backbone=bert, folder=corpus, training={"checkpoint_minutes": EVERY_UPDATE}
    )
    whole = WholeRun(
        config,
        tmp_path / "whole",
        numbers_of(events_of(config, tmp_path / "whole", Script(*BY_HAND))),
    )
    first: list[Event] = []
    for event in train(config, folder=tmp_path / "run", control=Script(*BY_HAND)):
        first.append(event)
        if isinstance(event, RequestObeyed | StepFinished) and event.step == killed_at:
            break
    steps = resumable_steps(tmp_path / "run")
    last = steps[-1] if steps else 0

    rest = list(
        train(
            config,
            folder=tmp_path / "run",
            control=Script(*BY_HAND, first=last + 1),
            resume_from=last_checkpoint(tmp_path / "run") if steps else None,
        )
    )

    assert_the_same(whole, first + rest, tmp_path / "run")


def test_looking_at_a_run_does_not_change_what_it_learns(whole: WholeRun, tmp_path: Path) -> None:
    asked: list[tuple[int, Request]] = [
        (step, request)
        for step in range(1, whole.updates)
        for request in (Evaluate(), SaveCheckpoint(), Pause(), Resume())
    ]

    events = events_of(whole.config, tmp_path, Script(*asked))

    found = numbers_of(events)
    assert {key: found[key] for key in whole.numbers} == whole.numbers
    one, other = weights_of(whole.folder), weights_of(tmp_path)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_paused_run_waits_with_a_checkpoint_until_it_is_told_to_go_on(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus)
    control = Script((2, Pause()), paused=[Evaluate(), SetRateScale(0.5), Resume()])

    events = events_of(config, tmp_path, control)

    kinds = [
        event.phase if isinstance(event, PhaseStarted) else type(event).__name__
        for event in events
        if getattr(event, "step", 2) == 2 or isinstance(event, PhaseStarted)
    ]
    begin = kinds.index("StepFinished")
    assert kinds[begin : kinds.index("training", begin)] == [
        "StepFinished",
        *("saving", "CheckpointSaved", "RequestObeyed", PAUSED),
        *("evaluating", "EvaluationFinished", "RequestObeyed", PAUSED),
        *("RequestObeyed", "saving", "CheckpointSaved", PAUSED),
        "RequestObeyed",
    ]
    assert [request for _, request in recorded(events)] == [
        Pause(),
        Evaluate(),
        SetRateScale(0.5),
        Resume(),
    ]
    state = json.loads(
        (tmp_path / "checkpoints").joinpath("step-00000006/training/state.json").read_text()
    )
    assert state["requests"]["rate_scale"] == 0.5


@pytest.mark.parametrize(("request_", "evaluations"), [(Stop(), 1), (StopNow(), 0)])
def test_a_paused_run_can_be_stopped(
    request_: Request, evaluations: int, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus)

    events = events_of(config, tmp_path, Script((2, Pause()), paused=[request_]))

    assert isinstance(events[-1], RunFinished)
    assert (events[-1].step, events[-1].stopped) == (2, True)
    assert sum(isinstance(event, EvaluationFinished) for event in events) == evaluations
    assert resumable_steps(tmp_path) == [2]


def test_the_log_interval_thins_out_what_is_told_and_nothing_else(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, training={"epochs": 4})
    whole = numbers_of(events_of(config, tmp_path / "whole"))

    told = numbers_of(events_of(config, tmp_path / "thin", Script((1, SetLogInterval(5)))))

    assert [step for kind, step in told if kind == "step"] == [1, 5, 10, 12]
    assert all(whole[key] == value for key, value in told.items())


def test_however_few_updates_are_told_one_is_as_a_sign_of_life(
    bert: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = an_experiment(backbone=bert, folder=corpus)
    monkeypatch.setattr("workbench.training.blocks.LONGEST_SILENCE_SECONDS", 0.0)

    events = events_of(config, tmp_path, Script((1, SetLogInterval(1000))))

    assert len([one for one in events if isinstance(one, StepFinished)]) == UPDATES


def test_who_wants_to_leave_at_once_at_the_last_update_does_not_get_a_whole_run(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus)

    events = events_of(config, tmp_path, Script((UPDATES, StopNow())))

    assert isinstance(events[-1], RunFinished)
    assert (events[-1].step, events[-1].stopped) == (UPDATES, True)
    assert resumable_steps(tmp_path) == [3]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (SetWeight("moood", 1.0), 'There is no task "moood" to weigh; did you mean "mood"?'),
        (SetWeight("mood", -1.0), "A weight is 0 or more"),
        (SetWeight("mood", float("nan")), "A weight is 0 or more"),
        (SetRateScale(0.0), "A rate scale is above 0"),
        (SetRateScale(float("inf")), "A rate scale is above 0"),
        (SetLogInterval(0), "A log interval is at least 1"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    request_: Request, why: str, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, training={"epochs": 1})

    events = events_of(config, tmp_path, Script((1, request_)))

    assert [one.message for one in events if isinstance(one, Warned) and why in one.message]
    assert recorded(events) == []


# --- Which checkpoints stay ---------------------------------------------------------------------


def test_every_kth_checkpoint_and_those_asked_for_stay_with_all_that_is_needed(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, training={"epochs": 6, "keep_every": 2})

    events = events_of(config, tmp_path, Script((4, SaveCheckpoint())))

    saved = [event for event in events if isinstance(event, CheckpointSaved)]
    removed = {event.step for event in events if isinstance(event, CheckpointRemoved)}
    assert [one.step for one in saved if one.stays] == [4, 6, 12, 18]
    assert {4, 6, 12, 18} <= set(checkpoint_steps(tmp_path))
    assert resumable_steps(tmp_path) == [4, 6, 12, 18]
    assert removed.isdisjoint(checkpoint_steps(tmp_path))
    assert removed | set(checkpoint_steps(tmp_path)) == {one.step for one in saved}


def test_a_run_can_go_on_from_any_checkpoint_that_stays(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, training={"keep_every": 1})
    whole = WholeRun(config, tmp_path / "whole", numbers_of(events_of(config, tmp_path / "whole")))
    shutil.copytree(tmp_path / "whole", tmp_path / "run")

    events = list(
        train(config, folder=tmp_path / "run", resume_from=tmp_path / "run" / checkpoint_name(3))
    )

    found = numbers_of(events)
    assert {key for key in found if key[0] == "step"} == {("step", step) for step in (4, 5, 6)}
    assert all(whole.numbers[key] == value for key, value in found.items())
    assert checkpoint_steps(tmp_path / "run") == checkpoint_steps(tmp_path / "whole")


@pytest.mark.parametrize("damaged", ["best", "all"])
def test_a_run_whose_best_checkpoint_is_gone_ends_with_the_next_best(
    damaged: str, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=bert, folder=corpus, showcase={"texts": ["Ada."]}, training={"keep_every": 1}
    )
    events: list[Event] = []
    best = last = 0
    for event in train(config, folder=tmp_path):
        events.append(event)
        if isinstance(event, CheckpointSaved):
            best = event.step if event.is_best else best
            last = event.step
        if isinstance(event, CheckpointSaved) and event.step == UPDATES:
            for step in {best, *([3, last] if damaged == "all" else [])}:
                (tmp_path / checkpoint_name(step) / "model" / "heads.safetensors").unlink()

    shown = any(isinstance(event, ShowcaseComputed) for event in events)
    told = any("no showcase" in event.message for event in events if isinstance(event, Warned))
    assert isinstance(events[-1], RunFinished)
    assert (shown, told) == ((True, False) if damaged == "best" else (False, True))


# --- What cannot be resumed ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(
    bert: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ExperimentConfig, Path]]:
    """A run with a corpus of its own that was stopped after its second update."""
    folder = tmp_path_factory.mktemp("stopped")
    config = an_experiment(backbone=bert, folder=write_corpus(folder / "corpus"))
    events_of(config, folder / "run", Script((2, Stop())))
    return config, folder


def resuming(config: ExperimentConfig, run: Path) -> list[Event]:
    return list(train(config, folder=run, resume_from=run / checkpoint_name(2)))


@pytest.fixture
def a_copy(stopped: tuple[ExperimentConfig, Path], tmp_path: Path) -> tuple[ExperimentConfig, Path]:
    shutil.copytree(stopped[1] / "run", tmp_path / "run")
    return stopped[0], tmp_path / "run"


def test_a_checkpoint_without_training_state_says_what_to_do(
    a_copy: tuple[ExperimentConfig, Path],
) -> None:
    config, run = a_copy
    shutil.rmtree(run / checkpoint_name(2) / "training")

    with pytest.raises(CheckpointError, match="has no training state") as caught:
        resuming(config, run)

    assert not has_training_state(run / checkpoint_name(2))
    assert "fork" in caught.value.next_step


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_damaged_training_state_is_noticed(
    name: str, how: str, a_copy: tuple[ExperimentConfig, Path]
) -> None:
    config, run = a_copy
    file = run / checkpoint_name(2) / "training" / name
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(content if how == "changed" else content[:-3])

    with pytest.raises(CheckpointError, match=f"training/{name} is not as|is not complete"):
        resuming(config, run)


@pytest.mark.parametrize(
    ("section", "values", "what"),
    [
        ("optimization", {"learning_rate": 1e-3}, "optimization.learning_rate is no longer"),
        ("training", {"epochs": 3}, "training.epochs is no longer"),
        ("training", {"micro_batch_size": 4}, "training.micro_batch_size is no longer"),
        ("freezing", {"mode": "embeddings"}, "freezing.mode is no longer"),
    ],
)
def test_other_settings_are_a_fork_and_no_resumption(
    section: str, values: Sections, what: str, a_copy: tuple[ExperimentConfig, Path]
) -> None:
    config, run = a_copy
    changed = getattr(config, section).model_copy(update=values)

    with pytest.raises(CheckpointError, match=what) as caught:
        resuming(config.model_copy(update={section: changed}), run)

    assert "mtl-workbench fork" in caught.value.next_step


def test_settings_that_nothing_learned_depends_on_may_change(
    a_copy: tuple[ExperimentConfig, Path],
) -> None:
    config, run = a_copy
    training = config.training.model_copy(update={"checkpoint_minutes": 5.0, "keep_every": 1})

    events = resuming(config.model_copy(update={"training": training, "name": "again"}), run)

    assert isinstance(events[-1], RunFinished)


@pytest.mark.parametrize("split", ["train", "dev"])
def test_other_data_are_noticed(
    split: str, stopped: tuple[ExperimentConfig, Path], tmp_path: Path
) -> None:
    config, folder = stopped
    file = folder / "corpus" / f"{split}.jsonl"
    before = file.read_bytes()
    rows = sentences(24 if split == "train" else 12, first=0 if split == "train" else 60)
    rows[3]["mood"] = "plain" if rows[3]["mood"] != "plain" else "good"
    write_jsonl(file, rows)
    try:
        with pytest.raises(CheckpointError, match=f"The {split} examples are no longer"):
            resuming(config, folder / "run")
    finally:
        file.write_bytes(before)


def test_a_checkpoint_that_tells_data_apart_in_the_former_way_goes_on(
    bert: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = an_experiment(backbone=bert, folder=corpus)
    with monkeypatch.context() as before:
        before.setattr(resuming_module, "_digest_of", resuming_module._digest_of_each)
        events_of(config, tmp_path, Script((2, Stop())))

    assert isinstance(resuming(config, tmp_path)[-1], RunFinished)


def test_the_former_digest_is_not_computed_where_the_present_one_agrees(
    a_copy: tuple[ExperimentConfig, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(split: EncodedSplit) -> str:
        raise AssertionError("half a minute for a million examples")

    monkeypatch.setattr(resuming_module, "_digest_of_each", never)

    assert isinstance(resuming(*a_copy)[-1], RunFinished)


def test_other_arithmetic_is_told(a_copy: tuple[ExperimentConfig, Path]) -> None:
    config, run = a_copy
    folder = run / checkpoint_name(2) / "training"
    state = json.loads((folder / "state.json").read_text())
    state["origin"]["arithmetic"]["torch"] = "1.0"
    reseal(folder, state)

    events = resuming(config, run)

    warnings = [event.message for event in events if isinstance(event, Warned)]
    assert any(f"another torch, {torch.__version__} in place of 1.0" in text for text in warnings)


@pytest.mark.parametrize("member", ["optimizer", "random", "something new"])
def test_a_state_of_another_version_of_the_program_is_refused(
    member: str, a_copy: tuple[ExperimentConfig, Path]
) -> None:
    config, run = a_copy
    folder = run / checkpoint_name(2) / "training"
    state = json.loads((folder / "state.json").read_text())
    if member in state:
        del state[member]
    else:
        state[member] = {}
    reseal(folder, state)

    with pytest.raises(CheckpointError, match=f'do not both know "{member}"'):
        resuming(config, run)


def reseal(folder: Path, state: dict[str, Any]) -> None:
    """Write a training state as if it had always been so."""
    (folder / "state.json").write_text(json.dumps(state))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["state.json"] = sha256_of(folder / "state.json")
    (folder / "manifest.json").write_text(json.dumps(manifest))


# --- Evaluations that were not planned ----------------------------------------------------------


@pytest.fixture
def seldom(corpus: Path) -> ExperimentConfig:
    """A run whose rate hangs on dev, where names are looked at in every third evaluation only."""
    return an_experiment(
        folder=corpus,
        backbone_settings={"kind": "stack", "embeddings": ["words"], "rnn": {"cell": "none"}},
        tasks={
            "mood": a_task(corpus),
            "entity": a_task(corpus, "tagging", evaluate_every=3),
        },
        optimization={"schedule": "plateau", "plateau_patience": 0, "warmup": 0.0},
        training={"epochs": 6},
        cache={"features": False, "tokens": False},
    )


@pytest.mark.parametrize("request_", [Evaluate(), Stop()], ids=["looked at", "stopped"])
def test_what_is_not_planned_has_no_part_in_a_planned_selection(
    seldom: ExperimentConfig, tmp_path: Path, request_: Request
) -> None:
    whole = events_of(seldom, tmp_path / "whole")

    told = events_of(seldom, tmp_path / "run", Script((5, request_)))
    if request_ == Stop():
        told += train(
            seldom, folder=tmp_path / "run", resume_from=last_checkpoint(tmp_path / "run")
        )

    planned = numbers_of(whole)
    found = numbers_of(told)
    assert ("dev mood, entity", 5) in found.keys() - planned.keys()
    assert {key: found[key] for key in planned} == planned


def test_an_evaluation_that_is_asked_for_looks_at_what_the_planned_one_left_out(
    seldom: ExperimentConfig, tmp_path: Path
) -> None:
    told = events_of(seldom, tmp_path, Script((6, Evaluate()), (6, SaveCheckpoint())))

    here = [one for one in told if isinstance(one, EvaluationFinished) and one.step == 6]
    assert [list(one.metrics) for one in here] == [["mood"], ["entity"]]
    saved = [one for one in told if isinstance(one, CheckpointSaved) and one.step == 6]
    both = {"mood": here[0].metrics["mood"], "entity": here[1].metrics["entity"]}
    assert [one.selection for one in saved][-1] == selection_value(seldom, both)
