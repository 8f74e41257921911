"""What all parts of a configuration have in common: frozen, and deaf to unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A part of an experiment. Frozen; an unknown key is an error, never ignored.

    Strict: `epochs = true` or `epochs = "3"` is an error, not a silent 1 or 3.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True, strict=True
    )
