"""The errors that a person may meet, each with what happened, where, and what to do next.

    WorkbenchError
      ConfigError       an experiment or a preset is not valid (all problems together)
      DataError         a data file or a data set cannot be used as it is
      CheckpointError   a checkpoint or an export is missing, damaged or does not fit
      StoreError        the database cannot be opened or is newer than this program
      WorkerError       the worker could not be started, or the run failed
      NotFoundError     no run, preset or checkpoint of that name

Front ends lay the three parts out; nobody parses the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and what mends it."""

    what: str
    """What happened, as a sentence with the values in it."""
    where: str = ""
    """File, line, section or key."""
    next_step: str = ""
    """What the reader can do about it."""
    setting: str = ""
    """Dotted key of the setting that is to be changed, where that is known: for a form."""

    def lines(self) -> list[str]:
        """The problem as text: one line, then `where` and `next` indented beneath it."""
        lines = [self.what]
        if self.where:
            lines.append(f"  where  {self.where}")
        if self.next_step:
            lines.append(f"  next   {self.next_step}")
        return lines


class WorkbenchError(Exception):
    """Base of the family: carries one or several problems."""

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        next_step: str = "",
        setting: str = "",
        problems: Sequence[Problem] = (),
    ) -> None:
        only = Problem(what, where, next_step, setting)
        self.problems: tuple[Problem, ...] = tuple(problems) or (only,)
        super().__init__(what)

    @property
    def what(self) -> str:
        """The first problem's sentence."""
        return self.problems[0].what

    @property
    def where(self) -> str:
        """The first problem's place."""
        return self.problems[0].where

    @property
    def next_step(self) -> str:
        """What to do about the first problem."""
        return self.problems[0].next_step

    def __str__(self) -> str:
        return "\n".join(line for problem in self.problems for line in problem.lines())


class ConfigError(WorkbenchError):
    """An experiment cannot be run as it is written; every problem of it is in `problems`."""

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> ConfigError:
        """One error that carries all `problems`."""
        return cls(problems[0].what, problems=problems)


class DataError(WorkbenchError):
    """A data file or data set cannot be used as it is."""


class CheckpointError(WorkbenchError):
    """A checkpoint or an export is missing, damaged, or does not fit what is asked of it."""


class StoreError(WorkbenchError):
    """The database cannot be opened, or its schema is newer than this program."""


class WorkerError(WorkbenchError):
    """The worker process could not be started, or its run failed."""


class NotFoundError(WorkbenchError):
    """Nothing goes by that name."""


LONGEST_ADVICE = 200
"""Characters: two lines of a terminal, or four of a narrow pane. Of longer lists nobody reads."""


def nearest(wrong: str, known: Iterable[str], *, see: str = "") -> str:
    """Advice for a wrong name: the nearest right one, and the list of them all.

    Args:
        wrong: The name.
        known: The right ones.
        see: Where all of them are told, for a list that is too long to be told here.

    Returns:
        `did you mean "x"? known: x, y, z`, or only the list if nothing is near. Of a long list the
        nearest names and how many there are beside.
    """
    names = sorted(known)
    if not names:
        return "there are none"
    close = get_close_matches(wrong, names, n=1, cutoff=0.6)
    advice = f'did you mean "{close[0]}"? known: ' if close else "known: "
    if len(advice) + len(", ".join(names)) > LONGEST_ADVICE:
        matcher = SequenceMatcher(b=wrong[:LONGEST_ADVICE])  # b is what it prepares once for all

        def likeness(name: str) -> float:
            matcher.set_seq1(name)
            return matcher.ratio()

        names.sort(key=likeness, reverse=True)
    return advice + listed(names, LONGEST_ADVICE - len(advice), see=see)


def listed(names: Sequence[str], room: int = LONGEST_ADVICE, *, see: str = "") -> str:
    """The names, or as many of the first as there is room for, and how many more there are.

    Args:
        names: At least one.
        room: Characters; one name is told in any case.
        see: Where all of them are told.
    """
    whole = ", ".join(names)
    if len(whole) <= room:
        return whole
    more = f" and {len(names)} more" + (f" ({see})" if see else "")
    told = list(names[:1])
    for name in names[1:]:
        if len(", ".join([*told, name])) + len(more) > room:
            break
        told.append(name)
    left = len(names) - len(told)
    return ", ".join(told) + (more.replace(f"{len(names)}", f"{left}", 1) if left else "")
