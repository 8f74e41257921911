"""An input that knows what it may be completed to, and offers it while one types."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from textual.suggester import Suggester
from textual.widgets import Input

Find = Callable[[], Sequence[str]]
"""Finds what a text may become; reads folders, so it is called in a thread."""
Complete = Callable[[str], Find]
"""From what is typed to the way to find what it may become, which closes over plain values."""


class CompletingInput(Input):
    """Shows the first completion behind the cursor (right takes it) and tells all of them."""

    def __init__(
        self, complete: Complete, told: Callable[[Sequence[str]], None], placeholder: str
    ) -> None:
        """Make an empty field.

        Args:
            complete: Finds the candidates.
            told: Called with them, while the field is in focus.
            placeholder: What the empty field says.
        """
        super().__init__(placeholder=placeholder, compact=True)
        self.suggester = _CandidateSuggester(self)
        self._complete, self._told = complete, told

    def on_focus(self) -> None:
        """Say at once what there is to choose from."""
        self.run_worker(self.offer(self.value), group="complete", exclusive=True)

    async def offer(self, typed: str) -> str | None:
        """Find the candidates, tell them, and give the first."""
        if not self.has_focus:
            return None
        found = await asyncio.to_thread(self._complete(typed))
        if not self.has_focus or typed != self.value:
            return None
        self._told(found)
        return found[0] if found else None


class _CandidateSuggester(Suggester):
    def __init__(self, field: CompletingInput) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._field = field

    async def get_suggestion(self, value: str) -> str | None:
        return await self._field.offer(value)
