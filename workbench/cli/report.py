"""A run laid out as text: for `show`, and for what `train` says at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from workbench.cli import output
from workbench.cli.documents import in_order
from workbench.cli.predictions import in_words
from workbench.errors import WorkerError
from workbench.tui import figures

if TYPE_CHECKING:
    from workbench.events import ShowcaseComputed
    from workbench.operations.reading import RunSummary
    from workbench.operations.workspace import Workspace


def print_run(document: Mapping[str, Any], chosen: Mapping[str, Any] | None = None) -> None:
    """The document of `show`, for a person.

    Args:
        document: What `show --json` prints.
        chosen: The settings that are not left as they are by default; by default all are printed.
    """
    from workbench.operations.reading import flat_settings  # SQLAlchemy, 0.2 s

    values = output.plain(document)
    output.heading(f"{values['name']}  {values['id']}  {values['state']}")
    _pairs(
        {
            "why": values["why"],
            **_next_step(values),
            "from": values["source"] or "-",
            **_branch(values["parent"]),
            "progress": _progress(values),
            "started": _time(values["timings"]["created_at"]),
            "took": _took(values["timings"]),
            "device": " ".join(filter(None, [values["device"], values["precision"]])) or "-",
            "parameters": _parameters(values["parameters"]),
            "frozen part": _checksum(values["frozen_checksum"]),
        }
    )
    for task in values["tasks"]:
        counts = ", ".join(f"{count} {split}" for split, count in task["examples"].items())
        labels = f"{len(task['labels'])} labels, " if task["labels"] else ""
        output.line(f"  {task['task']}: {task['kind']}, {labels}{counts}")
        thresholds = values["thresholds"].get(task["task"])
        if thresholds:
            output.line(f"    labels are given from {_thresholds(thresholds)}")
    if values["parameter_groups"]:
        output.line()
        _parameter_groups(values["parameter_groups"])
    for task, shares in values["layer_shares"].items():
        mix = "  ".join(f"{layer}: {share:.2f}" for layer, share in enumerate(shares))
        output.line(f"  layers read by {task} (0 are the embeddings)  {mix}")
    _latest_evaluations(values)
    if values["checkpoints"]:
        output.line()
        print_checkpoints(values["checkpoints"])
    for export in values["exports"]:
        output.line(
            f"exported step {export['step']} as {export['format']} to {export['folder']}, "
            f"largest difference {export['largest_difference']}"
        )
    for features in values["features"]:
        output.line(features_line(features))
    for warning in values["warnings"]:
        output.line(f"warning  {warning}")
    if values["requests"]:
        output.line()
        output.heading("asked of it")
        for request in values["requests"]:
            output.line(f"  after step {request['step']}: {request['words']}")
        output.line(f"  the same at the same steps: mtl-workbench repeat {values['id']}")
    if values["error"]:
        output.line()
        output.line(f"failed  {values['error']['what']}")
        output.line(f"  where  {values['error']['where']}")
        output.line(f"  next   {values['error']['next_step']}")
    output.line()
    output.heading("settings" if chosen is None else "settings that are not the default")
    for key, value in flat_settings(values["config"] if chosen is None else chosen).items():
        output.line(f"  {key} = {value}")
    if chosen is not None:
        output.note("All settings: add --settings")


def features_line(features: Mapping[str, Any]) -> str:
    """What a run had cached of its frozen part, in a line."""
    texts, found = int(features["texts"]), int(features["found"])
    return (
        f"features of {features['part']}  {texts:,} texts, {found / max(1, texts):.0%} found in "
        f"the cache, {figures.size(int(features['bytes']))} in {features['place']}, "
        f"{float(features['seconds']):.1f} s"
    )


def print_checkpoints(checkpoints: Sequence[Mapping[str, Any]]) -> None:
    """A table of checkpoints with the metrics of each task."""
    metrics = _metric_names(checkpoint["metrics"] for checkpoint in checkpoints)
    rows = []
    for checkpoint in checkpoints:
        marks = [word for word in ("best", "last") if checkpoint[f"is_{word}"]]
        rows.append(
            [
                str(checkpoint["step"]),
                " ".join(marks),
                figures.metric(checkpoint["selection"]),
                *(
                    figures.metric(checkpoint["metrics"].get(task, {}).get(metric))
                    for task, metric in metrics
                ),
                figures.size(checkpoint["bytes"]),
                checkpoint["folder"],
            ]
        )
    names = [f"{task} {metric}" for task, metric in metrics]
    columns = ["step", "mark", "selection", *names, "size", "folder"]
    output.table(columns, rows, right=("step", "selection", "size", *names))


def print_metrics(metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Metrics as a table, one row a task."""
    names = list(dict.fromkeys(name for row in metrics.values() for name in row))
    names.sort(key=lambda name: name == "loss")
    rows = [
        [task, *(figures.metric(row.get(name)) for name in names)] for task, row in metrics.items()
    ]
    output.table(["task", *names], rows, right=names)


def print_end(workspace: Workspace, run: RunSummary) -> None:
    """The end of a run that was followed: metrics, showcase, what to do next.

    Raises:
        WorkerError: The run failed; carries why.
    """
    state, run_id = str(run.state), run.record.id
    if state not in ("finished", "stopped", "paused", "withdrawn"):
        raise failure(workspace, run)
    if state == "withdrawn":
        output.note(f"\nRun {run_id} ({run.record.name}) never began. {run.why}")
        output.note(f"  next   {run.exit.next_step}" if run.exit and run.exit.next_step else "")
        return
    at = f" at step {run.best_step}" if run.best_step is not None else ""
    if run.metrics:
        output.line()
        output.heading(f"dev metrics of the best checkpoint{at}")
        print_metrics(in_order(run.metrics, run.tasks))
    showcase = workspace.store.showcase(run_id)
    if showcase is not None:
        print_showcase(showcase)
    took = figures.duration(run.seconds)
    output.note(f"\nRun {run_id} ({run.record.name}) {state} after {took}. Next:")
    tasks = run.record.config.tasks.values()
    reads_pairs = all(getattr(task.data, "text_b", None) for task in tasks)
    texts = '--pairs "A sentence." "Another."' if reads_pairs else '"A sentence of yours."'
    commands = [
        f"show {run_id}",
        f"compare {run_id} OTHER_RUN",
        f"export {run_id} --checkpoint best --format sentence-transformers --to FOLDER",
        f"predict {run_id} {texts}",
        "               (alone: the interface)",
    ]
    for command in commands:
        output.note(f"  mtl-workbench {command}".rstrip())


def failure(workspace: Workspace, run: RunSummary) -> WorkerError:
    """The error that a failed, crashed or lost run ended with."""
    from workbench.operations.reading import run_log_file  # SQLAlchemy, 0.2 s

    log = run_log_file(workspace, run.record.id)
    exit = run.exit
    if exit is not None and exit.what:
        return WorkerError(exit.what, where=exit.where or str(log), next_step=exit.next_step)
    return WorkerError(
        f"Run {run.record.id} {run.state}: {run.why}",
        where=str(log),
        next_step="read the end of that log; what was saved is in "
        f"`mtl-workbench checkpoints {run.record.id}`",
    )


def print_showcase(showcase: ShowcaseComputed) -> None:
    """The texts of `[showcase]` with their vectors, scores and entities."""
    output.line()
    output.heading("showcase")
    for index, text in enumerate(showcase.texts):
        output.line(text)
        if index < len(showcase.vectors):
            output.line(f"  vector  {short_vector(showcase.vectors[index])}")
        for task, rows in showcase.logits.items():
            scores = dict(zip(showcase.labels.get(task, ()), rows[index], strict=False))
            best = max(scores, key=lambda label: scores[label], default="")
            listed = "  ".join(f"{label} {value:+.3f}" for label, value in scores.items())
            output.line(f"  {task}  {best}  [{listed}]")
        for task, found in showcase.entities.items():
            pairs = ", ".join(f"{surface} ({kind})" for surface, kind in found[index])
            output.line(f"  {task}  {pairs or 'nothing found'}")
        for task, answers in showcase.answers.items():
            output.line(f"  {task}  {in_words(answers[index])}")


def short_vector(vector: Sequence[float]) -> str:
    """First and last values of a vector, as a tensor is printed."""
    numbers = [f"{value:+.4f}" for value in vector]
    if len(numbers) > 8:
        numbers = [*numbers[:3], "...", *numbers[-3:]]
    return f"[{', '.join(numbers)}] ({len(vector)} values)"


def _thresholds(values: Mapping[str, float]) -> str:
    """`0.3`, or each label with its own."""
    if len(set(values.values())) == 1:
        return f"probability {next(iter(values.values())):.3g} on"
    listed = ", ".join(f"{label} {value:.3g}" for label, value in values.items())
    return f"these probabilities on: {listed}"


def _pairs(values: Mapping[str, str]) -> None:
    for key, value in values.items():
        output.line(f"  {key:<12}{value}")


def _next_step(values: Mapping[str, Any]) -> dict[str, str]:
    """Of one that failed it stands below, beside what and where."""
    return {"next": values["next_step"]} if values["next_step"] and not values["error"] else {}


def _branch(parent: Mapping[str, Any] | None) -> dict[str, str]:
    return {"fork of": f"run {parent['id']} at step {parent['step']}"} if parent else {}


def _took(timings: Mapping[str, Any]) -> str:
    """The time at work, and what it waited beside."""
    paused = timings["seconds_paused"]
    beside = f", and was paused for {figures.duration(paused)}" if paused >= 1 else ""
    return figures.duration(timings["seconds"]) + beside


def _progress(values: Mapping[str, Any]) -> str:
    if values["total_steps"] == 0 and values["parameters"]["trainable"] == 0:
        return "no steps, as everything is frozen"
    return f"{values['step']} of {values['total_steps'] or '?'} steps"


def _parameter_groups(groups: Sequence[Mapping[str, Any]]) -> None:
    """What moves how fast; parts that are treated alike share a line."""
    alike: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for group in groups:
        key = (group["rate"], group["decay"], group["frozen"], group["first_step"])
        alike.setdefault(key, []).append(group)
    rows = [
        [
            _parts_in_words([member["name"] for member in members]),
            f"{sum(member['parameters'] for member in members):,}",
            "frozen" if frozen else figures.rate(rate),
            "-" if frozen else f"{decay:g}",
            "-" if frozen else str(first_step),
        ]
        for (rate, decay, frozen, first_step), members in alike.items()
    ]
    output.table(
        ["part", "parameters", "rate", "decay", "from step"],
        rows,
        right=("parameters", "rate", "decay", "from step"),
    )


def _parts_in_words(names: Sequence[str]) -> str:
    """`embeddings, layers 0-5, head mood`: neighbouring layers in one."""
    words: list[str] = []
    first = last = -1
    for name in names:
        number = int(name.removeprefix("layer ")) if name.startswith("layer ") else -1
        if number >= 0 and words and number == last + 1 and first >= 0:
            words[-1] = f"layers {first}-{number}"
        else:
            words.append(name)
            first = number
        last = number
    return ", ".join(words)


def _latest_evaluations(values: Mapping[str, Any]) -> None:
    """Dev metrics at the best checkpoint's step, the newest of every other split."""
    shown: dict[str, Mapping[str, Any]] = {}
    for evaluation in values["evaluations"]:
        if evaluation["split"] == "dev" and shown.get("dev", {}).get("step") == values["best_step"]:
            continue
        shown[evaluation["split"]] = evaluation
    for split, evaluation in shown.items():
        output.line()
        output.heading(f"{split} metrics at step {evaluation['step']}")
        print_metrics(evaluation["metrics"])


def _metric_names(of: Any) -> list[tuple[str, str]]:
    names = [(task, metric) for metrics in of for task, row in metrics.items() for metric in row]
    return [name for name in dict.fromkeys(names) if name[1] != "loss"]


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"


def _parameters(counts: Mapping[str, int | None]) -> str:
    if counts["total"] is None:
        return "-"
    trained, total = counts["trainable"] or 0, counts["total"]
    return f"{trained:,} trained of {total:,} ({trained / max(1, total):.1%})"


def _checksum(sums: Mapping[str, str | None]) -> str:
    if not sums["start"]:
        return "nothing is frozen" if sums["start"] == "" else "-"
    if not sums["end"]:
        return f"{sums['start'][:16]} at the start"
    same = sums["start"] == sums["end"]
    return f"{sums['start'][:16]} " + ("unchanged" if same else f"CHANGED to {sums['end'][:16]}")
