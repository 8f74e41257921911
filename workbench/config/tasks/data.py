"""Where a task's examples are: what the data of every kind of task can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from workbench.config.base import IS_SET, Settings, applies, names

DataFormat = Literal["auto", "conll", "conllu", "jsonl", "csv", "tsv", "parquet", "lines"]
SPLITS = ("train", "dev", "test")


class DataConfig(Settings):
    """Where a task's examples are: files, or the splits of a hub data set."""

    dataset: str | None = Field(
        default=None,
        description="Hub data set id or a local data set folder; train, dev and test are "
        "then names of its splits. Leave out for files.",
    )
    subset: str | None = Field(
        default=None,
        description="Configuration of the hub data set, if it has several.",
        json_schema_extra=applies(when={"data.dataset": IS_SET}),
    )
    train: str = Field(
        min_length=1,
        description="Training file (relative to the preset or --data-root), or split.",
        json_schema_extra=names("file"),
    )
    dev: str | None = Field(
        default=None,
        description="File or split that chooses the best checkpoint.",
        json_schema_extra=names("file"),
    )
    test: str | None = Field(
        default=None,
        description="File or split that is read only when test is asked for.",
        json_schema_extra=names("file"),
    )
    format: DataFormat = Field(
        default="auto",
        description="auto: by the file's ending, which is the format's name. "
        "conll: columns of a word and its tag, a blank line after each sentence. "
        "conllu: the ten columns of Universal Dependencies. jsonl: a JSON object in each line. "
        "csv, tsv: a table whose first line names the columns. parquet: a columnar file. "
        "lines: a text in each line, without labels.",
        json_schema_extra=applies(unless={"data.dataset": IS_SET}),
    )
    text: str = Field(
        default="text", description="Column with the text.", json_schema_extra=names("column")
    )
    dev_share: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Share of train that is kept for dev where there is no dev file, drawn with "
        "the seed; from each class, or set of labels, alike. Equal texts stay together.",
        json_schema_extra=applies(unless={"data.dev": IS_SET}),
    )
    max_examples: int | None = Field(
        default=None,
        ge=1,
        description="Use at most so many examples of train, drawn with the seed.",
    )

    @model_validator(mode="after")
    def _dev_is_given_once(self) -> DataConfig:
        if self.dev is not None and self.dev_share > 0:
            raise ValueError("dev and dev_share exclude each other; leave one of them out")
        return self

    @property
    def has_dev(self) -> bool:
        """Whether there are dev data: a source of their own or a share of train."""
        return self.dev is not None or self.dev_share > 0

    def source_of(self, split: str) -> str | None:
        """The file or split name given for `split` (train, dev or test)."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[split]
