"""The states of stored runs: facts out of the store, a look at their processes, the judgement."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from workbench.paths import Location
from workbench.store.records import RunFacts, RunRecord
from workbench.store.run_store import RunStore
from workbench.worker.liveness import (
    LOCK_NAME,
    RunState,
    compute_state,
    process_to_see,
    see,
)

Known = tuple[RunFacts, RunState, str]
"""What is known of a run's life, the state that it amounts to, and why."""


def states(
    store: RunStore,
    location: Location,
    records: Sequence[RunRecord],
    facts: Mapping[str, RunFacts],
) -> dict[str, Known]:
    """The states of some runs, from facts that were read just now."""
    found = {record.id: _state(location, record, facts.get(record.id)) for record in records}
    # A worker may have written its end and left between the reading of the facts and the look at
    # the process: who seems crashed is asked for once more.
    doubtful = [record for record in records if found[record.id][1] is RunState.CRASHED]
    if doubtful:
        again = (
            {doubtful[0].id: store.facts(doubtful[0].id)}
            if len(doubtful) == 1
            else store.all_facts()
        )
        for record in doubtful:
            found[record.id] = _state(location, record, again.get(record.id))
    return found


def _state(location: Location, record: RunRecord, facts: RunFacts | None) -> Known:
    facts = facts or RunFacts(None, None, None, None)
    process = process_to_see(facts)
    lock = location.run_folder(record.id) / LOCK_NAME
    sighting = see(process, lock=lock) if process else None
    state, why = compute_state(
        facts,
        created_at=record.created_at,
        now=datetime.now(UTC),
        sighting=sighting,
        monotonic=time.monotonic(),
    )
    return facts, state, why
