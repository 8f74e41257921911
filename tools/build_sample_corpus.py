"""Make `presets/data/sample/*.jsonl` from the sentences written in `tools/sample_corpus/`.

A line there is a sentiment mark (- = +), a blank, and a sentence whose entities are marked as
[surface](TYPE). The topic is the file's name. Splits are drawn within each topic and sentiment,
with a fixed seed, so that the same sentences give the same files.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tools" / "sample_corpus"
TARGET = ROOT / "presets" / "data" / "sample"
SENTIMENTS = {"-": "negative", "=": "neutral", "+": "positive"}
ENTITY = re.compile(r"\[([^\[\]]+)\]\((PER|ORG|LOC|DATE|PRODUCT)\)")
WORD = re.compile(r"['’](?:s|re|ve|ll|d|m|t)\b|\w+|[^\w\s]")
SHARES = {"train": 0.7, "dev": 0.15, "test": 0.15}


def parse(line: str, topic: str) -> dict[str, Any]:
    """One example from one line."""
    mark, marked = line[0], line[2:].strip()
    if mark not in SENTIMENTS or line[1] != " ":
        raise ValueError(f"{topic}: no sentiment mark: {line!r}")
    text, entities, end = "", [], 0
    for match in ENTITY.finditer(marked):
        text += marked[end : match.start()]
        entities.append((len(text), len(text) + len(match[1]), match[2]))
        text += match[1]
        end = match.end()
    text += marked[end:]
    if "[" in text or "](" in text:
        raise ValueError(f"{topic}: a mark is left over: {line!r}")
    tokens, tags = [], []
    for word in WORD.finditer(text):
        kind = next((k for b, e, k in entities if b <= word.start() and word.end() <= e), None)
        begins = any(b == word.start() for b, _, _ in entities)
        tokens.append(word[0])
        tags.append(f"{'B' if begins else 'I'}-{kind}" if kind else "O")
    if sum(tag.startswith("B-") for tag in tags) != len(entities):
        raise ValueError(f"{topic}: an entity does not begin or end at a word: {line!r}")
    return {
        "text": text,
        "topic": topic,
        "sentiment": SENTIMENTS[mark],
        "tokens": tokens,
        "tags": tags,
    }


def build() -> dict[str, list[dict[str, Any]]]:
    """The examples of each split."""
    splits: dict[str, list[dict[str, Any]]] = {name: [] for name in SHARES}
    shuffle = random.Random(13)
    for file in sorted(SOURCE.glob("*.txt")):
        lines = file.read_text(encoding="utf-8").splitlines()
        examples = [parse(line, file.stem) for line in lines]
        for sentiment in SENTIMENTS.values():
            group = [example for example in examples if example["sentiment"] == sentiment]
            shuffle.shuffle(group)
            held = round(len(group) * SHARES["dev"])
            splits["dev"] += group[:held]
            splits["test"] += group[held : 2 * held]
            splits["train"] += group[2 * held :]
    for examples in splits.values():
        shuffle.shuffle(examples)
    return splits


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, examples in build().items():
        with (TARGET / f"{name}.jsonl").open("w", encoding="utf-8") as out:
            for example in examples:
                out.write(json.dumps(example, ensure_ascii=False) + "\n")
        print(f"{name}: {len(examples)} sentences")


if __name__ == "__main__":
    main()
