"""The README of an export: what it is, what its labels mean, how to open it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.model.folder import ModelDescription


def write_card(
    folder: Path, description: ModelDescription, *, use: str, tags: Sequence[str]
) -> None:
    """Write `README.md` with the front matter that model hubs read."""
    tag_lines = "".join(f"- {tag}\n" for tag in (*tags, "mtl-workbench"))
    tasks = "".join(
        f"| {name} | {head.kind} | {', '.join(head.labels) or '-'} |\n"
        for name, head in description.heads.items()
    )
    which = f" {description.which_vectors}" if description.which_vectors else ""
    thresholds = "".join(
        f"Labels of {name} are given from these probabilities on: "
        + ", ".join(
            f"{label} {value:.3f}"
            for label, value in zip(head.labels, head.options["thresholds"], strict=True)
        )
        + ".\n\n"
        for name, head in description.heads.items()
        if "thresholds" in head.options
    )
    title = description.name.replace("\n", " ")
    (folder / "README.md").write_text(
        f"---\ntags:\n{tag_lines}---\n\n"
        f"# {title}\n\n"
        f"Trained and exported with mtl-workbench. Texts are cut at {description.max_length} "
        f"word pieces; text vectors are pooled by `{description.pooling.words}`.{which}\n\n"
        f"| task | kind | labels |\n| --- | --- | --- |\n{tasks}\n{thresholds}"
        f"```python\n{use}\n```\n",
        encoding="utf-8",
    )
