"""Trials before a run: small experiments with its own model, data and losses that cost seconds.

Each tells what it found, what that means, and what to change if it is not well. They change the
weights of the run that they are given, so that it is of no use afterwards.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import psutil
import torch
from torch.nn import functional

from workbench.data.batching import Batch, collate
from workbench.data.pieces import CUT, Pieces, WordLabels
from workbench.data.schemes import UNANNOTATED, scheme_of_names, spans
from workbench.data.words import Words
from workbench.model.heads import FittedHead
from workbench.plan import Trial
from workbench.training.accumulation import label_counts, loss_shares
from workbench.training.run import Run
from workbench.training.update import make_update

PADDED_TEXTS = 4
PADDING = 24
"""Pieces of padding that are put after a text."""
LARGEST_DIFFERENCE = 1e-3
"""Of a score, by padding: in float32 rounding makes 1e-5, half precision more."""
AUDITED_TEXTS = 500
FEW = 0.001
"""Share of words without a piece, or of spans that are cut off, that is no reason to worry."""
FEW_TEXTS = 8
"""Texts of the batch that is learned by heart, for each task."""
MOST_UPDATES = 120
LEARNED_SHARE = 0.3
"""Of its first loss, to which the loss of the batch has to fall."""
HEAD_RATE, SHARED_RATE = 2e-2, 2e-4


def trials(run: Run) -> Iterator[Trial]:
    """Try out all that can be tried; the last ones change the model.

    Args:
        run: Ready for its first update; of no use afterwards.
    """
    for trial in TRIALS.values():
        yield from trial(run)


def padding_changes_nothing(run: Run) -> Iterator[Trial]:
    """The scores of a text must not depend on how long the text beside it is."""
    model = run.loaded.model.eval()
    room = run.loaded.tokenizer.max_length
    order = np.argsort(run.train_split.lengths, kind="stable")
    order = order[run.train_split.lengths[order] < room]
    if not len(order):
        return
    chosen = order[np.linspace(0, len(order) - 1, PADDED_TEXTS).astype(int)]
    largest = 0.0
    for index in dict.fromkeys(chosen.tolist()):
        batch = _batch(run, [index])
        length = batch.ids.shape[1]
        more = min(PADDING, room - length)
        padded = replace(
            batch,
            ids=functional.pad(batch.ids, (0, more), value=run.loaded.tokenizer.pad_id),
            mask=functional.pad(batch.mask, (0, more)),
            segments=None if batch.segments is None else functional.pad(batch.segments, (0, more)),
        )
        with torch.no_grad(), run.arithmetic.autocast():
            device = run.arithmetic.device
            plain, longer = model(batch.to(device)), model(padded.to(device))
        for task, scores in plain.items():
            difference = (scores.float() - longer[task].float()).abs().max().item()
            largest = max(largest, difference / max(1.0, scores.float().abs().max().item()))
    is_well = largest <= LARGEST_DIFFERENCE or run.arithmetic.precision != "fp32"
    yield Trial(
        "padding",
        is_well,
        f"Padding changes the scores by {largest:.1e} at most.",
        "A text is understood alike whatever it is batched with."
        if is_well
        else "A text is understood differently beside a longer one: dev metrics and predictions "
        "will depend on the batch.",
        "" if is_well else "take another backbone, or report this with the backbone's name",
    )


def labels_are_aligned(run: Run) -> Iterator[Trial]:
    """Each word's label must be at a piece of this word; what is cut off must be known."""
    for task in run.config.tasks:
        audited = words = lost = cut = spans_in_all = spans_cut = wrong = 0
        for given, encoded in zip(run.corpus.train.examples, run.train_split.examples, strict=True):
            label, numbered = given.labels.get(task), encoded.labels.get(task)
            if not (isinstance(label, Words) and isinstance(numbered, WordLabels)):
                continue
            row = encoded.rows[encoded.reads.get(task, (0,))[0]]
            missing = numbered.positions == CUT
            words += len(missing)
            cut += int(missing.sum()) if row.is_cut else 0
            lost += 0 if row.is_cut else int(missing.sum())
            for begin, end, _ in spans(label.tags, scheme_of_names(_known(label.tags))):
                spans_in_all += 1
                spans_cut += bool(missing[begin:end].any())
            if audited < AUDITED_TEXTS:
                audited += 1
                wrong += _misplaced(row, label, numbered)
        if not words:
            continue
        is_well = not wrong and lost <= FEW * words and spans_cut <= FEW * spans_in_all
        cut_off = f"; {spans_cut} of {spans_in_all} span(s) and {cut} word(s) are cut off"
        yield Trial(
            f"alignment of {task}",
            is_well,
            f"{task}: {words} words, of which {lost} have no piece and {wrong} (in {audited} "
            f"texts) a piece that is not their own{cut_off if cut or spans_cut else ''}.",
            "Each label is learned where its word is."
            if is_well
            else "What is cut off or has no piece is never learned and counts as missed.",
            ""
            if is_well
            else "raise backbone.max_length, or split long texts"
            if spans_cut
            else "look for words of control characters or spaces alone in the data",
        )


def first_loss_is_near_guessing(run: Run) -> Iterator[Trial]:
    """A head that knows nothing should lose about the logarithm of the number of labels."""
    model = run.loaded.model.eval()
    batch = _batch(run, _texts_of_all_tasks(run, 4 * FEW_TEXTS))
    with torch.no_grad():
        losses = loss_shares(run, batch, label_counts([batch]))
    model.train()
    for task, loss in losses.items():
        labels = len(run.corpus.labels[task].names)
        settings = run.config.tasks[task]
        is_reweighted = getattr(settings, "class_weights", "none") != "none" or getattr(
            settings, "label_weights", None
        )
        if settings.kind not in ("classification", "tagging") or is_reweighted:
            continue  # nobody knows what guessing costs there
        guessing, found = math.log(labels), loss.item()
        is_well = math.isfinite(found) and found <= 1.5 * guessing + 0.5
        yield Trial(
            f"first loss of {task}",
            is_well,
            f"{task}: the first loss is {found:.2f} nats; guessing among {labels} labels costs "
            f"{guessing:.2f}.",
            "The head begins undecided, as it should."
            if is_well
            else "The head begins sure of what is wrong: the first updates will be thrown about.",
            ""
            if is_well
            else "give pooling.normalize or a longer optimization.warmup a try, or a lower "
            "head_learning_rate",
        )


def gradients_reach_what_is_trained(run: Run) -> Iterator[Trial]:
    """Each trained tensor must get a gradient, and no frozen one."""
    run.unfreezing.start_step(max(0, run.total_steps - 1))
    model = run.loaded.model.train()
    model.zero_grad(set_to_none=True)
    batch = _batch(run, _texts_of_all_tasks(run, FEW_TEXTS))
    losses = loss_shares(run, batch, label_counts([batch]))
    trained = [loss for task, loss in losses.items() if task in run.config.trained_tasks]
    moving = [loss for loss in trained if loss.requires_grad]
    if moving:
        torch.stack(moving).sum().backward()  # type: ignore[no-untyped-call]  # torch's is untyped
    unreached = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.grad is None and not _is_left_out(run, name)
    ]
    moved = [
        name
        for name, parameter in model.named_parameters()
        if name in run.frozen and parameter.grad is not None
    ]
    count = sum(parameter.requires_grad for parameter in model.parameters())
    model.zero_grad(set_to_none=True)
    is_well = not unreached and not moved
    odd = [f"no gradient: {_named(unreached)}"] if unreached else []
    odd += [f"frozen and yet with a gradient: {_named(moved)}"] if moved else []
    yield Trial(
        "gradients",
        is_well,
        "; ".join(odd).capitalize() + "."
        if odd
        else f"A gradient reaches all {count} trained tensors and none of {len(run.frozen)} "
        "frozen ones.",
        "What is to be trained is trained, and nothing else."
        if is_well
        else "These weights stay as they are however long the run is; that is a waste of memory "
        "at best.",
        "" if is_well else "freeze them with freezing.patterns, or report this with the backbone",
    )


def two_updates_are_measured(run: Run) -> Iterator[Trial]:
    """Time and memory of two real updates, after one that makes the optimizer's state."""
    if not run.total_steps:
        return
    device = run.arithmetic.device
    run.loaded.model.train()
    run.weights.to_train()
    batches = run.sampling.batches(0)
    sizes = np.array([len(b) * run.train_split.lengths[b].max() for b in batches])
    nearest = np.argsort(np.abs(sizes - sizes.mean()), kind="stable")
    chosen = [batches[nearest[number % len(nearest)]].tolist() for number in range(3)]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    run.step = 0
    make_update(run, chosen[0]).total_loss.item()
    begin = time.perf_counter()
    for indices in chosen[1:]:
        make_update(run, indices).total_loss.item()
    seconds = (time.perf_counter() - begin) / 2
    memory = (
        torch.cuda.max_memory_allocated(device)
        if device.type == "cuda"
        else psutil.Process().memory_info().rss
    )
    minutes = seconds * run.total_steps / 60
    yield Trial(
        "speed",
        True,
        f"{seconds:.2f} s for an update of the usual size, {memory / 2**30:.1f} GB on {device}.",
        f"The {run.total_steps} updates take about {minutes:.1f} minutes, evaluations apart.",
    )


def a_batch_is_learned_by_heart(run: Run) -> Iterator[Trial]:
    """A few texts must be learnable; if they are not, no amount of data will help."""
    run.unfreezing.start_step(max(0, run.total_steps - 1))
    model = run.loaded.model.eval()  # without dropout, which would get in the way
    batch = _batch(run, _texts_of_all_tasks(run, FEW_TEXTS))
    counts = label_counts([batch])
    groups = [
        {
            "params": [
                p
                for name, p in model.named_parameters()
                if p.requires_grad and name.startswith("heads.") == is_head
            ],
            "lr": HEAD_RATE if is_head else SHARED_RATE,
        }
        for is_head in (True, False)
    ]
    groups = [group for group in groups if group["params"]]
    if not groups:
        return
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for _ in range(MOST_UPDATES):
        losses = loss_shares(run, batch, counts)
        last = {
            task: loss.item()
            for task, loss in losses.items()
            if task in run.config.trained_tasks
            # Its layer is fitted, not trained, and its loss in training has another floor.
            and not isinstance(model.heads[task], FittedHead)
        }
        first = first or dict(last)
        if all(last[task] <= LEARNED_SHARE * first[task] for task in last):
            break
        moving = [losses[task] for task in last if losses[task].requires_grad]
        if not moving:
            break
        optimizer.zero_grad(set_to_none=True)
        torch.stack(moving).sum().backward()  # type: ignore[no-untyped-call]  # torch's is untyped
        optimizer.step()
    for task, loss in last.items():
        is_well = loss <= LEARNED_SHARE * first[task]
        is_stuck = run.config.freezing.mode in ("everything", "backbone")
        yield Trial(
            f"learning {task}",
            is_well,
            f"{task}: the loss on {counts[task]} labels fell from {first[task]:.3f} to {loss:.3f} "
            "in a few updates.",
            "The task can be learned from its data."
            if is_well
            else "Even a few texts are not learned by heart: their labels contradict each other, "
            "belong to other texts, or cannot be told with what is trained.",
            ""
            if is_well
            else "train more than the heads (freezing.mode), or give the head a hidden layer"
            if is_stuck
            else "look at the texts and labels of train: equal texts with different labels, a "
            "wrong column",
        )


TRIALS: dict[str, Callable[[Run], Iterator[Trial]]] = {
    "padding": padding_changes_nothing,
    "alignment": labels_are_aligned,
    "first loss": first_loss_is_near_guessing,
    "gradients": gradients_reach_what_is_trained,
    "speed": two_updates_are_measured,
    "by heart": a_batch_is_learned_by_heart,
}
"""By name, in order: what changes the weights comes last."""


def _batch(run: Run, indices: Sequence[int]) -> Batch:
    examples = [run.train_split.examples[index] for index in indices]
    return collate(examples, indices, pad_id=run.loaded.tokenizer.pad_id)


def _texts_of_all_tasks(run: Run, each: int) -> list[int]:
    """Different texts, so many that each task labels as many of them; the shorter ones first."""
    lengths = run.train_split.lengths
    chosen: dict[int, None] = {}
    texts = [example.text for example in run.corpus.train.examples]
    for task in run.config.tasks:
        members = [n for n, e in enumerate(run.train_split.examples) if task in e.labels]
        members.sort(key=lambda number: (int(lengths[number]), number))
        seen: set[str] = set()
        for number in members:
            if len(seen) == each:
                break
            if texts[number] not in seen:
                seen.add(texts[number])
                chosen[number] = None
    return list(chosen)


def _misplaced(pieces: Pieces, label: Words, numbered: WordLabels) -> int:
    """How many words of a text have their label at a piece that shares no character with them."""
    wrong = 0
    for (begin, end), position in zip(label.spans, numbered.positions.tolist(), strict=True):
        if position != CUT:
            first, last = pieces.offsets[position].tolist()
            wrong += last <= begin or first >= end
    return wrong


def _known(tags: Sequence[str]) -> list[str]:
    return [tag for tag in tags if tag != UNANNOTATED]


def _is_left_out(run: Run, name: str) -> bool:
    """Whether a parameter belongs to a task that is not trained."""
    return any(
        name.startswith(f"{part}.{task}.")
        for task in run.config.tasks
        if task not in run.config.trained_tasks
        for part in ("heads", "poolings", "mixes")
    )


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
