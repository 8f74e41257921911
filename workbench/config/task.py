"""A task: its kind, where its data is, how much it counts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from workbench.config.base import Settings

TaskKind = Literal["classification", "tagging"]
DataFormat = Literal["auto", "conll", "jsonl", "csv", "tsv", "parquet"]
SPLITS = ("train", "dev", "test")


class DataConfig(Settings):
    """Where a task's examples are: files, or the splits of a hub data set."""

    dataset: str | None = Field(
        default=None,
        description="Hub data set id or a local data set folder; train, dev and test are "
        "then names of its splits. Leave out for files.",
    )
    subset: str | None = Field(
        default=None, description="Configuration of the hub data set, if it has several."
    )
    train: str = Field(
        min_length=1, description="Training file (relative to the preset or --data-root), or split."
    )
    dev: str | None = Field(
        default=None, description="File or split that chooses the best checkpoint."
    )
    test: str | None = Field(
        default=None, description="File or split that is read only when test is asked for."
    )
    format: DataFormat = Field(
        default="auto", description="auto: by the file's ending (.conll .jsonl .csv .tsv .parquet)."
    )
    text: str = Field(default="text", description="Column with the text.")

    def source_of(self, split: str) -> str | None:
        """The file or split name given for `split` (train, dev or test)."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[split]


class ClassificationData(DataConfig):
    """Texts with one label each."""

    label: str = Field(default="label", description="Column with the label.")


class TaggingData(DataConfig):
    """Texts cut into words, with one tag per word."""

    tokens: str = Field(default="tokens", description="Column with the list of words.")
    tags: str = Field(default="tags", description="Column with the list of tags, one per word.")
    token_column: int = Field(default=0, description="CoNLL files: column of the word.")
    tag_column: int = Field(default=-1, description="CoNLL files: column of the tag.")


class BaseTask(Settings):
    """What every kind of task has."""

    weight: float = Field(
        default=1.0, ge=0.0, description="Factor of this task's mean loss in the sum."
    )
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="Dropout before the head.")
    learning_rate: float | None = Field(
        default=None, gt=0.0, le=10.0, description="Highest rate of this task's head, if another."
    )


class ClassificationTask(BaseTask):
    """One label out of several for a text."""

    kind: Literal["classification"] = Field(description="One label per text.")
    data: ClassificationData = Field(description="Where the examples are.")
    metric: Literal["accuracy", "macro_f1"] = Field(
        default="accuracy", description="The metric that counts in choosing the best checkpoint."
    )


class TaggingTask(BaseTask):
    """One tag per word, usually BIO tags of named entities."""

    kind: Literal["tagging"] = Field(description="One tag per word.")
    data: TaggingData = Field(description="Where the examples are.")
    metric: Literal["span_f1", "accuracy"] = Field(
        default="span_f1",
        description="span_f1: strict F1 of whole entities (BIO). accuracy: share of right words.",
    )


TaskConfig = Annotated[ClassificationTask | TaggingTask, Field(discriminator="kind")]


class SelectionConfig(Settings):
    """The rule that picks the best checkpoint, from the dev metrics."""

    rule: Literal["mean", "worst", "task"] = Field(
        default="mean",
        description="mean: weighted mean of the tasks' metrics. worst: the lowest of them. "
        "task: one task's metric.",
    )
    task: str | None = Field(default=None, description="The task that decides (rule = task).")
    weights: dict[str, float] = Field(
        default_factory=dict, description="Weights of the mean by task; 1 where none is given."
    )

    @model_validator(mode="after")
    def _task_goes_with_its_rule(self) -> SelectionConfig:
        if (self.rule == "task") != (self.task is not None):
            raise ValueError('selection.task and selection.rule = "task" go together')
        return self
