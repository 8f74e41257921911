"""A task: its kind, where its data is, how much it counts."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from workbench.config.base import IS_SET, Settings, applies, names
from workbench.config.model import TaskPoolingConfig

DataFormat = Literal["auto", "conll", "conllu", "jsonl", "csv", "tsv", "parquet", "lines"]
ConlluColumn = Literal["lemma", "upos", "xpos", "feats", "deprel", "misc"]
TagScheme = Literal["as read", "bio", "bioes"]
WordPieces = Literal["first", "last", "mean", "first+last"]
RnnCell = Literal["none", "lstm", "gru"]
PairMode = Literal["joint", "two"]
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


class TextData(DataConfig):
    """Texts, or pairs of texts, that are labelled as a whole."""

    text_b: str | None = Field(
        default=None,
        description="Column with a second text, where pairs are labelled (entailment, "
        "relatedness); leave out for single texts.",
        json_schema_extra=names("column"),
    )


class ClassificationData(TextData):
    """Texts with one label each."""

    label: str = Field(
        default="label",
        description="Column with the label; a row where it is null or empty teaches other tasks "
        "only.",
        json_schema_extra=names("column"),
    )
    examples_per_class: int | None = Field(
        default=None,
        ge=1,
        description="Use at most so many examples of each label of train, drawn with the seed.",
    )


class MultilabelData(TextData):
    """Texts with any number of labels each."""

    labels: str = Field(
        default="labels",
        description="Column with the list of labels, or with a text that lists them. An empty list "
        "means that none applies; null or an empty text, that nobody has labelled the row.",
        json_schema_extra=names("column") | applies(unless={"data.label_columns": IS_SET}),
    )
    separator: str = Field(
        default=",",
        min_length=1,
        description="What stands between the labels where the column holds a text, as in CSV.",
        json_schema_extra=applies(unless={"data.label_columns": IS_SET}),
    )
    label_columns: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="Columns with 0 or 1 instead, one for each label; one that is empty is not "
        "known and teaches nothing.",
    )


class RegressionData(TextData):
    """Texts with a number each."""

    label: str = Field(
        default="score",
        description="Column with the number; a row where it is null or empty teaches other tasks "
        "only.",
        json_schema_extra=names("column"),
    )


class SimilarityData(DataConfig):
    """Pairs of texts with a score of how alike they are."""

    text_b: str = Field(
        default="text_b",
        description="Column with the second text.",
        json_schema_extra=names("column"),
    )
    label: str = Field(
        default="score",
        description="Column with the score, higher for more alike; a row where it is null or empty "
        "teaches other tasks only.",
        json_schema_extra=names("column"),
    )


class ContrastiveData(DataConfig):
    """Pairs of texts that belong together: question and answer, text and paraphrase."""

    text_b: str = Field(
        default="text_b",
        description="Column with the text that belongs to it; a row where it is null or empty is "
        "left out.",
        json_schema_extra=names("column"),
    )
    negatives: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="Columns with texts that are like it and do not belong to it (hard negatives); "
        "each may be null or empty.",
    )


class TaggingData(DataConfig):
    """Texts cut into words, with one tag per word."""

    tokens: str = Field(
        default="tokens",
        description="Column with the list of words.",
        json_schema_extra=applies(unless={"data.format": ["conll", "conllu"]}) | names("column"),
    )
    tags: str = Field(
        default="tags",
        description="Column with the list of tags, one per word.",
        json_schema_extra=applies(unless={"data.format": ["conll", "conllu"]}) | names("column"),
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
        json_schema_extra=applies(unless={"data.format": ["conll", "conllu"]}) | names("column"),
    )


class BaseTask(Settings):
    """What every kind of task has."""

    is_auxiliary: ClassVar[bool] = False
    """Whether it is there for the others' sake: then its metric chooses no checkpoint."""

    weight: float = Field(
        default=1.0, ge=0.0, description="Factor of this task's mean loss in the sum."
    )
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="Dropout before the head.")
    learning_rate: float | None = Field(
        default=None, gt=0.0, le=10.0, description="Highest rate of this task's head, if another."
    )
    evaluate_every: int = Field(
        default=1,
        ge=1,
        description="Look at this task at every n-th evaluation only, and at the last; in between "
        "its latest metrics stand for it in choosing the best checkpoint.",
    )
    patience: int = Field(
        default=0,
        ge=0,
        description="Evaluations of this task without a new best after which it is trained no "
        "longer: its loss stops, its head stays as it is, it is evaluated on. When all trained "
        "tasks are through, the run ends. 0 = never.",
    )
    layer_mix: bool = Field(
        default=False,
        description="Read a mean of all layers whose weights are learned (Peters et al. 2018), in "
        "place of the last alone. Pays where a task is of form more than of sense, as parts of "
        "speech, above all on a frozen backbone; keeps all layers in memory.",
    )


class PooledTask(BaseTask):
    """What every task has that looks at the pooled vector of a text."""

    pooling: TaskPoolingConfig = Field(
        default_factory=TaskPoolingConfig, description="What differs from [pooling]."
    )


def _not_below_zero(weights: dict[str, float]) -> dict[str, float]:
    for name, weight in weights.items():
        if weight < 0:
            raise ValueError(f'label_weights: "{name}" is below 0; a factor is 0 or more')
    return weights


class TextTask(PooledTask):
    """A task that labels a text, or two, as a whole."""

    data: TextData
    hidden_size: int = Field(
        default=0,
        ge=0,
        description="Size of a hidden layer (GELU) before the last; 0 for none: one linear layer, "
        "which transformers can express.",
    )
    pair: PairMode = Field(
        default="joint",
        description="How two texts are read, where data.text_b names the second. joint: as one "
        "input with the tokenizer's separators, each word seeing both (Devlin et al. 2019, BERT); "
        "the better figures. two: each by itself, compared as u, v, |u-v|, u*v (Conneau et al. "
        "2017, InferSent); their vectors are then of use alone, and a text in many pairs is read "
        "once.",
        json_schema_extra=applies(when={"data.text_b": IS_SET}),
    )

    @model_validator(mode="after")
    def _two_texts_go_with_a_pair(self) -> TextTask:
        if self.pair == "two" and self.data.text_b is None:
            raise ValueError('pair = "two" reads two texts; name the second in data.text_b')
        return self


class ClassificationTask(TextTask):
    """One label out of several for a text, or for two."""

    kind: Literal["classification"] = Field(description="One label per text.")
    data: ClassificationData = Field(description="Where the examples are.")
    metric: Literal["accuracy", "macro_f1"] = Field(
        default="accuracy",
        description="What counts in choosing the best checkpoint. accuracy: share of right texts. "
        "macro_f1: F1 averaged over the classes, rare ones counting alike.",
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
        return _not_below_zero(weights)


class MultilabelTask(TextTask):
    """Any number of labels for a text, or for two: each is a decision of its own."""

    kind: Literal["multilabel"] = Field(
        description="Any number of labels per text; the loss is nats per decision, that is per "
        "text and label."
    )
    data: MultilabelData = Field(description="Where the examples are.")
    metric: Literal["macro_f1", "micro_f1", "sample_accuracy"] = Field(
        default="macro_f1",
        description="What counts in choosing the best checkpoint, at the tuned "
        "thresholds. macro_f1: each label counts alike. micro_f1: each decision. sample_accuracy: "
        "share of texts with all labels right.",
    )
    thresholds: Literal["fixed", "one", "per_label"] = Field(
        default="one",
        description="From which probability on a label is given. fixed: as set by threshold. one: "
        "the best for all labels together on dev. per_label: the best of each label on dev "
        "(Lipton et al. 2014); with few examples of a label it fits dev by chance. Tuned at every "
        "evaluation and saved with the head; dev looks a little better for it than test will.",
    )
    threshold: float = Field(
        default=0.5,
        gt=0.0,
        lt=1.0,
        description="The threshold; a tuned one begins with it.",
        json_schema_extra=applies(when={"thresholds": "fixed"}),
    )
    positive_weights: Literal["none", "root", "balanced"] = Field(
        default="none",
        description="How much more a label counts where it applies. none: all decisions alike. "
        "balanced: as often as it does not apply for once that it does, so that rare labels are "
        "given more often. root: the square root of that, milder.",
    )
    label_weights: dict[str, float] = Field(
        default_factory=dict,
        description="Factors of the loss where a label applies, by label, on top of "
        "positive_weights; 1 where none is given.",
    )

    @field_validator("label_weights")
    @classmethod
    def _weights_are_no_less_than_zero(cls, weights: dict[str, float]) -> dict[str, float]:
        return _not_below_zero(weights)


class RegressionTask(TextTask):
    """A number for a text, or for two."""

    kind: Literal["regression"] = Field(
        description="A number per text; learned in standard deviations of train, said in your unit."
    )
    data: RegressionData = Field(description="Where the examples are.")
    metric: Literal["pearson", "spearman"] = Field(
        default="pearson",
        description="What counts in choosing the best checkpoint; at most 1, like the metrics of "
        "other tasks, so that a mean over tasks says something. rmse and mae are reported, too. "
        "pearson: correlation of the values. spearman: of their ranks.",
    )
    huber_delta: float = Field(
        default=0.0,
        ge=0.0,
        description="Beyond so many standard deviations an error counts by its size, not by its "
        "square (Huber 1964), so that outliers pull less; 0 for the square everywhere.",
    )


class SimilarityTask(PooledTask):
    """Two texts whose vectors are to be as near as their score says."""

    kind: Literal["similarity"] = Field(
        description="A score of how alike two texts are, learned by the cosine of their vectors."
    )
    data: SimilarityData = Field(description="Where the examples are.")
    metric: Literal["spearman", "pearson"] = Field(
        default="spearman",
        description="What counts in choosing the best checkpoint: how the cosine goes with the "
        "score. spearman: correlation of the ranks. pearson: of the values.",
    )
    dropout: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="Dropout of the texts' vectors."
    )
    hidden_size: int = Field(
        default=0,
        ge=0,
        description="Size of a linear layer between the texts' vectors and the cosine; 0 for none: "
        "the vectors themselves are compared, as whoever uses them will.",
    )
    loss: Literal["cosine", "cosent"] = Field(
        default="cosine",
        description="cosine: square of what the cosine differs from the score, scaled to 0 to 1 "
        "(Reimers and Gurevych 2019). cosent: the order only, each pair of examples in a batch of "
        "which one is more alike (Su 2022); often better, wants batches of 16 or more.",
    )
    scale: float = Field(
        default=20.0,
        gt=0.0,
        description="Factor of the cosines in cosent (1 / temperature).",
        json_schema_extra=applies(when={"loss": "cosent"}),
    )
    lowest: float | None = Field(
        default=None,
        description="The score that means cosine 0; the lowest of train where none is given.",
        json_schema_extra=applies(when={"loss": "cosine"}),
    )
    highest: float | None = Field(
        default=None,
        description="The score that means cosine 1; the highest of train where none is given.",
        json_schema_extra=applies(when={"loss": "cosine"}),
    )


class ContrastiveTask(PooledTask):
    """Texts that belong together are to be nearer than the others of the batch."""

    kind: Literal["contrastive"] = Field(
        description="Pairs that belong together, told from the other texts of the batch; nats per "
        "pair."
    )
    data: ContrastiveData = Field(description="Where the pairs are.")
    metric: Literal["accuracy_at_1", "mrr"] = Field(
        default="accuracy_at_1",
        description="What counts in choosing the best checkpoint, looking for the right one among "
        "64 texts of dev. accuracy_at_1: how often it is the nearest. mrr: the mean of 1 / its "
        "rank.",
    )
    dropout: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="Dropout of the texts' vectors."
    )
    hidden_size: int = Field(
        default=0,
        ge=0,
        description="Size of a linear layer between the texts' vectors and the cosine; 0 for none: "
        "the vectors themselves are compared, as whoever uses them will.",
    )
    scale: float = Field(
        default=20.0,
        gt=0.0,
        description="Factor of the cosines before the softmax (1 / temperature); 20 is usual "
        "(Henderson et al. 2017; Gao et al. 2021).",
    )
    symmetric: bool = Field(
        default=False,
        description="Whether the first text is looked for among the batch, too, given the second.",
    )


class FewShotData(DataConfig):
    """Texts with one label each, of which a handful is used."""

    label: str = Field(
        default="label", description="Column with the label.", json_schema_extra=names("column")
    )
    examples_per_class: int | None = Field(
        default=8,
        ge=1,
        description="Use at most so many examples of each label of train, drawn with the seed.",
    )


class FewShotTask(PooledTask):
    """One label per text, learned from a handful of examples of each."""

    kind: Literal["few_shot"] = Field(
        description="One label per text, from a handful of examples of each."
    )
    data: FewShotData = Field(description="Where the examples are.")
    metric: Literal["accuracy", "macro_f1"] = Field(
        default="accuracy",
        description="What counts in choosing the best checkpoint. accuracy: share of right texts. "
        "macro_f1: F1 averaged over the classes, rare ones counting alike.",
    )
    method: Literal["contrastive", "matching"] = Field(
        default="contrastive",
        description="How so few examples suffice. contrastive: texts of a label are drawn "
        "together, others apart, then a layer is fitted on their vectors; wants a batch that "
        "holds most of them (Tunstall et al. 2022). "
        "matching: each text is matched with a description of the labels, by the same backbone; "
        "works for labels that training has not shown, too (Halder et al. 2020).",
    )
    descriptions: dict[str, str] = Field(
        default_factory=dict,
        description="What a label means, in words, by label; else the label itself, written as "
        "words.",
        json_schema_extra=applies(when={"method": "matching"}),
    )
    temperature: float = Field(
        default=0.1,
        gt=0.0,
        le=10.0,
        description="What cosines are divided by in the contrastive loss: lower looks more at the "
        "nearest texts.",
        json_schema_extra=applies(when={"method": "contrastive"}),
    )

    @field_validator("descriptions")
    @classmethod
    def _descriptions_say_something(cls, descriptions: dict[str, str]) -> dict[str, str]:
        for label, text in descriptions.items():
            if not text.strip():
                raise ValueError(
                    f'descriptions: "{label}" has an empty one; describe it, or leave it out'
                )
        return descriptions


class MaskedLmData(DataConfig):
    """Texts without labels."""


class MaskedLmTask(BaseTask):
    """Pieces of unlabelled texts are hidden and guessed, so that the backbone learns their kind."""

    is_auxiliary: ClassVar[bool] = True

    kind: Literal["masked_lm"] = Field(
        description="Guess hidden words of unlabelled texts (Devlin et al. 2019); an aid to the "
        "other tasks where texts without labels abound. Has no part in choosing the best "
        "checkpoint unless selection.weights gives it one."
    )
    data: MaskedLmData = Field(description="Where the texts are.")
    metric: Literal["accuracy"] = Field(
        default="accuracy",
        description="What is reported beside the loss. accuracy: share of "
        "hidden pieces that were guessed.",
    )
    masked_share: float = Field(
        default=0.15,
        gt=0.0,
        lt=1.0,
        description="Share of the pieces that are hidden, whole words at once; of these a tenth "
        "stay as they are and a tenth become others.",
    )


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


TaskConfig = Annotated[
    ClassificationTask
    | TaggingTask
    | MultilabelTask
    | RegressionTask
    | SimilarityTask
    | ContrastiveTask
    | FewShotTask
    | MaskedLmTask,
    Field(discriminator="kind"),
]

TASK_MODELS: dict[str, type[BaseTask]] = {
    "classification": ClassificationTask,
    "few_shot": FewShotTask,
    "tagging": TaggingTask,
    "multilabel": MultilabelTask,
    "regression": RegressionTask,
    "similarity": SimilarityTask,
    "contrastive": ContrastiveTask,
    "masked_lm": MaskedLmTask,
}
"""The kinds of task and what each can be told."""


class SelectionConfig(Settings):
    """The rule that picks the best checkpoint, from the dev metrics."""

    rule: Literal["mean", "worst", "task", "gain"] = Field(
        default="mean",
        description="mean: weighted mean of the tasks' metrics. worst: the lowest of them. "
        "task: one task's metric. gain: mean relative gain over what each task reaches alone "
        "(Maninis et al. 2019), from selection.baselines.",
    )
    task: str | None = Field(
        default=None,
        description="The task that decides (rule = task).",
        json_schema_extra=applies(when={"selection.rule": "task"}) | names("task"),
    )
    weights: dict[str, float] = Field(
        default_factory=dict,
        description="Weights of the mean by task; 1 where none is given.",
        json_schema_extra=applies(when={"selection.rule": "mean"}),
    )

    baselines: dict[str, float] = Field(
        default_factory=dict,
        description="By task, what its metric reaches when it is trained alone (rule = gain); "
        "`mtl-workbench baselines` finds it out.",
        json_schema_extra=applies(when={"selection.rule": "gain"}),
    )

    @model_validator(mode="after")
    def _baselines_are_above_zero(self) -> SelectionConfig:
        for name, value in self.baselines.items():
            if value <= 0:
                raise ValueError(
                    f'selection.baselines: "{name}" is {value:g}, to which nothing can be related; '
                    "leave it out, or take another rule"
                )
        if self.rule == "gain" and not self.baselines:
            raise ValueError(
                'selection.rule = "gain" needs selection.baselines; run `mtl-workbench baselines` '
                "to find them out"
            )
        return self

    @model_validator(mode="after")
    def _task_goes_with_its_rule(self) -> SelectionConfig:
        if (self.rule == "task") != (self.task is not None):
            raise ValueError('selection.task and selection.rule = "task" go together')
        return self
