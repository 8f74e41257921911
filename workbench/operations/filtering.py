"""The filter language of the list of runs, and its order.

    state=finished and question.accuracy > 0.9
    (trec or wnut) and not optimization.learning_rate >= 1e-4
    name ~ "night run" and training.epochs = 3
    starred or tag=paper and not note ~ wrong

A word alone is looked for in a run's name, id, state, source, tasks and tags; words side by side
must all be there. `starred`, `archived` and `deleted` alone ask for runs that are so; those in
the archive or the trash are shown only if they are asked for. A key is one of `KEYS`, a setting
(`optimization.learning_rate`), or the metric of a task (`question.accuracy`). `~` means contains;
text is compared without regard to case.
"""

from __future__ import annotations

import math
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.config.fields import experiment_fields, field_specs
from workbench.errors import ConfigError, nearest
from workbench.worker.liveness import RunState

if TYPE_CHECKING:
    from workbench.operations.reading import RunSummary

Value = str | float | bool | tuple[str, ...] | None

KEYS: dict[str, Callable[[RunSummary], Value]] = {
    "state": lambda run: str(run.state),
    "name": lambda run: run.record.name,
    "id": lambda run: run.record.id,
    "source": lambda run: run.record.source,
    "task": lambda run: " ".join(run.tasks),
    "tag": lambda run: run.keeping.tags,
    "note": lambda run: run.keeping.note,
    "starred": lambda run: run.keeping.starred,
    "archived": lambda run: run.keeping.archived_at is not None,
    "deleted": lambda run: run.keeping.deleted_at is not None,
    "selection": lambda run: run.selection,
    "loss": lambda run: run.spark[-1] if run.spark else None,
    "step": lambda run: float(run.step),
    "best_step": lambda run: None if run.best_step is None else float(run.best_step),
    "seconds": lambda run: run.seconds,
    "started": lambda run: run.record.created_at.timestamp(),
    "eta": lambda run: run.eta_seconds,
    "speed": lambda run: run.texts_per_second,
    "progress": lambda run: run.step / run.total_steps if run.total_steps else 0.0,
}
"""What can be asked of every run, beside its settings and metrics."""

FLAGS = ("starred", "archived", "deleted")
"""Keys that are a question by themselves."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>!=|<=|>=|=|<|>|~|\(|\))|"(?P<quoted>[^"]*)"|(?P<word>[^\s()=<>!~"]+))"""
)
_ABSENT = object()
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MAX_DEPTH = 100


class UnfinishedFilter(ConfigError):
    """It ends where more has to follow: for someone who is typing no mistake yet."""


@dataclass(frozen=True)
class Filter:
    """A filter that was understood."""

    text: str
    accepts: Callable[[RunSummary], bool]
    """Whether it lets a run through."""
    keys: tuple[tuple[str, int], ...] = ()
    """The keys in it that are neither one of `KEYS` nor a setting, with their columns."""
    scopes: frozenset[str] = frozenset()
    """Of `archived` and `deleted` those that it asks for."""

    def shown(self, runs: Iterable[RunSummary]) -> list[RunSummary]:
        """The same as `apply`, without runs that are put away and not asked for.

        Raises:
            ConfigError: As for `apply`.
        """
        return self.apply(
            run
            for run in runs
            if ("archived" in self.scopes or run.keeping.archived_at is None)
            and ("deleted" in self.scopes or run.keeping.deleted_at is None)
        )

    def apply(self, runs: Iterable[RunSummary]) -> list[RunSummary]:
        """The runs that it lets through, in their order.

        Raises:
            ConfigError: A key in it is no setting, and no run has a metric of that name.
        """
        runs = list(runs)
        for key, column in self.keys:
            if runs and all(value_of(run, key) is _ABSENT for run in runs):
                raise _error(self.text, column, f'no run has "{key}"', _nearest_key(key, runs))
        return [run for run in runs if self.accepts(run)]


def parse_filter(text: str) -> Filter:
    """Read a filter; an empty one lets everything through.

    Raises:
        ConfigError: It cannot be read; says at which column, and what was expected.
    """
    return _Parser(text).parse()


def sort_runs(runs: Sequence[RunSummary], key: str) -> list[RunSummary]:
    """The runs by a key, ascending; descending if it begins with `-`. Those without it go last.

    Raises:
        ConfigError: No run has such a key.
    """
    name = key.removeprefix("-")
    having = [(value_of(run, name), run) for run in runs]
    if runs and not _is_known(name) and all(value is _ABSENT for value, _ in having):
        raise ConfigError(
            f'The runs cannot be sorted by "{name}": none has it.',
            where=f"--sort {key}",
            next_step=_nearest_key(name, runs),
        )
    there = [(value, run) for value, run in having if _is_comparable(value)]
    absent = [run for value, run in having if not _is_comparable(value)]
    there.sort(key=lambda pair: _order(pair[0]), reverse=key.startswith("-"))
    return [run for _, run in there] + absent


def value_of(run: RunSummary, key: str) -> Any:
    """What a key is in a run; a value of its own kind if the run has none of that name."""
    if key in KEYS:
        return KEYS[key](run)
    task, _, metric = key.partition(".")
    if metric in run.metrics.get(task, {}):
        return run.metrics[task][metric]
    value: Any = run.record.config
    for part in key.split("."):
        if isinstance(value, Mapping):
            value = value.get(part, _ABSENT)
        else:
            value = getattr(value, part, _ABSENT) if _has_field(value, part) else _ABSENT
        if value is _ABSENT:
            return _ABSENT
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    return " ".join(map(str, value)) if isinstance(value, tuple) else _ABSENT


def known_keys(runs: Iterable[RunSummary]) -> list[str]:
    """The keys that make sense for these runs, settings left out but for the first ones."""
    metrics = {
        f"{task}.{metric}" for run in runs for task, row in run.metrics.items() for metric in row
    }
    return sorted({*KEYS, *metrics})


# What could come next, for someone who types.


@dataclass(frozen=True)
class Completion:
    """One way to go on."""

    text: str
    """What the word under the cursor becomes."""
    start: int
    """Where that word begins; it ends at the cursor."""
    words: str
    """What it means."""

    def applied(self, typed: str, cursor: int) -> tuple[str, int]:
        """The filter with it, and where the cursor is then."""
        return typed[: self.start] + self.text + typed[cursor:], self.start + len(self.text)


def complete(
    typed: str, cursor: int, runs: Sequence[RunSummary], most: int = 8
) -> list[Completion]:
    """What the word that ends at the cursor could become.

    Args:
        typed: The filter so far.
        cursor: Number of characters before the cursor.
        runs: Whose metrics, settings and values are offered.
        most: How many are returned at most.

    Returns:
        After a comparison the values that runs have there; else keys, then the words that join.
    """
    match = _LAST_WORD.search(typed[:cursor])
    assert match is not None  # it matches the empty word, too
    word, start = match["word"], match.start("word")
    found = (
        _values(match["key"], runs) if match["sign"] else [*_keys_to_offer(runs), *_JOINING.items()]
    )
    word = word.lstrip('"').lower()
    first = [pair for pair in found if pair[0].lstrip('"').lower().startswith(word)]
    others = [pair for pair in found if word and word in pair[0].lower() and pair not in first]
    offered = [Completion(text, start, words) for text, words in [*first, *others]]
    if len(offered) == 1 and offered[0].text == typed[start:cursor]:
        return []
    return offered[:most]


_LAST_WORD = re.compile(
    r"""(?:(?P<key>[^\s()=<>!~"]+)\s*(?P<sign>!=|<=|>=|=|<|>|~)\s*)?(?P<word>"[^"]*|[^\s()=<>!~"]*)$"""
)
_JOINING = {
    "and": "both have to be so",
    "or": "one of them has to be so",
    "not": "the next must not be so",
}
_MEANINGS = {
    "state": "finished, running, failed…",
    "name": "what the run is called",
    "id": "eight letters and digits",
    "source": "the preset or file it came from",
    "task": "names of its tasks",
    "tag": "a tag that someone gave it",
    "note": "words of its note",
    "starred": "set off with a star",
    "archived": "kept out of the list",
    "deleted": "in the trash",
    "selection": "value of the selection rule at the best checkpoint",
    "step": "steps made",
    "best_step": "step of the best checkpoint",
    "seconds": "how long it was at work so far",
    "started": "seconds since 1970; for sorting",
    "eta": "seconds to go",
    "speed": "texts per second",
    "progress": "0 to 1",
}


def _keys_to_offer(runs: Sequence[RunSummary]) -> list[tuple[str, str]]:
    metrics = dict.fromkeys(
        f"{task}.{metric}"
        for run in runs[:_LOOKED_AT]
        for task, row in run.metrics.items()
        for metric in row
    )
    settings: dict[str, str] = {}
    for spec in experiment_fields():
        if not spec.path.startswith("tasks."):
            settings[spec.path] = spec.help
    return [
        *((key, _MEANINGS.get(key, "")) for key in KEYS),
        *((key, "dev metric at the best checkpoint") for key in metrics),
        *settings.items(),
    ]


def _values(key: str, runs: Sequence[RunSummary]) -> list[tuple[str, str]]:
    """The values that runs have, the commonest first; none for what is seldom the same twice."""
    if key == "state":
        counts = Counter(str(run.state) for run in runs)
        return [(str(state.value), f"{counts[str(state.value)]} runs") for state in RunState]
    found: Counter[str] = Counter()
    for run in runs[:_LOOKED_AT]:
        value = value_of(run, key)
        if isinstance(value, tuple):
            found.update(value)
        elif isinstance(value, float) and not isinstance(value, bool):
            found[f"{value:g}"] += 1
        elif value is not _ABSENT and value is not None:
            found[str(value).lower() if isinstance(value, bool) else str(value)] += 1
    return [
        (f'"{text}"' if re.search(r"[\s()=<>!~]", text) else text, f"{count} runs")
        for text, count in found.most_common(50)
        if text
    ]


_LOOKED_AT = 1000
"""So many runs are enough to know what could be typed."""


def _nearest_key(wrong: str, runs: Iterable[RunSummary]) -> str:
    advice = "`mtl-workbench show RUN` lists a run's metrics"
    return nearest(wrong, known_keys(runs), see=advice)


def _has_field(value: object, name: str) -> bool:
    return name in getattr(type(value), "model_fields", {})


def _is_known(key: str) -> bool:
    return key in KEYS or bool(field_specs(key))


def _is_comparable(value: object) -> bool:
    if value is _ABSENT or value is None or value == () or value == "":
        return False
    return not (isinstance(value, float) and math.isnan(value))


def _order(value: Any) -> tuple[int, Any]:
    if isinstance(value, tuple):
        value = " ".join(value)
    return (1, value.lower()) if isinstance(value, str) else (0, float(value))


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


Test = Callable[["RunSummary"], bool]


class _Parser:
    """Recursive descent: or, then and, then not, then a comparison, a word or parentheses."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._position = 0
        self._depth = 0
        self._keys: list[tuple[str, int]] = []
        self._scopes: set[str] = set()

    def parse(self) -> Filter:
        if not self._tokens:
            return Filter(self._text, lambda run: True)
        test = self._any()
        if (token := self._next()) is not None:
            raise self._wrong(token, "this was not expected here")
        return Filter(self._text, test, tuple(self._keys), frozenset(self._scopes))

    def _split(self) -> list[_Token]:
        tokens = []
        position = 0
        end = len(self._text.rstrip())
        while position < end:
            match = _TOKEN.match(self._text, position)
            if match is None:
                while self._text[position].isspace():
                    position += 1
                quote = self._text[position] == '"'
                raise _error(
                    self._text,
                    position + 1,
                    "a quotation that does not end" if quote else f'"{self._text[position]}"',
                    'close it with "' if quote else "compare with = != < <= > >= or ~",
                )
            kind = str(match.lastgroup)
            tokens.append(_Token(kind, match[kind], match.start(kind) + 1))
            position = match.end()
        return tokens

    def _next(self) -> _Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _take(self) -> _Token:
        token = self._next()
        if token is None:
            raise _error(
                self._text,
                len(self._text) + 1,
                "it ends where more is expected",
                "add a word, a comparison such as state=finished, or a closing parenthesis",
                kind=UnfinishedFilter,
            )
        self._position += 1
        return token

    def _is_word(self, *words: str) -> bool:
        token = self._next()
        return token is not None and token.kind == "word" and token.text.lower() in words

    def _any(self) -> Test:
        tests = [self._all()]
        while self._is_word("or"):
            self._take()
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda run: any(test(run) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while (token := self._next()) is not None:
            if self._is_word("and"):
                self._take()
            elif self._is_word("or") or (token.text == ")" and token.kind == "sign"):
                break
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda run: all(test(run) for test in tests)

    def _one(self) -> Test:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _error(self._text, 1, "it is nested too deep", "use fewer parentheses")
        try:
            return self._inner()
        finally:
            self._depth -= 1

    def _inner(self) -> Test:
        if self._is_word("not"):
            self._take()
            test = self._one()
            return lambda run: not test(run)
        token = self._take()
        if token.kind == "sign":
            if token.text != "(":
                raise self._wrong(token, "a word, a key or ( is expected here")
            test = self._any()
            closing = self._take()
            if closing.text != ")" or closing.kind != "sign":
                raise self._wrong(closing, ") is expected here")
            return test
        if token.kind == "word" and token.text.lower() in ("and", "or"):
            raise self._wrong(token, "a word, a key or ( is expected here")
        sign = self._next()
        if sign is None or sign.kind != "sign" or sign.text in "()":
            if token.kind == "word" and token.text.lower() in FLAGS:
                return self._flag(token.text.lower())
            return _contains(token.text)
        self._take()
        return self._comparison(token, sign.text)

    def _flag(self, name: str) -> Test:
        self._scopes.add(name)
        return lambda run: bool(KEYS[name](run))

    def _comparison(self, key: _Token, sign: str) -> Test:
        value = self._take()
        if value.kind == "sign":
            raise self._wrong(value, f"a value for {key.text} is expected here")
        if key.text == "state" and sign in ("=", "!="):
            self._check_state(value)
        self._scopes.update({key.text} & {*FLAGS})
        if not _is_known(key.text):
            self._keys.append((key.text, key.column))
        number = None if value.kind == "quoted" else _number(value.text)
        if sign in ("<", "<=", ">", ">=") and number is None:
            raise self._wrong(value, f"{sign} needs a number")
        return lambda run: _compare(value_of(run, key.text), sign, value.text, number)

    def _check_state(self, value: _Token) -> None:
        states = [str(state.value) for state in RunState]
        if value.text.lower() not in states:
            raise _error(
                self._text, value.column, f'"{value.text}" is no state', nearest(value.text, states)
            )

    def _wrong(self, token: _Token, why: str) -> ConfigError:
        return _error(
            self._text,
            token.column,
            f'at "{token.text}" {why}',
            "write it as state=finished and question.accuracy>0.9; text with spaces in quotes",
        )


def _error(
    text: str, column: int, why: str, next_step: str, *, kind: type[ConfigError] = ConfigError
) -> ConfigError:
    shown = text if len(text) <= 80 else text[:77] + "…"
    return kind(
        f"The filter cannot be read: {why}.",
        where=f"filter {shown}, column {column}",
        next_step=next_step,
    )


def _contains(word: str) -> Test:
    wanted = word.lower()

    def test(run: RunSummary) -> bool:
        record = run.record
        places = (
            record.name, record.id, str(run.state), record.source, *run.tasks, *run.keeping.tags
        )  # fmt: skip
        return any(wanted in place.lower() for place in places)

    return test


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _compare(value: Any, sign: str, text: str, number: float | None) -> bool:
    """Whether a run's value stands to the filter's as the sign says; a missing one only by !=."""
    if value is _ABSENT:
        return sign == "!="
    if isinstance(value, tuple):
        return _compare_any(value, sign, text)
    if sign == "~":
        return text.lower() in _as_text(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if sign in ("=", "!="):
        same = (
            value == number if is_number and number is not None else _as_text(value) == text.lower()
        )
        return same == (sign == "=")
    if not is_number or number is None:
        return False
    return _ORDERS[sign](float(value), number)


def _compare_any(values: tuple[str, ...], sign: str, text: str) -> bool:
    """Several texts: whether any of them is, or has, what was asked for."""
    wanted = text.lower()
    if sign == "~":
        return any(wanted in value.lower() for value in values)
    return (wanted in (value.lower() for value in values)) == (sign == "=")


def _as_text(value: object) -> str:
    return "none" if value is None else str(value).lower()
