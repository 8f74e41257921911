"""No code under the GPL comes in with what this program needs, whatever extra is chosen.

Walks the installed distributions from the project's own requirements; only the developers' tools
are left out, which nobody gets who installs the program.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
ALLOWED = {
    # The LGPL lets a program of any licence use it as a library that a person may exchange,
    # which a package that pip installs is. It is only there with the extra `postgresql`.
    "psycopg": "LGPL",
    "psycopg-binary": "LGPL",
}
COPYLEFT = re.compile(r"\b(A|L)?GPL|GNU\s+(\w+\s+)*General\s+Public", re.IGNORECASE)
GNU_BESIDE_ANOTHER = re.compile(r"\bOR\b")
"""A package under a choice of licences is taken under the other one."""


def licence(found: Distribution) -> list[str]:
    """What a distribution says of its licence: the expression, the classifiers, the short field."""
    metadata = found.metadata
    expression = metadata.get("License-Expression")
    if expression:
        return [expression]
    said = [
        line.removeprefix("License ::")
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License ::")
    ]
    short = metadata.get("License") or ""
    # Some put the whole text there; its first line names it.
    return said or [short.strip().split("\n")[0]]


def is_copyleft(said: list[str]) -> bool:
    if any(GNU_BESIDE_ANOTHER.search(text) for text in said):
        return all(
            COPYLEFT.search(choice) for text in said for choice in GNU_BESIDE_ANOTHER.split(text)
        )
    return any(COPYLEFT.search(text) for text in said)


def requirements() -> Iterator[Requirement]:
    yield from map(Requirement, PROJECT["dependencies"])
    for extra, wanted in PROJECT["optional-dependencies"].items():
        if extra != "dev":
            yield from map(Requirement, wanted)


def installed_tree() -> dict[str, Distribution]:
    """Every installed distribution that the program can bring in, by name."""
    found: dict[str, Distribution] = {}
    waiting = [(requirement, frozenset({""})) for requirement in requirements()]
    seen = set()
    while waiting:
        requirement, extras = waiting.pop()
        wanted = any(
            requirement.marker is None or requirement.marker.evaluate({"extra": extra})
            for extra in extras
        )
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if not wanted or key in seen:
            continue
        seen.add(key)
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # an extra that is not installed here
        inner = frozenset({"", *requirement.extras})
        waiting += [(Requirement(text), inner) for text in found[name].requires or []]
    return found


def test_nothing_that_is_installed_with_the_program_is_under_the_gpl() -> None:
    tree = installed_tree()

    said = {name: licence(found) for name, found in tree.items()}

    assert {"torch", "torchjd", "scipy", "transformers", "numpy"} <= tree.keys()
    assert [name for name, texts in said.items() if is_copyleft(texts)] == [
        name for name in said if name in ALLOWED
    ]
    assert all(
        "LGPL" in str(said[name]) or "Lesser" in str(said[name]) for name in ALLOWED & said.keys()
    )
    assert "quadprog" not in tree
    assert "qpsolvers" not in tree


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["GPL-3.0-or-later"], True),
        (["LGPL-3.0-only"], True),
        (["OSI Approved :: GNU General Public License v2 (GPLv2)"], True),
        (["OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"], True),
        (["MIT OR GPL-2.0"], False),
        (["AGPL-3.0"], True),
        (["Apache-2.0"], False),
        (["BSD-3-Clause AND MIT"], False),
    ],
)
def test_a_licence_is_recognised(said: list[str], expected: bool) -> None:
    assert is_copyleft(said) is expected
