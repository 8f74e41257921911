"""What all parts of a configuration have in common: frozen, and deaf to unknown keys.

And what a setting says of itself beside its help: when it applies at all, and what it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

Word = str | int | float | bool
Named = Literal["backbone", "file", "column", "task", "label"]
IS_SET = "*"
"""Stands for any value that says something: not unset, off, 0, empty or "none"."""


class Settings(BaseModel):
    """A part of an experiment. Frozen; an unknown key is an error, never ignored.

    Strict: `epochs = true` or `epochs = "3"` is an error, not a silent 1 or 3.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        strict=True,
        defer_build=True,
    )


def applies(
    *,
    when: Mapping[str, Sequence[Word] | Word] | None = None,
    unless: Mapping[str, Sequence[Word] | Word] | None = None,
) -> JsonDict:
    """Say when a setting applies; the form hides it otherwise.

        layers: int = Field(
            default=0, json_schema_extra=applies(when={"freezing.mode": ["lowest", "all_but_top"]})
        )

    Args:
        when: Deciding settings by path, each with the values that make this one apply; all have
            to hold. The path counts from the experiment (`freezing.mode`), that of a task's
            setting from its task (`rnn`, `data.dataset`). `IS_SET` for any value that says
            something. A deciding setting that does not apply itself makes this one not apply.
        unless: The same for what makes it not apply; one is enough.

    Returns:
        A value for `Field(json_schema_extra=…)`; so it is in the published schema, too.
    """
    said: JsonDict = {}
    for word, conditions in (("when", when), ("unless", unless)):
        if conditions:
            said[word] = {
                path: [values] if isinstance(values, Word) else list(values)
                for path, values in conditions.items()
            }
    return said


def names(what: Named) -> JsonDict:
    """Say what a text setting is the name of; the form completes it while it is typed.

        label: str = Field(default="label", json_schema_extra=names("column"))

    Args:
        what: backbone; file: a data file; column: one of the task's data files; task: another
            part of the experiment; label: one of the task's labels.

    Returns:
        A value for `Field(json_schema_extra=…)`, to be joined with that of `applies` by `|`.
    """
    return {"names": what}
