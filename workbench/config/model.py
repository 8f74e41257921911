"""Backbone, pooling and freezing: what is trained, before any task is named."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from workbench.config.base import IS_SET, Settings, applies, names

PoolingPart = Literal[
    "cls", "max", "mean", "mean_sqrt", "weighted_mean", "last", "min", "attention"
]
"""Ways to one vector per text, in the order in which several of them stand side by side."""
PoolingMode = Literal[
    "mean",
    "cls",
    "max",
    "min",
    "mean_sqrt",
    "weighted_mean",
    "last",
    "attention",
    "concat",
]
ProjectionActivation = Literal["tanh", "linear"]
FreezingMode = Literal[
    "none",
    "everything",
    "backbone",
    "embeddings",
    "lowest",
    "all_but_top",
    "norms_only",
    "biases_only",
]


BackboneKind = Literal["transformer", "stack"]
Embedding = Literal["words", "word_vectors", "char_lstm", "char_cnn"]


class WordsConfig(Settings):
    """Vectors of words, in a stack."""

    size: int = Field(
        default=100,
        ge=1,
        le=4096,
        description="Length of a vector of the embedding words.",
        json_schema_extra=applies(when={"backbone.kind": "stack"}),
    )
    min_count: int = Field(
        default=2,
        ge=1,
        description="Words that training has less often are unknown to the embedding words: so "
        "what stands for unknown ones is learned, too.",
        json_schema_extra=applies(when={"backbone.kind": "stack"}),
    )
    lowercase: bool = Field(
        default=True,
        description="Look words up in small letters. Characters keep their case.",
        json_schema_extra=applies(when={"backbone.kind": "stack"}),
    )
    file: str | None = Field(
        default=None,
        min_length=1,
        description="Text file of word vectors for word_vectors (GloVe, word2vec or fastText; .vec "
        "or .txt, also .gz), relative to the preset or --data-root. Of it the words of train and "
        "dev are kept, and the first rows.",
        json_schema_extra=applies(when={"backbone.kind": "stack"}),
    )
    first_rows: int = Field(
        default=20_000,
        ge=0,
        description="Rows from the top of the file that are kept whether they occur or not, so "
        "that new texts find them; files begin with the frequent words.",
        json_schema_extra=applies(when={"backbone.words.file": IS_SET}),
    )
    trained: bool = Field(
        default=False,
        description="Train the vectors of the file, too. false keeps them, as is right for small "
        "corpora: words that training lacks stay comparable with those it has.",
        json_schema_extra=applies(when={"backbone.words.file": IS_SET}),
    )


class CharactersConfig(Settings):
    """Vectors of words from their characters, in a stack."""

    size: int = Field(
        default=25,
        ge=1,
        le=1024,
        description="Length of a character's vector.",
        json_schema_extra=applies(when={"backbone.kind": "stack"}),
    )
    vector_size: int = Field(
        default=50,
        ge=2,
        le=4096,
        description="Length of the vector that a word has from its characters: both directions of "
        "the LSTM together, or the number of filters of the CNN.",
        json_schema_extra=applies(when={"backbone.kind": "stack"}),
    )
    width: int = Field(
        default=3,
        ge=1,
        le=9,
        description="How many neighbouring characters a filter of char_cnn sees.",
        json_schema_extra=applies(when={"backbone.kind": "stack"}),
    )
    max_length: int = Field(
        default=24,
        ge=1,
        le=256,
        description="Characters of a word that are read.",
        json_schema_extra=applies(when={"backbone.kind": "stack"}),
    )


class DocumentRnnConfig(Settings):
    """The RNN over the words of a text, in a stack; all tasks share it."""

    cell: Literal["none", "lstm", "gru"] = Field(
        default="lstm",
        description="none: words know nothing of each other; the quickest, often enough for "
        "topics. lstm: the usual choice (Hochreiter and Schmidhuber 1997). gru: a quarter fewer "
        "values, hardly worse (Cho et al. 2014).",
        json_schema_extra=applies(when={"backbone.kind": "stack"}),
    )
    hidden_size: int = Field(
        default=256,
        ge=1,
        le=8192,
        description="Size in each direction.",
        json_schema_extra=applies(when={"backbone.rnn.cell": ["lstm", "gru"]}),
    )
    layers: int = Field(
        default=1,
        ge=1,
        le=8,
        description="Layers, one on the other; freezing and rates by layer speak of these.",
        json_schema_extra=applies(when={"backbone.rnn.cell": ["lstm", "gru"]}),
    )
    bidirectional: bool = Field(
        default=True,
        description="Read in both directions. false: from left to right; pool by last then.",
        json_schema_extra=applies(when={"backbone.rnn.cell": ["lstm", "gru"]}),
    )


class LoraConfig(Settings):
    """Adapters: of the backbone only small matrices beside its layers are trained."""

    rank: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="Rank of the matrices; 0 for no adapters. 4 to 16 are usual. Trains a "
        "hundredth of the values, needs little memory, keeps what the backbone knows (Hu et al. "
        "2022); wants a rate ten times higher, and the extra lora. An export has them added in.",
        json_schema_extra=applies(when={"backbone.kind": "transformer"}),
    )
    alpha: int = Field(
        default=16,
        ge=1,
        le=4096,
        description="What the adapters add counts alpha / rank times.",
        json_schema_extra=applies(when={"backbone.lora.rank": IS_SET}),
    )
    dropout: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Dropout before the adapters.",
        json_schema_extra=applies(when={"backbone.lora.rank": IS_SET}),
    )
    targets: Literal["query_value", "attention", "all"] = Field(
        default="query_value",
        description="Beside which linear layers of each layer. query_value: those that make "
        "queries and values; the usual, smallest choice. attention: all of attention. all: the "
        "feed-forward part, too; nearest to full training.",
        json_schema_extra=applies(when={"backbone.lora.rank": IS_SET}),
    )
    modules: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="Names of linear layers, as query or down_proj, in place of targets.",
        json_schema_extra=applies(when={"backbone.lora.rank": IS_SET}),
    )


class BackboneConfig(Settings):
    """What all tasks share: a pretrained transformer, or a stack that is trained from scratch."""

    kind: BackboneKind = Field(
        default="transformer",
        description="transformer: a pretrained model; the best figures by far where there is one "
        "for the language. stack: embeddings of words and characters and an RNN over them, trained "
        "from scratch without any download; small and quick, for large corpora, odd kinds of text, "
        "small machines, and as a floor to compare with.",
    )
    model: str = Field(
        default="minilm",
        min_length=1,
        description=(
            "Alias (minilm), a folder with a transformers or sentence-transformers model, or a hub "
            "id. BERT, RoBERTa, DeBERTa, ModernBERT, ELECTRA, XLM-R, DistilBERT and their like "
            "read in both directions and suit every task. Of T5 and its like the encoder is taken; "
            "it wants a higher rate (1e-4). GPT-2, Llama, Qwen read left to right: pool by last "
            "or weighted_mean; for tagging they do not know what follows a word. Of a "
            "sentence-transformers folder the transformer is taken; pool as it was trained to."
        ),
        json_schema_extra=names("backbone") | applies(when={"backbone.kind": "transformer"}),
    )
    max_length: int = Field(
        default=128,
        ge=4,
        le=8192,
        description="Longest text in word pieces, of a stack in words; what is longer is cut, and "
        "the cut is reported.",
    )
    pretrained: bool = Field(
        default=True,
        description="Begin with the model's own weights. false: with random ones, in its "
        "architecture and with its tokenizer; for a floor to compare with, for large corpora of "
        "an odd kind, and for trying things out. The three sizes below make it another size.",
        json_schema_extra=applies(when={"backbone.kind": "transformer"}),
    )
    hidden_size: int | None = Field(
        default=None,
        ge=2,
        le=16384,
        description="Size of the vectors with pretrained = false, if not the model's own.",
        json_schema_extra=applies(when={"backbone.pretrained": False}),
    )
    layers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Number of layers with pretrained = false, if not the model's own.",
        json_schema_extra=applies(when={"backbone.pretrained": False}),
    )
    attention_heads: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Attention heads with pretrained = false; they have to divide hidden_size.",
        json_schema_extra=applies(when={"backbone.pretrained": False}),
    )
    layer: int | None = Field(
        default=None,
        ge=1,
        description="Take the vectors of this layer, counted from 1, and leave out those above: a "
        "smaller and quicker model, often as good on a task of form. All layers if not set.",
        json_schema_extra=applies(when={"backbone.kind": "transformer"}),
    )
    lora: LoraConfig = Field(default_factory=LoraConfig)
    embeddings: tuple[Embedding, ...] = Field(
        default=("words", "char_lstm"),
        min_length=1,
        strict=False,  # TOML and JSON have lists, no tuples
        description="What a word's vector in a stack is made of, side by side. words: a table "
        "learned from scratch. word_vectors: those of backbone.words.file. char_lstm: its "
        "characters read by an LSTM (Lample et al. 2016); knows endings, capitals and unknown "
        "words. char_cnn: its characters read by a CNN (Ma and Hovy 2016); as good, quicker.",
        json_schema_extra=applies(when={"backbone.kind": "stack"}),
    )
    words: WordsConfig = Field(default_factory=WordsConfig)
    characters: CharactersConfig = Field(default_factory=CharactersConfig)
    rnn: DocumentRnnConfig = Field(default_factory=DocumentRnnConfig)
    dropout: float = Field(
        default=0.3,
        ge=0.0,
        lt=1.0,
        description="Dropout on the embeddings of a stack and after each layer of its RNN.",
        json_schema_extra=applies(when={"backbone.kind": "stack"}),
    )

    @property
    def words_for_it(self) -> str:
        """What it is, in a few words: the model's name, or what a stack is made of."""
        if self.kind == "transformer":
            return self.model if self.pretrained else f"{self.model} with random weights"
        return "+".join([*self.embeddings, *([self.rnn.cell] if self.rnn.cell != "none" else [])])

    @model_validator(mode="after")
    def _sizes_go_with_random_weights(self) -> Self:
        for name in ("hidden_size", "layers", "attention_heads"):
            if self.pretrained and getattr(self, name) is not None:
                raise ValueError(
                    f"backbone.{name} goes with backbone.pretrained = false; pretrained weights "
                    "have the size they have (backbone.layer leaves layers out)"
                )
        return self

    @model_validator(mode="after")
    def _a_stack_is_no_transformer(self) -> Self:
        told = {
            "layer": self.layer is not None,
            "pretrained": not self.pretrained,
            "lora.rank": self.lora.rank > 0,
        }
        if self.kind == "stack" and any(told.values()):
            name = next(name for name, is_told in told.items() if is_told)
            raise ValueError(
                f"backbone.{name} is of a transformer, but backbone.kind is stack; leave it out"
            )
        if len(set(self.embeddings)) < len(self.embeddings):
            raise ValueError("backbone.embeddings names one of them twice; name each once")
        if self.kind == "stack" and ("word_vectors" in self.embeddings) != bool(self.words.file):
            raise ValueError(
                "backbone.embeddings has word_vectors if and only if backbone.words.file names "
                f"their file; now embeddings are {', '.join(self.embeddings)} and the file is "
                f"{self.words.file or 'not set'}"
            )
        return self


_MODE = (
    "mean: average of the real tokens, padding left out; the safe choice (Reimers and Gurevych "
    "2019). "
    "cls: the first token's vector (Devlin et al. 2019). "
    "max, min: the largest or smallest value per dimension. "
    "mean_sqrt: the sum over the root of the length (Cer et al. 2018). "
    "weighted_mean: later tokens weigh more; for backbones that read left to right "
    "(Muennighoff 2022). "
    "last: the last token's vector; for backbones that read left to right (Neelakantan et al. "
    "2022). "
    "attention: an average whose weights are learned, for texts in which a few words decide "
    "(Yang et al. 2016). "
    "concat: several of them side by side, those of modes."
)
_MODES = (
    "What concat puts side by side, such as mean and max. Their order is of no account: they "
    f"always stand as {', '.join(get_args(PoolingPart))}."
)
_PROJECTION = (
    "Size of a dense layer after it, learned at the heads' rate; 0 for none. Makes the vectors "
    "shorter, or several tasks' views of them equal in size."
)
_ACTIVATION = "What follows the dense layer. tanh: as in BERT's own pooler. linear: nothing."
_NORMALIZE = (
    "Scale each vector to length 1, so that a product is a cosine. For vectors to search with; a "
    "classification on them wants a higher head_learning_rate."
)


class PoolingConfig(Settings):
    """How token vectors become one vector per text."""

    mode: PoolingMode = Field(default="mean", description=_MODE)
    modes: tuple[PoolingPart, ...] = Field(
        default=(),
        strict=False,  # TOML and JSON have lists, no tuples
        description=_MODES,
        json_schema_extra=applies(when={"pooling.mode": "concat"}),
    )
    projection: int = Field(
        default=0,
        ge=0,
        le=16384,
        description=_PROJECTION,
        json_schema_extra=applies(unless={"pooling.mode": "as default"}),
    )
    projection_activation: ProjectionActivation = Field(
        default="tanh",
        description=_ACTIVATION,
        json_schema_extra=applies(when={"pooling.projection": IS_SET}),
    )
    normalize: bool = Field(
        default=False,
        description=_NORMALIZE,
        json_schema_extra=applies(unless={"pooling.mode": "as default"}),
    )

    @property
    def parts(self) -> tuple[str, ...]:
        """What stands side by side: one mode, or those of concat in their order."""
        if self.mode != "concat":
            return (self.mode,)
        return tuple(part for part in get_args(PoolingPart) if part in self.modes)

    @property
    def is_learned(self) -> bool:
        """Whether it has parameters."""
        return "attention" in self.parts or self.projection > 0

    @model_validator(mode="after")
    def _modes_go_with_concat(self) -> Self:
        if self.mode == "concat" and len(set(self.modes)) < 2:
            raise ValueError(
                "pooling.mode = concat puts several vectors side by side, but pooling.modes has "
                f'{len(set(self.modes))}; set it to two or more, such as ["mean", "max"]'
            )
        if self.mode != "concat" and self.modes:
            raise ValueError(
                f"pooling.modes goes with pooling.mode = concat; now mode is {self.mode}"
            )
        if len(set(self.modes)) < len(self.modes):
            raise ValueError("pooling.modes names one of them twice; name each once")
        return self


class TaskPoolingConfig(PoolingConfig):
    """How a text becomes a vector for one task."""

    mode: Literal["as default", PoolingMode] = Field(  # type: ignore[assignment]  # one word more
        default="as default",
        description="Any but the first gives the task a pooling of its own, all of it from here. "
        f"as default: the task shares what [pooling] says. {_MODE}",
    )

    @model_validator(mode="after")
    def _the_default_is_shared_whole(self) -> Self:
        changed = [
            name
            for name, field in type(self).model_fields.items()
            if name != "mode" and getattr(self, name) != field.default
        ]
        if self.mode == "as default" and changed:
            raise ValueError(
                f"pooling.{changed[0]} is set, but pooling.mode is as default, which takes all "
                "from [pooling]; give the task a pooling.mode of its own"
            )
        return self


class FreezingConfig(Settings):
    """Which parameters do not move: those of the mode, of the named heads and of the patterns."""

    mode: FreezingMode = Field(
        default="none",
        description=(
            "none: all is trained; the best figures where there is enough data, and the dearest. "
            "everything: nothing is learned; the run evaluates and saves the model as it is, to "
            "have a floor to compare with. "
            "backbone: only the heads are trained; several times quicker, hard to overfit, right "
            "where labels are scarce or the texts near to what the backbone has seen; the tasks "
            "cannot help each other then. "
            "embeddings: words that training does not show keep their vectors beside those it "
            "does; saves memory, costs little. "
            "lowest: the embeddings and the lowest freezing.layers layers, which hold what is "
            "general about language; quicker, as no gradient goes below them. "
            "all_but_top: only the top freezing.layers layers and the heads are trained; between "
            "backbone and none in cost and in fit. "
            "norms_only: of the backbone only the norms are trained; a few thousand values per "
            "layer that shift all of it, little memory, no quicker. "
            "biases_only: only its biases (BitFit, Ben Zaken et al. 2022); near to full training "
            "where data is scarce; wants a rate ten times higher."
        ),
    )
    layers: int = Field(
        default=0,
        ge=0,
        description="How many layers lowest freezes, or all_but_top leaves to be trained.",
        json_schema_extra=applies(when={"freezing.mode": ["lowest", "all_but_top"]}),
    )
    heads: tuple[str, ...] = Field(
        default=(),
        strict=False,  # TOML and JSON have lists, no tuples
        description="Tasks whose heads do not move, whatever the mode. Keeps what such a head says "
        "while others learn; but it drifts from a backbone that moves under it, which draws a "
        "warning.",
        json_schema_extra=applies(unless={"freezing.mode": "everything"}) | names("task"),
    )
    patterns: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="Names of parameters that do not move either, with * for any text, as "
        "*.attention.*; one that fits nothing is an error.",
        json_schema_extra=applies(unless={"freezing.mode": "everything"}),
    )
    gradual: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="Share of the run in which the backbone thaws, from its top layer down; the "
        "heads learn first, so that they do not upset it (Howard and Ruder 2018). 0 = at once. "
        "What is frozen otherwise stays so.",
        json_schema_extra=applies(unless={"freezing.mode": ["everything", "backbone"]}),
    )

    @model_validator(mode="after")
    def _layers_go_with_their_modes(self) -> FreezingConfig:
        if (self.mode in ("lowest", "all_but_top")) != (self.layers > 0):
            raise ValueError(
                "freezing.layers goes with freezing.mode = lowest or all_but_top, which need it; "
                f"now mode is {self.mode} and layers {self.layers}"
            )
        return self

    @model_validator(mode="after")
    def _there_is_something_to_thaw(self) -> FreezingConfig:
        if self.gradual and self.mode in ("everything", "backbone"):
            raise ValueError(
                f"freezing.gradual thaws the backbone, which freezing.mode = {self.mode} keeps "
                "frozen; set mode to none, or gradual to 0"
            )
        return self
