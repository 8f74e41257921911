"""A task: its kind, where its data is, how much it counts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from workbench.config.base import IS_SET, Settings, applies
from workbench.config.model import TaskPoolingConfig

DataFormat = Literal["auto", "conll", "conllu", "jsonl", "csv", "tsv", "parquet"]
ConlluColumn = Literal["lemma", "upos", "xpos", "feats", "deprel", "misc"]
TagScheme = Literal["as read", "bio", "bioes"]
WordPieces = Literal["first", "last", "mean", "first+last"]
RnnCell = Literal["none", "lstm", "gru"]
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
        min_length=1, description="Training file (relative to the preset or --data-root), or split."
    )
    dev: str | None = Field(
        default=None, description="File or split that chooses the best checkpoint."
    )
    test: str | None = Field(
        default=None, description="File or split that is read only when test is asked for."
    )
    format: DataFormat = Field(
        default="auto",
        description="auto: by the file's ending, which is the format's name. "
        "conll: columns of a word and its tag, a blank line after each sentence. "
        "conllu: the ten columns of Universal Dependencies. jsonl: a JSON object in each line. "
        "csv, tsv: a table whose first line names the columns. parquet: a columnar file.",
        json_schema_extra=applies(unless={"data.dataset": IS_SET}),
    )
    text: str = Field(default="text", description="Column with the text.")
    dev_share: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Share of train that is kept for dev where there is no dev file, drawn with "
        "the seed; of a classification from each label alike. Equal texts stay together.",
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


class ClassificationData(DataConfig):
    """Texts with one label each."""

    label: str = Field(default="label", description="Column with the label.")


class TaggingData(DataConfig):
    """Texts cut into words, with one tag per word."""

    tokens: str = Field(
        default="tokens",
        description="Column with the list of words.",
        json_schema_extra=applies(unless={"data.format": ["conll", "conllu"]}),
    )
    tags: str = Field(
        default="tags",
        description="Column with the list of tags, one per word.",
        json_schema_extra=applies(unless={"data.format": ["conll", "conllu"]}),
    )
    token_column: int = Field(
        default=0,
        description="CoNLL files: column of the word.",
        json_schema_extra=applies(when={"data.format": ["auto", "conll"]}),
    )
    tag_column: int = Field(
        default=-1,
        description="CoNLL files: column of the tag, from 0; -1 is the last.",
        json_schema_extra=applies(when={"data.format": ["auto", "conll", "conllu"]}),
    )
    conllu_column: ConlluColumn = Field(
        default="upos",
        description="CoNLL-U files: which column is the tag; a tag_column from 0 to 9 takes "
        "precedence. lemma: the word's base form. upos: the universal part of speech. "
        "xpos: the language's own. feats: morphological features. deprel: the relation to the "
        "head. misc: the last column.",
        json_schema_extra=applies(when={"data.format": ["auto", "conllu"]}),
    )
    spans: str = Field(
        default="spans",
        description="Column with a list of {start, end, label} in characters of the text, used "
        "where a row has no tags.",
        json_schema_extra=applies(unless={"data.format": ["conll", "conllu"]}),
    )


class BaseTask(Settings):
    """What every kind of task has."""

    weight: float = Field(
        default=1.0, ge=0.0, description="Factor of this task's mean loss in the sum."
    )
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="Dropout before the head.")
    learning_rate: float | None = Field(
        default=None, gt=0.0, le=10.0, description="Highest rate of this task's head, if another."
    )
    layer_mix: bool = Field(
        default=False,
        description="Read a mean of all layers whose weights are learned (Peters et al. 2018), in "
        "place of the last alone. Pays where a task is of form more than of sense, as parts of "
        "speech, above all on a frozen backbone; keeps all layers in memory.",
    )


class TextTask(BaseTask):
    """What every task has that looks at the pooled vector of a text."""

    pooling: TaskPoolingConfig = Field(
        default_factory=TaskPoolingConfig, description="What differs from [pooling]."
    )


class ClassificationTask(TextTask):
    """One label out of several for a text."""

    kind: Literal["classification"] = Field(description="One label per text.")
    data: ClassificationData = Field(description="Where the examples are.")
    metric: Literal["accuracy", "macro_f1"] = Field(
        default="accuracy",
        description="What counts in choosing the best checkpoint. accuracy: share of right texts. "
        "macro_f1: F1 averaged over the classes, rare ones counting alike.",
    )
    hidden_size: int = Field(
        default=0,
        ge=0,
        description="Size of a hidden layer (GELU) before the classes; 0 for none: one linear "
        "layer, which transformers can express.",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Share of the target that is spread over all labels; 0.1 keeps the model from "
        "being too sure, at noisy labels above all.",
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="none: every text counts alike. balanced: rare labels count more, so that "
        "each label has the same weight in the loss; raises macro F1, may cost accuracy.",
    )
    label_weights: dict[str, float] = Field(
        default_factory=dict,
        description="Factors of the loss by label, on top of class_weights; 1 where none is given.",
    )
    focal_gamma: float = Field(
        default=0.0,
        ge=0.0,
        le=10.0,
        description="Focal loss: texts that are right already count less, the more so the larger "
        "this is; 0 for plain cross-entropy, 2 is usual.",
    )

    @field_validator("label_weights")
    @classmethod
    def _weights_are_no_less_than_zero(cls, weights: dict[str, float]) -> dict[str, float]:
        for name, weight in weights.items():
            if weight < 0:
                raise ValueError(f'label_weights: "{name}" is below 0; a factor is 0 or more')
        return weights


class TaggingTask(BaseTask):
    """One tag per word, usually BIO tags of named entities."""

    kind: Literal["tagging"] = Field(description="One tag per word.")
    data: TaggingData = Field(description="Where the examples are.")
    metric: Literal["span_f1", "accuracy"] = Field(
        default="span_f1",
        description="span_f1: strict F1 of whole entities (BIO or BIOES). accuracy: share of "
        "right words.",
    )
    scheme: TagScheme = Field(
        default="as read",
        description="How spans are learned. as read: as the files write them, IOB1 as BIO. bio: "
        "begin, inside. bioes: begin, inside, end, single; more tags, often a little better. "
        "Metrics count whole spans, so they can be compared.",
    )
    word_pieces: WordPieces = Field(
        default="first",
        description="What stands for a word that has several pieces. first: the first of them "
        "(Devlin et al. 2019). last: the last, which holds the ending. mean: the mean of all. "
        "first+last: both side by side.",
    )
    rnn: RnnCell = Field(
        default="none",
        description="A layer that reads the words in both directions before they are tagged. "
        "none: the backbone's vectors do. lstm, gru: pays with a frozen or weak backbone "
        "(Huang et al. 2015).",
    )
    hidden_size: int = Field(
        default=256,
        ge=1,
        description="Size of the rnn in each direction; without rnn unused.",
        json_schema_extra=applies(when={"rnn": ["lstm", "gru"]}),
    )
    layers: int = Field(
        default=1,
        ge=1,
        le=8,
        description="Layers of the rnn.",
        json_schema_extra=applies(when={"rnn": ["lstm", "gru"]}),
    )
    crf: bool = Field(
        default=False,
        description="Learn which tag follows which (conditional random field) and choose the best "
        "sequence as a whole (Lafferty et al. 2001). Slower by a loop over the words; helps most "
        "with spans.",
    )
    constrained: bool = Field(
        default=False,
        description="Allow only sequences that BIO or BIOES allows, so that no span lacks its "
        "beginning; costs nothing in training without crf.",
    )


TaskConfig = Annotated[ClassificationTask | TaggingTask, Field(discriminator="kind")]

TASK_MODELS: dict[str, type[BaseTask]] = {
    "classification": ClassificationTask,
    "tagging": TaggingTask,
}
"""The kinds of task and what each can be told."""


class SelectionConfig(Settings):
    """The rule that picks the best checkpoint, from the dev metrics."""

    rule: Literal["mean", "worst", "task"] = Field(
        default="mean",
        description="mean: weighted mean of the tasks' metrics. worst: the lowest of them. "
        "task: one task's metric.",
    )
    task: str | None = Field(
        default=None,
        description="The task that decides (rule = task).",
        json_schema_extra=applies(when={"selection.rule": "task"}),
    )
    weights: dict[str, float] = Field(
        default_factory=dict,
        description="Weights of the mean by task; 1 where none is given.",
        json_schema_extra=applies(when={"selection.rule": "mean"}),
    )

    @model_validator(mode="after")
    def _task_goes_with_its_rule(self) -> SelectionConfig:
        if (self.rule == "task") != (self.task is not None):
            raise ValueError('selection.task and selection.rule = "task" go together')
        return self
