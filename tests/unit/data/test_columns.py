"""Columns of many rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.data.columns import Repeated


class _Codes(np.ndarray[Any, Any]):
    """Codes that are not searched for one of them."""

    def __eq__(self, other: object) -> Any:
        raise AssertionError("a pass over all rows for one value")

    __hash__ = None  # type: ignore[assignment]  # as of arrays


def test_each_value_is_mapped_once_with_its_first_row_in_one_pass_over_all_rows() -> None:
    codes = np.array([4, 1, 4, 0, 1]).view(_Codes)

    mapped = Repeated(("a", "b", "c", "d", "e"), codes).map(lambda value, row: f"{value}{row}")

    assert list(mapped) == ["e0", "b1", "e0", "a3", "b1"]
    assert mapped.values == ("a3", "b1", "e0")


def test_values_are_numbered_anew_only_where_some_are_equal() -> None:
    different = Repeated(("a", "b"), np.array([1, 0, 1]))
    alike = Repeated(("a", "b", "a"), np.array([2, 1, 0]))

    assert Repeated.of(different) is different
    assert Repeated.of(alike).values == ("a", "b")
    assert list(Repeated.of(alike)) == ["a", "b", "a"]
    assert list(Repeated.of(Repeated((), np.zeros(0, np.int32)))) == []
