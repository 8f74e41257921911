"""Which presets there are, and what a form can be filled with: read in threads."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from textual.widget import Widget

from workbench.config.experiment import ExperimentConfig
from workbench.config.presets import PresetInfo, list_presets
from workbench.store.records import RunRecord
from workbench.tui.form import clone_draft, load_draft
from workbench.tui.messages import DraftLoaded, PresetsRead, WorkFailed
from workbench.tui.screens.live import problems_of


class PresetShelf:
    """Belongs to one widget, which gets its messages; its methods are for the widget's thread."""

    def __init__(self, host: Widget, folder: Path) -> None:
        """With nothing on it until the widget has got what `look` posts.

        Args:
            host: The widget.
            folder: Where the database is: own presets are beside it.
        """
        self._host = host
        self._folder = folder
        self._presets: tuple[PresetInfo, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the presets, as last read."""
        return [preset.name for preset in self._presets]

    def find(self, name: str) -> PresetInfo | None:
        """The preset of this name, if it was there when last read."""
        return next((one for one in self._presets if one.name == name), None)

    def file_for(self, config: ExperimentConfig, source: str) -> str:
        """Where an experiment may be saved: the file that it came from, else one beside others."""
        if source.endswith(".toml"):
            return source
        stem = re.sub(r"[^\w-]+", "-", config.name).strip("-") or "experiment"
        return shown_path(self._folder / "presets" / f"{stem}.toml")

    # ── reading ───────────────────────────────────────────────────────────────

    def look(self) -> None:
        """List the presets, in a thread."""
        folder = self._folder

        def work() -> None:
            try:
                presets = (*list_presets(), *own_presets(folder))
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self._host.post_message(WorkFailed("reading the presets", problems_of(error)))
                return
            self._host.post_message(PresetsRead(presets))

        self._host.run_worker(work, group="presets", thread=True, exclusive=True,
                              exit_on_error=False)  # fmt: skip

    def take(self, message: PresetsRead) -> None:
        """Keep what was found."""
        self._presets = message.presets

    def load(self, source: str) -> None:
        """Read a preset, in a thread."""

        def work() -> None:
            try:
                draft = load_draft(source)
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self._host.post_message(
                    WorkFailed(f'reading the preset "{source}"', problems_of(error))
                )
                return
            self._host.post_message(DraftLoaded(draft))

        self._host.run_worker(work, group="load", thread=True, exclusive=True, exit_on_error=False)

    def load_settings_of(self, record: RunRecord) -> None:
        """The settings of a run, in a thread; of this and `load` only the last comes."""

        def work() -> None:
            draft = clone_draft(record.config, record.source)
            self._host.post_message(DraftLoaded(draft))

        self._host.run_worker(work, group="load", thread=True, exclusive=True, exit_on_error=False)


def own_presets(folder: Path) -> list[PresetInfo]:
    """Presets beside the database and in the current folder, named by their paths."""
    shipped = {preset.path.resolve() for preset in list_presets()}
    found: dict[Path, PresetInfo] = {}
    for place in (folder / "presets", Path.cwd() / "presets", Path.cwd()):
        for preset in list_presets(place):
            file = preset.path.resolve()
            if file not in shipped and _looks_like_a_preset(file):
                found.setdefault(file, replace(preset, name=shown_path(file)))
    return list(found.values())


def _looks_like_a_preset(file: Path) -> bool:
    """Whether it speaks of tasks: a project has other TOML files, too."""
    try:
        return bool(re.search(r"^\[tasks\.", file.read_text(encoding="utf-8"), re.MULTILINE))
    except (OSError, UnicodeDecodeError):
        return False


def shown_path(path: Path) -> str:
    """A path from the current folder if it is below it, else as it is."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
