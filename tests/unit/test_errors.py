from __future__ import annotations

from workbench.errors import LONGEST_ADVICE, listed, nearest

MANY = [f"task_{number}.{metric}" for number in range(40) for metric in ("accuracy", "loss")]


def test_a_short_list_is_told_whole_and_in_order() -> None:
    assert nearest("epoch", ["warmup", "epochs"]) == 'did you mean "epochs"? known: epochs, warmup'
    assert nearest("x", ["warmup", "epochs"]) == "known: epochs, warmup"
    assert nearest("x", []) == "there are none"


def test_of_a_long_list_the_nearest_are_told_and_where_all_of_them_are() -> None:
    advice = nearest("task_17.acuracy", MANY, see="`mtl-workbench schema` lists every setting")

    assert advice.startswith('did you mean "task_17.accuracy"? known: task_17.accuracy, ')
    told = advice.partition("known: ")[2].partition(" and ")[0].split(", ")
    assert all(name.endswith("accuracy") for name in told)
    left = len(MANY) - len(told)
    assert advice.endswith(f" and {left} more (`mtl-workbench schema` lists every setting)")
    assert len(advice) <= LONGEST_ADVICE


def test_one_name_is_told_however_long() -> None:
    assert listed(["x" * 300, "y"]) == "x" * 300 + " and 1 more"
