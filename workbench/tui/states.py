"""How the state of a run looks: a glyph and a word, with a colour that only repeats them."""

from __future__ import annotations

from textual.content import Content

from workbench.worker.liveness import RunState

_LOOKS = {
    RunState.QUEUED: ("○", "$foreground 65%"),
    RunState.STARTING: ("◔", "$text-primary"),
    RunState.RUNNING: ("●", "$text-primary"),
    RunState.SILENT: ("◑", "$text-warning"),
    RunState.CRASHED: ("✗", "$text-error"),
    RunState.LOST: ("?", "$text-error"),
    RunState.STOPPED: ("■", "$text-warning"),
    RunState.WITHDRAWN: ("□", "$foreground 65%"),
    RunState.PAUSED: ("‖", "$text-warning"),
    RunState.FINISHED: ("✓", "$text-success"),
    RunState.FAILED: ("✗", "$text-error"),
}
"""Glyph and colour by state."""


def state_word(state: RunState) -> Content:
    """The state as glyph and word."""
    glyph, colour = _LOOKS[state]
    return Content.styled(f"{glyph} {state.value}", colour)


def state_colour(state: RunState) -> str:
    """Theme colour of the state."""
    return _LOOKS[state][1]
