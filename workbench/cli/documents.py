"""What `--json` prints. The keys are an API: they are added to, never renamed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from workbench.control import in_words, kind_of

if TYPE_CHECKING:
    from workbench.operations.folding import Fold
    from workbench.operations.reading import RunSummary
    from workbench.operations.workspace import Workspace


def run_document(run: RunSummary) -> dict[str, Any]:
    """One run of `runs --json`."""
    return {
        "id": run.record.id,
        "name": run.record.name,
        "state": run.state,
        "why": run.why,
        "queue_place": run.queue_place,
        "source": run.record.source,
        "parent": parent_document(run),
        "unreadable": run.record.unreadable,
        "created_at": run.record.created_at,
        "tasks": run.tasks,
        "phase": run.phase,
        "step": run.step,
        "total_steps": run.total_steps,
        "best_step": run.best_step,
        "selection": run.selection,
        "metrics": in_order(run.metrics, run.tasks),
        "seconds": run.seconds,
        "seconds_paused": run.paused_seconds,
        "eta_seconds": run.eta_seconds,
        "texts_per_second": run.texts_per_second,
        "starred": run.keeping.starred,
        "tags": run.keeping.tags,
        "note": run.keeping.note,
        "archived": run.keeping.archived_at is not None,
        "deleted": run.keeping.deleted_at is not None,
        "config": run.record.config,
        "error": error_document(run),
    }


def fold_document(fold: Fold) -> dict[str, Any]:
    """One configuration of `runs --fold-seeds --json`."""
    return {
        "runs": [run.record.id for run in fold.runs],
        "name": fold.mean.record.name,
        "seeds": [run.record.config.seed for run in fold.runs],
        "selection": {"mean": fold.mean.selection, "deviation": fold.selection_spread},
        "metrics": {
            task: {
                metric: {"mean": value, "deviation": fold.spread.get(task, {}).get(metric)}
                for metric, value in metrics.items()
            }
            for task, metrics in in_order(fold.mean.metrics, fold.mean.tasks).items()
        },
    }


def in_order(
    metrics: Mapping[str, Mapping[str, float]], tasks: Iterable[str]
) -> dict[str, dict[str, float]]:
    """Metrics with the tasks in the order of the experiment, and each task's loss last."""
    names = [*(task for task in tasks if task in metrics), *metrics]
    return {
        task: dict(sorted(metrics[task].items(), key=lambda pair: pair[0] == "loss"))
        for task in dict.fromkeys(names)
    }


def error_document(run: RunSummary) -> dict[str, str] | None:
    """Why a run failed, or None: what, where, next_step, traceback."""
    if run.exit is None or run.exit.outcome != "failed":
        return None
    exit = run.exit
    return {
        "what": exit.what,
        "where": exit.where,
        "next_step": exit.next_step,
        "traceback": exit.traceback,
    }


def parent_document(run: RunSummary) -> dict[str, Any] | None:
    """The run that it was forked from, or None: id, step."""
    if run.record.parent_id is None:
        return None
    return {"id": run.record.parent_id, "step": run.record.parent_step}


def show_document(workspace: Workspace, run: RunSummary) -> dict[str, Any]:
    """The whole of `show --json`."""
    from workbench.operations.artefacts import thresholds  # numpy, SQLAlchemy

    store, run_id = workspace.store, run.record.id
    started, finished = store.started(run_id), store.finished(run_id)
    facts, steps = store.facts(run_id), store.steps(run_id)
    mixed = store.layers_mixed(run_id)
    return {
        "id": run_id,
        "name": run.record.name,
        "state": run.state,
        "why": run.why,
        "config": run.record.config,
        "source": run.record.source,
        "parent": parent_document(run),
        "unreadable": run.record.unreadable,
        "step": run.step,
        "total_steps": run.total_steps,
        "best_step": run.best_step,
        "selection": run.selection,
        "tasks": started.tasks if started else [],
        "device": started.device if started else None,
        "precision": started.precision if started else None,
        "parameters": {
            "trainable": started.trainable_parameters if started else None,
            "total": started.total_parameters if started else None,
        },
        "parameter_groups": started.groups if started else [],
        "layer_shares": mixed.shares if mixed else {},
        "metrics": in_order(run.metrics, run.tasks),
        "thresholds": thresholds(workspace, run_id),
        "evaluations": evaluations(workspace, run),
        "checkpoints": [
            replace(checkpoint, metrics=in_order(checkpoint.metrics, run.tasks))
            for checkpoint in store.checkpoints(run_id)
        ],
        "exports": store.exports(run_id),
        "timings": {
            "created_at": run.record.created_at,
            "started_at": facts.claimed_at,
            "ended_at": facts.exit.at if facts.exit else None,
            "seconds": run.seconds,
            "seconds_paused": run.paused_seconds,
            "seconds_in_steps": float((steps.seconds * steps.updates).sum()),
            "texts_per_second": run.texts_per_second,
        },
        "frozen_checksum": {
            "start": started.frozen_checksum if started else None,
            "end": finished.frozen_checksum if finished else None,
        },
        "features": features(workspace, run_id),
        "requests": requests(workspace, run_id),
        "warnings": warnings(workspace, run_id),
        "error": error_document(run),
        "next_step": run.exit.next_step if run.exit else "",
    }


def evaluations(workspace: Workspace, run: RunSummary) -> list[dict[str, Any]]:
    """Each evaluation of a split: step, split, selection and metrics by task, in order."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for key, curve in workspace.store.curves(run.record.id).items():
        if key.split in ("train", "run"):
            continue
        for step, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True):
            entry = found.setdefault(
                (step, key.split),
                {
                    "step": step,
                    "split": key.split,
                    "selection": None,
                    "metrics": defaultdict(dict),
                },
            )
            if key.task:
                entry["metrics"][key.task][key.metric] = value
            else:
                entry[key.metric] = value
    for entry in found.values():
        entry["metrics"] = in_order(entry["metrics"], run.tasks)
    return [found[key] for key in sorted(found)]


def features(workspace: Workspace, run_id: str) -> list[dict[str, Any]]:
    """The features that the run had at hand: part, texts, found, bytes, place, seconds."""
    messages = workspace.store.messages(run_id)
    return [dict(message.body) for message in messages if message.kind == "FeaturesReady"]


def requests(workspace: Workspace, run_id: str) -> list[dict[str, Any]]:
    """What was asked of the run and done: step (the last before it), kind, words, values."""
    from workbench.operations.reading import requests_obeyed  # SQLAlchemy

    return [
        {
            "step": step,
            "kind": kind_of(request),
            "words": in_words(request),
            "values": asdict(request),
        }
        for step, request in requests_obeyed(workspace, run_id)
    ]


def warnings(workspace: Workspace, run_id: str) -> list[str]:
    """What the run warned of, in order."""
    messages = workspace.store.messages(run_id)
    return [str(message.body["message"]) for message in messages if message.kind == "Warned"]
