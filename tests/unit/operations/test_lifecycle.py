"""What is refused before a run has a folder or a process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tui"))

from recorded_runs import a_config, a_workspace

from workbench.errors import ConfigError
from workbench.operations import lifecycle


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "x" * 81, "half \ud800 a pair"])
def test_a_repetition_has_a_name_that_a_run_may_have(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "start_worker", lambda *_, **__: None)
    with a_workspace(tmp_path) as ws:
        run = lifecycle.add(ws, a_config())

        with pytest.raises(ConfigError, match="name"):
            lifecycle.repeat(ws, run.id, name=name)

        assert [folder.name for folder in ws.location.runs.iterdir()] == [run.id]
        again = lifecycle.repeat(ws, run.id, name="fine")
        assert ws.store.run(again.id).config == run.config.model_copy(update={"name": "fine"})
