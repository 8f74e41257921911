"""Changes what people add to runs, one change after the other, and takes the last ones back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from textual.widget import Widget

from workbench.operations import keeping
from workbench.operations.keeping import Change
from workbench.operations.workspace import Workspace
from workbench.store.records import Keeping
from workbench.tui.messages import RunsKept, WorkFailed
from workbench.tui.screens.live import problems_of

_UNDOS = 50
"""So many changes can be taken back, the last one first."""


class KeepingDesk:
    """Belongs to one widget, which gets its messages; its methods are for the widget's thread.

    A change is written as a whole, and what it changes has to be what the one before left: so
    each waits until those that were asked for before it are done.
    """

    def __init__(self, host: Widget, workspace: Workspace) -> None:
        self._host = host
        self._workspace = workspace
        self._changes: list[Change] = []
        self._asked: deque[tuple[str, Callable[[Workspace], Change | str] | None]] = deque()
        self._doing = ""
        self._undone: Change | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        """What can be taken back, the last one first to go."""
        return tuple(self._changes)

    @property
    def is_busy(self) -> bool:
        """Whether a change is being made."""
        return bool(self._doing)

    # ── asking ────────────────────────────────────────────────────────────────

    def do(self, doing: str, change: Callable[[Workspace], Change | str]) -> None:
        """Do something to runs when what was asked before is done.

        Args:
            doing: What, for who reads that it failed.
            change: Called in a thread, closes over frozen values only.
        """
        self._asked.append((doing, change))
        self._go_on()

    def undo(self) -> None:
        """Take the last change back, of those that will have been made by then."""
        self._asked.append(("taking back", None))
        self._go_on()

    def empty_trash(self) -> None:
        """Delete for good what is in the trash; nothing before it can be taken back then."""
        self.do("emptying the trash", _empty_trash)

    def _go_on(self) -> None:
        """Begin with what was asked first, unless something is being done."""
        if self._doing or not self._asked:
            return
        workspace = self._workspace
        doing, change = self._asked.popleft()
        if change is None:
            if not self._changes:
                self._host.notify("Nothing was changed that could be taken back.", markup=False)
                self._go_on()
                return
            self._undone = undone = self._changes.pop()

            def change(ws: Workspace) -> str:
                return keeping.undo(ws, undone)

        elif change is _empty_trash:
            self._changes.clear()  # what is gone cannot be put back
        self._doing, wanted = doing, change

        def work() -> None:
            try:
                done = wanted(workspace)
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self._host.post_message(WorkFailed(doing, problems_of(error)))
                return
            if isinstance(done, Change):
                self._host.post_message(RunsKept(done.words, done if done.count else None))
            else:
                self._host.post_message(RunsKept(done, None))

        self._host.run_worker(work, name="keep", group="keep", thread=True, exit_on_error=False)

    # ── what came of it ───────────────────────────────────────────────────────

    def kept(self, message: RunsKept) -> None:
        """Remember how a change is taken back, and go on with the next."""
        if message.change is not None:
            self._changes = [*self._changes, message.change][-_UNDOS:]
        self._end()

    def failed(self, message: WorkFailed) -> None:
        """What could not be taken back can be tried again; other work's failures are ignored."""
        if message.doing == self._doing:
            self._changes += [self._undone] if self._undone is not None else []
            self._end()

    def _end(self) -> None:
        self._doing, self._undone = "", None
        self._go_on()


# ── what depends on how things are when its turn comes ────────────────────────


def star_or_unstar(ws: Workspace, ids: tuple[str, ...]) -> Change:
    """A star for each; if all have one, for none."""
    return keeping.star(ws, ids, on=not all(one.starred for one in _keepings(ws, ids)))


def archive_or_take_back(ws: Workspace, ids: tuple[str, ...]) -> Change:
    """All into the archive; if all are there, out of it."""
    return keeping.archive(ws, ids, on=not all(one.archived_at for one in _keepings(ws, ids)))


def delete_or_restore(ws: Workspace, ids: tuple[str, ...]) -> Change:
    """Those that are not in the trash go there; if all are, all come back."""
    states = zip(ids, _keepings(ws, ids), strict=True)
    there = [run_id for run_id, one in states if one.deleted_at is None]
    return keeping.delete(ws, there) if there else keeping.restore(ws, ids)


def _keepings(ws: Workspace, ids: tuple[str, ...]) -> list[Keeping]:
    """What was added to runs, as it is now: the list may be a look behind."""
    known = ws.store.keepings()
    return [known.get(run_id, Keeping()) for run_id in ids]


def _empty_trash(ws: Workspace) -> str:
    count = keeping.empty_trash(ws)
    return f"{count} runs deleted for good." if count != 1 else "One run deleted for good."
