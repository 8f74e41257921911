"""Experiments from TOML: every problem at once, in words, with its place."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.config.experiment import ExperimentConfig
from workbench.config.fields import experiment_fields
from workbench.config.loading import load_experiment, parse_experiment, to_toml, validate
from workbench.errors import ConfigError, NotFoundError, Problem

GOOD = """\
# Two tasks.
name = "two"

[tasks.question]
kind = "classification"
[tasks.question.data]
train = "q/train.jsonl"
dev = "q/dev.jsonl"

[tasks.entity]
kind = "tagging"
weight = 2.0
data.train = "e.conll"

[optimization]
learning_rate = 3e-5
"""


def parse(text: str, folder: Path = Path("/nowhere"), **options: object) -> ExperimentConfig:
    return parse_experiment(text, origin="two.toml", folder=folder, check_files=False, **options)  # type: ignore[arg-type]


def problems(text: str, *overrides: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        parse(text, overrides=overrides)
    return list(caught.value.problems)


def problem(text: str, *overrides: str) -> Problem:
    (only,) = problems(text, *overrides)
    return only


def told(read: Callable[[], ExperimentConfig]) -> list[Problem]:
    """The problems that `read` tells; nothing but our error may come out of it."""
    try:
        read()
    except ConfigError as error:
        return list(error.problems)
    return []


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    for name in ("q/train.jsonl", "q/dev.jsonl", "e.conll"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    file = tmp_path / "two.toml"
    file.write_text(GOOD)
    return file


def test_a_file_becomes_an_experiment(preset: Path) -> None:
    config = load_experiment(preset)

    assert config.name == "two"
    assert list(config.tasks) == ["question", "entity"]
    assert config.optimization.learning_rate == 3e-5
    assert config.tasks["entity"].weight == 2.0


def test_data_files_come_back_absolute(preset: Path, tmp_path: Path) -> None:
    config = load_experiment(preset)

    assert config.tasks["question"].data.train == str(tmp_path / "q/train.jsonl")


def test_a_file_under_the_data_root_goes_before_the_one_beside_the_preset(
    preset: Path, tmp_path: Path
) -> None:
    root = tmp_path / "elsewhere"
    (root / "q").mkdir(parents=True)
    (root / "q/train.jsonl").write_text("")

    data = load_experiment(preset, data_root=root).tasks["question"].data

    assert data.train == str(root / "q/train.jsonl")
    assert data.dev == str(tmp_path / "q/dev.jsonl")


def test_every_missing_file_is_told_with_its_line(preset: Path, tmp_path: Path) -> None:
    (tmp_path / "q/train.jsonl").unlink()
    (tmp_path / "e.conll").unlink()
    (tmp_path / "e.conll").mkdir()

    with pytest.raises(ConfigError) as caught:
        load_experiment(preset)

    first, second = caught.value.problems
    assert 'Task "question": the train file "q/train.jsonl" is not there' in first.what
    assert "line 7, [tasks.question.data] train" in first.where
    assert "--data-root" in first.next_step
    assert "is a folder" in second.what


def test_a_file_of_nearly_that_name_is_told_of(preset: Path, tmp_path: Path) -> None:
    (tmp_path / "q/train.jsonl").rename(tmp_path / "q/trains.jsonl")

    with pytest.raises(ConfigError, match=r'did you mean "q/trains\.jsonl"\?'):
        load_experiment(preset)


def test_nobody_without_a_dev_file_is_led_to_test(preset: Path, tmp_path: Path) -> None:
    (tmp_path / "q/dev.jsonl").rename(tmp_path / "q/test.jsonl")

    with pytest.raises(ConfigError) as caught:
        load_experiment(preset)

    assert "did you mean" not in str(caught.value)


def test_hub_data_sets_are_not_looked_for(preset: Path) -> None:
    config = load_experiment(
        preset, overrides=["tasks.question.data.dataset=trec", "tasks.question.data.train=train"]
    )

    assert config.tasks["question"].data.train == "train"


def test_a_backbone_written_as_a_path_is_relative_to_the_preset(tmp_path: Path) -> None:
    config = parse(GOOD + '[backbone]\nmodel = "./mine"\n', folder=tmp_path)

    assert config.backbone.model == str(tmp_path / "mine")


@pytest.mark.parametrize(
    ("line", "what", "where", "next_step"),
    [
        (
            "[training]\nepoch = 2",
            'Unknown key "epoch".',
            "two.toml, line 18, [training] epoch",
            'did you mean "epochs"? known: epochs, evaluations_per_epoch, ',
        ),
        (
            "epochs = 3",
            'Unknown key "epochs".',
            "two.toml, line 17, [optimization] epochs",
            '"epochs" belongs in [training]; here known: power, decay_share, cycles, ',
        ),
        (
            "[poolin]",
            'Unknown key "poolin".',
            "two.toml, line 17, poolin",
            'did you mean "pooling"?',
        ),
        (
            "[training]\nepochs = 0",
            "epochs must be at least 1, but is 0.",
            "two.toml, line 18, [training] epochs",
            "a whole number such as 3, or leave it out (Passes over",
        ),
        (
            "[training]\nepochs = true",
            "epochs must be a whole number, but is true.",
            "line 18",
            "a whole number",
        ),
        (
            '[training]\nepochs = "3"',
            'epochs must be a whole number, but is "3".',
            "line 18",
            "a whole number",
        ),
        (
            '[training]\ndevice = "gpu"',
            'device must be one of the known words, but is "gpu".',
            "[training] device",
            "cuda:0",
        ),
        (
            '[training]\nlength_buckets = "yes"',
            'length_buckets must be true or false, but is "yes".',
            "[training] length_buckets",
            "true or false",
        ),
        (
            "head_learning_rate = -1.5",
            "head_learning_rate must be above 0, but is -1.5.",
            "line 17, [optimization]",
            "Highest rate of the heads",
        ),
        (
            "weight_decay = inf",
            "weight_decay must be a finite number, but is inf.",
            "line 17",
            "a number such as",
        ),
        (
            'schedule = "lineer"',
            'schedule is "lineer", which is none of the known words.',
            "line 17, [optimization] schedule",
            'did you mean "linear"? known: constant, cosine',
        ),
        (
            '[backbone]\nmodel = ""',
            'model must be some text, but is "".',
            "[backbone] model",
            "minilm",
        ),
        (
            '[showcase]\ntexts = ["a", 2]',
            "texts, entry 2, must be text in quotes, but is 2.",
            "line 18, [showcase] texts, entry 2",
            "a list such as",
        ),
        (
            '[showcase]\ntexts = "a"',
            'texts must be a list, but is "a".',
            "line 18, [showcase] texts",
            "a list such as",
        ),
        (
            '[selection]\nrule = "task"',
            'selection.task and selection.rule = "task" go together.',
            "line 17, [selection]",
            "schema",
        ),
        (
            '[selection]\nrule = "task"\ntask = "qestion"',
            'selection names a task "qestion" that is not there.',
            "line 19, [selection] task",
            'did you mean "question"?',
        ),
        (
            "[selection.weights]\nnobody = 2.0",
            'selection names a task "nobody" that is not there.',
            "line 18, [selection.weights] nobody",
            "known: entity, question",
        ),
        (
            "[tasks.third]\nweight = 1.0",
            'Task "third" has no kind.',
            "line 17, [tasks.third]",
            'add kind = "classification", or ',
        ),
        (
            '[tasks.third]\nkind = "taging"',
            'Task "third": kind is "taging", which is no kind of task.',
            "line 17, [tasks.third]",
            'did you mean "tagging"?',
        ),
        (
            '[tasks.third]\nkind = "tagging"\ndata = {train = "x", label = "y"}',
            'Task "third": unknown key "label".',
            "line 19, [tasks.third.data] label",
            '"label" belongs to a task of kind classification',
        ),
        (
            '[tasks.third]\nkind = "tagging"',
            'Task "third" has no section [tasks.third.data].',
            "line 17, [tasks.third.data]",
            "train",
        ),
        (
            '[tasks.third]\nkind = "tagging"\ndata.dev = "x"',
            'Task "third": train is missing.',
            "[tasks.third.data] train",
            "add train = … (Training file",
        ),
        (
            "[tasks]\nthird = 3",
            'Task "third" must be a section, but is 3.',
            "two.toml, line 18, [tasks.third]",
            "kind, data",
        ),
        (
            '[tasks."3rd"]\nkind = "tagging"\ndata.train = "x"',
            '"3rd" is no task name',
            "[tasks]",
            "",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words_with_its_place(
    line: str, what: str, where: str, next_step: str
) -> None:
    found = problem(GOOD + line + "\n")

    assert what in found.what
    assert where in found.where
    assert next_step in found.next_step
    assert found.next_step


def test_all_problems_are_told_together() -> None:
    found = problems(
        GOOD + "schedul = 1\n[training]\nepochs = 0\nbatch_size = 0\n[selection.weights]\nx = 1.0\n"
    )

    assert len(found) == 4


def test_a_section_that_is_a_value_is_an_error() -> None:
    found = problem("pooling = 3\n" + GOOD)

    assert found.what == "[pooling] must be a section, but is 3."
    assert "mode" in found.next_step


def test_an_experiment_without_tasks_says_how_to_add_one() -> None:
    assert problem('name = "x"').what == "There is no task."
    assert "[tasks.NAME]" in problem("[tasks]").what


def test_without_a_file_the_place_is_the_dotted_key() -> None:
    with pytest.raises(ConfigError) as caught:
        validate({"tasks": {"q": {"kind": "tagging", "data": {"train": 1}}}, "seed": -1})

    assert [p.where for p in caught.value.problems] == ["seed", "tasks.q.data.train"]


def test_broken_toml_is_told_with_its_line() -> None:
    found = problem(GOOD + "epochs =\n")

    assert "is not valid TOML" in found.what
    assert "two.toml, line 17" in found.where


@pytest.mark.parametrize("text", ["x = " + "9" * 5000, "x = " + "[" * 5000, "x = [1,"])
def test_toml_that_python_refuses_is_our_error(text: str) -> None:
    assert problem(text).next_step


def test_a_missing_file_is_not_found() -> None:
    with pytest.raises(NotFoundError, match=r"There is no file gone\.toml"):
        load_experiment("gone.toml")


def test_a_wrong_preset_name_gives_the_list() -> None:
    with pytest.raises(NotFoundError, match='There is no preset "quickstat"') as caught:
        load_experiment("quickstat")

    assert "path of a TOML file" in caught.value.next_step


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01" * 50, b"\x80name = 1"])
def test_what_is_no_text_is_our_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "garbage.toml"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_experiment(file)


def test_a_folder_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder, not an experiment"):
        load_experiment(tmp_path)


def test_odd_paths_are_our_errors() -> None:
    for path in ("\0", "x" * 5000, "a/b\0c.toml"):
        with pytest.raises((ConfigError, NotFoundError)):
            load_experiment(path)


def test_an_unreadable_file_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret.toml"
    file.touch()

    def refuse(path: Path, *args: object, **kwargs: object) -> None:
        # By hand: whoever is root may read a file of mode 0.
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match=r"cannot be read: Permission denied"):
        load_experiment(file)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "bom.toml"
    file.write_text("\ufeff" + GOOD)

    assert load_experiment(file, check_files=False).name == "two"


# --set


def test_overrides_change_settings() -> None:
    config = parse(
        GOOD,
        overrides=[
            "optimization.learning_rate=1e-4",
            "tasks.entity.weight=0.5",
            "training.device=cpu",
            "showcase.texts=['a']",
            "selection.weights.entity=3",
            "optimization.head_learning_rate=1e-3",
        ],
    )

    assert config.optimization.learning_rate == 1e-4
    assert config.optimization.head_learning_rate == 1e-3
    assert config.tasks["entity"].weight == 0.5
    assert config.training.device == "cpu"
    assert config.showcase.texts == ("a",)
    assert config.selection.weights == {"entity": 3.0}


def test_a_task_is_taken_out_where_there_is_none_yet() -> None:
    overrides = ["tasks.mood=none", "tasks.mood.kind=classification", "tasks.mood.data.train=m.csv"]

    config = parse("", overrides=overrides)

    assert list(config.tasks) == ["mood"]


def test_a_task_can_be_added_and_taken_out() -> None:
    config = parse(
        GOOD,
        overrides=[
            "tasks.entity=none",
            "tasks.mood.data.train=mood.csv",
            "tasks.mood.kind=classification",
        ],
    )

    assert list(config.tasks) == ["question", "mood"]


@pytest.mark.parametrize(
    ("override", "what", "next_step"),
    [
        ("optimization.learning_rate", "is not KEY=VALUE", "--set optimization.learning_rate=3e-5"),
        ("training.epoch=3", 'no setting "training.epoch"', 'did you mean "epochs"?'),
        ("tasks.qestion.weight=3", 'no task "qestion"', 'did you mean "question"?'),
        ("training.epochs=0", "epochs must be at least 1, but is 0", "Passes"),
        ("training.epochs=two", "is not a whole number", "such as 3"),
        ("tasks.entity.data.label=x", 'unknown key "label"', "classification"),
        ("tasks.entity.metric=macro_f1", 'metric is "macro_f1"', "span_f1"),
    ],
)
def test_a_wrong_override_is_told_with_the_option(override: str, what: str, next_step: str) -> None:
    found = problem(GOOD, override)

    assert what in found.what
    assert next_step in found.next_step
    assert found.where == f"--set {override}"


def test_overrides_and_file_are_told_together() -> None:
    found = problems(GOOD + "[training]\nepochs = 0\n", "seed=x", "nme=3")

    assert len(found) == 3


# never anything but our errors

NAMES = sorted({part for f in experiment_fields() for part in f.path.split(".")} - {"*"})
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["classification", "tagging", "mean", "x" * 200, 10**400]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(values=st.dictionaries(st.sampled_from([*NAMES, "zz"]), VALUES, max_size=6))
def test_any_values_give_an_experiment_or_our_error(values: dict[str, object]) -> None:
    assert all(p.what and p.next_step for p in told(lambda: validate(values)))


def a_task(kind: str) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        {"kind": st.just(kind), "data": VALUES | st.fixed_dictionaries({"train": VALUES})},
        optional={"weight": VALUES, "metric": VALUES, "odd": VALUES},
    )


@settings(deadline=None, max_examples=100)
@given(
    tasks=st.dictionaries(
        st.text(max_size=5), a_task("tagging") | a_task("classification") | VALUES, max_size=3
    ),
    selection=VALUES,
)
def test_any_tasks_give_an_experiment_or_our_error(
    tasks: dict[str, object], selection: object
) -> None:
    found = told(lambda: validate({"tasks": tasks, "selection": selection}))

    assert all(p.what and p.next_step for p in found)


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=60), st.lists(st.text(max_size=30), max_size=2))
def test_any_text_gives_an_experiment_or_our_error(text: str, overrides: list[str]) -> None:
    found = told(lambda: parse(text, overrides=overrides))
    found += told(lambda: parse(GOOD + text, overrides=overrides))

    assert all(p.what and p.next_step for p in found)


# to TOML and back


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(min_size=1, max_size=20).filter(str.isprintable),
    text=st.text(st.characters(codec="utf-8"), max_size=20),
    rate=st.floats(1e-9, 10.0),
    weight=st.floats(0.0, 1e6),
)
def test_an_experiment_written_and_read_is_the_same(
    name: str, text: str, rate: float, weight: float
) -> None:
    config = parse(GOOD).model_copy(update={"name": name})
    values = config.model_dump(mode="json")
    values["optimization"]["learning_rate"] = rate
    values["tasks"]["question"]["weight"] = weight
    values["tasks"]["entity"]["data"]["text"] = text
    values["showcase"]["texts"] = [text, name]
    values["selection"]["weights"] = {"entity": 2.0}
    config = validate(values)

    again = parse(to_toml(config))

    assert again == config
    assert list(again.tasks) == list(config.tasks)


def test_only_what_differs_is_written() -> None:
    text = to_toml(parse(GOOD))

    assert "[pooling]" not in text
    assert "batch_size" not in text
    assert 'kind = "tagging"' in text
