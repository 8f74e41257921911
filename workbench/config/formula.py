"""A person's own way to add up the losses: `question + 0.5 * max(entity, sentiment)`.

Read by a small parser and worked out step by step, never run as Python. It knows names of tasks,
numbers, + - * /, parentheses, and the functions in `FUNCTIONS`.

A task that has no label in an update is left out, which is more than counting it as 0:

- of a sum or difference the other side stays;
- of a product of two losses the other one stays; a number times it is left out with it;
- a quotient is left out with its upper side; without its lower side the upper one stays;
- a function takes those of its values that are there, and without any is left out.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.errors import nearest

FUNCTIONS: dict[str, tuple[int, int | None]] = {
    "min": (1, None),
    "max": (1, None),
    "mean": (1, None),
    "sqrt": (1, 1),
    "log": (1, 1),
}
"""By name, how few and how many values each takes."""
DEEPEST = 50
"""Parentheses within each other; more is a slip, and would only exhaust the stack."""

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


class FormulaError(ValueError):
    """The formula cannot be read; the message shows the place."""


@dataclass(frozen=True)
class Number:
    """A number as written."""

    value: float


@dataclass(frozen=True)
class Loss:
    """The loss of a task."""

    task: str


@dataclass(frozen=True)
class Operation:
    """Two sides and what is done with them."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Call:
    """A function and its values."""

    function: str
    values: tuple[Node, ...]


Node = Number | Loss | Operation | Call


def parse_formula(text: str, tasks: Collection[str]) -> Node:
    """Read a formula.

    Args:
        text: As typed.
        tasks: The names that it may use. A name may have a minus in it: the longest that fits
            is meant.

    Raises:
        FormulaError: It cannot be read; says where and why.
    """
    return _Parser(text, tasks).parse()


def tasks_of(node: Node) -> Iterator[str]:
    """The tasks that a formula uses, each as often as it stands there."""
    if isinstance(node, Loss):
        yield node.task
    elif isinstance(node, Operation):
        yield from tasks_of(node.left)
        yield from tasks_of(node.right)
    elif isinstance(node, Call):
        for value in node.values:
            yield from tasks_of(value)


def work_out(
    node: Node,
    losses: Mapping[str, Any],
    functions: Mapping[str, Callable[[Sequence[Any]], Any]],
) -> Any:
    """The value of a formula; None if nothing that it uses is there.

    Args:
        node: The formula.
        losses: By task, for the tasks that are there: anything that can be added and multiplied.
        functions: What each of `FUNCTIONS` does to a list of values.
    """
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Loss):
        return losses.get(node.task)
    if isinstance(node, Call):
        values = [work_out(value, losses, functions) for value in node.values]
        there = [value for value in values if value is not None]
        return functions[node.function](there) if there else None
    left, right = (work_out(side, losses, functions) for side in (node.left, node.right))
    if left is not None and right is not None:
        return _OPERATORS[node.sign](left, right)
    if left is None and right is None:
        return None
    if node.sign in "+-":
        return left if right is None else (right if node.sign == "+" else -right)
    if right is None:
        return None if node.sign == "*" and _is_constant(node.left) else left
    return None if node.sign == "/" or _is_constant(node.right) else right


def _is_constant(node: Node) -> bool:
    return next(tasks_of(node), None) is None


class _Parser:
    """Reads from left to right; one method for each rank of operators."""

    def __init__(self, text: str, tasks: Collection[str]) -> None:
        self._text, self._at, self._depth = text, 0, 0
        self._tasks = sorted(tasks, key=len, reverse=True)

    def parse(self) -> Node:
        if not self._text.strip():
            raise FormulaError("the formula is empty")
        node = self._sum()
        if self._next():
            raise self._error("an operator is missing before this, or a parenthesis is too many")
        if _is_constant(node):
            raise FormulaError("the formula names no task, so nothing would be learned")
        return node

    def _sum(self) -> Node:
        node = self._product()
        while (sign := self._next()) in ("+", "-") and sign:
            self._at += 1
            node = Operation(sign, node, self._product())
        return node

    def _product(self) -> Node:
        node = self._factor()
        while (sign := self._next()) in ("*", "/") and sign:
            self._at += 1
            node = Operation(sign, node, self._factor())
        return node

    def _factor(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"more than {DEEPEST} things within each other")
        try:
            character = self._next()
            if character in ("-", "+") and character:
                self._at += 1
                inner = self._factor()
                return Operation("*", Number(-1.0), inner) if character == "-" else inner
            if character == "(":
                self._at += 1
                node = self._sum()
                self._expect(")")
                return node
            return self._number() or self._call() or self._loss()
        finally:
            self._depth -= 1

    def _number(self) -> Node | None:
        match = _NUMBER.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return Number(float(match[0]))

    def _call(self) -> Node | None:
        match = _WORD.match(self._text, self._at)
        if match is None or not self._text[match.end() :].lstrip().startswith("("):
            return None
        name = match[0]
        if name not in FUNCTIONS:
            raise self._error(f'there is no function "{name}"; {nearest(name, FUNCTIONS)}')
        begin, self._at = self._at, match.end()
        self._expect("(")
        values = [self._sum()]
        while self._next() == ",":
            self._at += 1
            values.append(self._sum())
        self._expect(")")
        most = FUNCTIONS[name][1]
        if most is not None and len(values) > most:
            self._at = begin
            raise self._error(f"{name} takes one value, not {len(values)}")
        return Call(name, tuple(values))

    def _loss(self) -> Node:
        for task in self._tasks:
            end = self._at + len(task)
            follows = self._text[end : end + 1]
            if self._text.startswith(task, self._at) and not (follows.isalnum() or follows == "_"):
                self._at = end
                return Loss(task)
        match = _WORD.match(self._text, self._at)
        if match is not None:
            raise self._error(f'there is no task "{match[0]}"; {nearest(match[0], self._tasks)}')
        wanted = "a task, a number or a parenthesis is missing"
        raise self._error(f"{wanted} here" if self._next() else f"{wanted} at the end")

    def _next(self) -> str:
        """The next character that is no space, which becomes the current one; empty at the end."""
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._text[self._at : self._at + 1]

    def _expect(self, character: str) -> None:
        if self._next() != character:
            raise self._error(f'"{character}" is missing here')
        self._at += 1

    def _error(self, why: str) -> FormulaError:
        before, after = self._text[: self._at], self._text[self._at :]
        return FormulaError(f'at character {self._at + 1} of "{before}▸{after}": {why}')
