"""Presets found by name and described by their first lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config.presets import find_preset, list_presets
from workbench.errors import NotFoundError


def test_a_preset_is_described_by_its_first_lines(tmp_path: Path) -> None:
    (tmp_path / "second.toml").write_text('name = "x"\n# not this\n')
    (tmp_path / "first.toml").write_text("#\n# What for.\n# How long.\n\n# not this\n")

    first, second = list_presets(tmp_path)

    assert (first.name, first.summary, first.header) == (
        "first",
        "What for.",
        "\nWhat for.\nHow long.",
    )
    assert (second.name, second.summary) == ("second", "")


def test_a_wrong_name_gives_the_nearest_and_the_list(tmp_path: Path) -> None:
    (tmp_path / "quickstart.toml").touch()
    (tmp_path / "notebook.toml").touch()

    with pytest.raises(NotFoundError) as caught:
        find_preset("quickstat", tmp_path)

    assert 'did you mean "quickstart"? known: notebook, quickstart' in caught.value.next_step
