from __future__ import annotations

from typing import get_args

import pytest

from workbench.control import (
    KINDS,
    Request,
    SetLogInterval,
    SetRateScale,
    SetWeight,
    from_json,
    kind_of,
    to_json,
)

WITH_VALUES = {SetWeight: ("mood", 0.5), SetRateScale: (0.1,), SetLogInterval: (10,)}


@pytest.mark.parametrize("kind", get_args(Request))
def test_every_request_survives_being_stored(kind: type[Request]) -> None:
    request = kind(*WITH_VALUES.get(kind, ()))

    assert from_json(kind_of(request), to_json(request)) == request


def test_every_request_has_a_name_of_its_own() -> None:
    assert set(KINDS.values()) == set(get_args(Request))


def test_a_request_of_another_shape_is_refused() -> None:
    with pytest.raises(TypeError):
        from_json("set weight", '{"factor": 2}')
