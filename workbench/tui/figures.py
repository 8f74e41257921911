"""How numbers are written on the screens: short, of steady width, with their unit."""

from __future__ import annotations

import math
from datetime import UTC, datetime

NOTHING = "–"
"""Stands where there is no value yet."""


def duration(seconds: float | None) -> str:
    """Seconds as `42s`, `3m12s`, `1h05m` or `2d04h`; a dash for None."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def metric(value: float | None) -> str:
    """A metric or a loss with three decimals; a dash for None, words for what is not finite."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return str(value)
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"


def rate(value: float) -> str:
    """A learning rate, as short as it can be written: `2e-5`, `0.01`."""
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    with_exponent = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    plain = f"{value:.3g}"
    return plain if "e" not in plain and len(plain) <= len(with_exponent) else with_exponent


def speed(value: float) -> str:
    """So many a second, of steady width: `2.1`, `  67`, `1.3k`."""
    if value < 10:
        return f"{value:.1f}"
    return f"{value:3.0f}" if value < 1000 else f"{value / 1000:.1f}k"


def size(count: int) -> str:
    """Bytes as `91 MB`, in powers of ten."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def moment(at: datetime, *, now: datetime | None = None) -> str:
    """Local time of a moment: `14:02` today, `Nov 21` this year, else `2025-11-21`."""
    local = at.astimezone() if at.tzinfo else at.replace(tzinfo=UTC).astimezone()
    today = (now or datetime.now(UTC)).astimezone()
    if local.date() == today.date():
        return f"{local:%H:%M}"
    return f"{local:%b %d}" if local.year == today.year else f"{local:%Y-%m-%d}"


def share(done: int, total: int) -> float:
    """Part of `total` that is done, 0 to 1; 0 while the total is not known."""
    return min(1.0, max(0.0, done / total)) if total > 0 else 0.0


def percent(part: float) -> str:
    """A share as `62%`; 100% only when all is done."""
    return f"{math.floor(part * 100 + 1e-9)}%"


def progress_bar(part: float, width: int) -> tuple[str, str]:
    """A bar of `width` cells as its done and its open part, in half cells."""
    halves = round(part * width * 2)
    done = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return done, "─" * (width - len(done))
