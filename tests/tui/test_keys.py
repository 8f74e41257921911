"""Keys have names, and a person may choose others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from workbench.cli.app import main
from workbench.operations.workspace import Workspace
from workbench.tui.app import WorkbenchApp
from workbench.tui.keys import all_keys
from workbench.tui.preferences import Preferences, save_preferences
from workbench.tui.screens.new_experiment import NewExperimentScreen

Text = Callable[[Pilot[None]], str]


def test_every_key_has_words_and_a_name_of_its_own() -> None:
    found = all_keys({"home.new": "z,f9"})

    assert len(found) > 100
    assert [key.name for key in found if not key.words] == []
    assert Counter(key.name for key in found).most_common(1)[0][1] == 1
    assert next(key.keys for key in found if key.name == "home.new") == ("z", "f9")


async def test_a_key_that_was_chosen_takes_the_place_of_the_programs_own(
    recorded: Workspace, wait: Any, screen_text: Text
) -> None:
    save_preferences(Preferences(keys={"home.new": "z", "no.such": "y"}))
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(200, 40)) as pilot:
        await wait(pilot, lambda: app.known_runs)
        assert "z New" in screen_text(pilot)

        await pilot.press("n")
        assert not isinstance(app.screen, NewExperimentScreen)
        await pilot.press("z")
        await wait(pilot, lambda: isinstance(app.screen, NewExperimentScreen))


def test_the_command_lists_keys_and_tells_a_name_that_nobody_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_preferences(Preferences(keys={"home.new": "z", "home.nwe": "y"}))

    assert main(["keys"]) == 0
    told = capsys.readouterr()
    assert main(["keys", "--json"]) == 0
    listed = {key["name"]: key["keys"] for key in json.loads(capsys.readouterr().out)}

    assert 'There is no key of the name "home.nwe"' in told.err
    assert listed["home.new"] == ["z"]
    assert len(listed) == len(told.out.splitlines()) - 1
