"""One label for a text, from a handful of examples of each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from workbench.config.base import applies, names
from workbench.config.tasks.data import DataConfig
from workbench.config.tasks.task import PooledTask


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
