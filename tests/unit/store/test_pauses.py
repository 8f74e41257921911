"""Pauses out of what a run did on request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from workbench.store.pauses import paused_seconds, pauses_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def test_a_pause_lasts_until_the_run_goes_on_or_stops_or_now() -> None:
    told = [(at(1), "pause"), (at(2), "pause"), (at(4), "resume"), (at(6), "pause")]

    assert paused_seconds(pauses_of(told), START, at(10)) == 60 * (3 + 4)
    assert paused_seconds(pauses_of([*told, (at(7), "stop")]), START, at(10)) == 60 * (3 + 1)


def test_a_pause_that_a_process_died_in_hides_none_of_the_next() -> None:
    told = [(at(0), "pause"), (at(5), "RunResumed"), (at(10), "pause"), (at(20), "resume")]

    assert paused_seconds(pauses_of(told), at(5), at(30)) == 60 * 10
