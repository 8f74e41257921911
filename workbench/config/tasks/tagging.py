"""A tag for each word."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.config.base import applies, names
from workbench.config.tasks.data import DataConfig
from workbench.config.tasks.task import BaseTask

ConlluColumn = Literal["lemma", "upos", "xpos", "feats", "deprel", "misc"]
TagScheme = Literal["as read", "bio", "bioes"]
WordPieces = Literal["first", "last", "mean", "first+last"]
RnnCell = Literal["none", "lstm", "gru"]


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
