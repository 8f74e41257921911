"""A linear-chain conditional random field over the tags of a sentence.

Ours, since the known ones are wrong where we need them: they take masks with holes in them
silently, compute in half precision, and train the scores of what is forbidden. Here a sentence is
its words without gaps, `(sentences, words, tags)` with a length each; all is in float32, inside
autocast too; what is forbidden is a constant.

Source: Lafferty et al. 2001, Conditional random fields; Tsuboi et al. 2008, Training conditional
random fields using incomplete annotations.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.data.pieces import NO_LABEL
from workbench.data.schemes import TransitionRules

FORBIDDEN = -1e5
"""Score of what is not allowed. Not minus infinity, whose differences are NaN; exp() of it is 0
in float32 beside any score that a model gives."""


class Transitions(nn.Module):
    """Scores of tags at the start, after each other and at the end: 0, or `FORBIDDEN`."""

    start: Tensor
    pairs: Tensor
    end: Tensor

    def __init__(self, tags: int, rules: TransitionRules | None) -> None:
        super().__init__()
        self.has_rules = rules is not None
        shapes = {"start": (tags,), "pairs": (tags, tags), "end": (tags,)}
        for name, shape in shapes.items():
            scores = torch.zeros(shape)
            if rules is not None:
                scores[~torch.from_numpy(getattr(rules, name))] = FORBIDDEN
            # Made anew from the labels at loading: nothing that training could have moved.
            self.register_buffer(name, scores, persistent=False)

    def scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of the start `(tags,)`, from tag to tag `(tags, tags)`, of the end `(tags,)`."""
        return self.start, self.pairs, self.end


class Crf(nn.Module):
    """Learned transitions between tags, and on top what is forbidden.

    The transitions begin at 0, so that the first predictions are those of the linear layer.
    They carry `no_decay`: weight decay would pull them towards "all transitions alike".
    """

    def __init__(self, tags: int, rules: TransitionRules | None = None) -> None:
        super().__init__()
        self.fixed = Transitions(tags, rules)
        self.start = nn.Parameter(torch.zeros(tags))
        self.pairs = nn.Parameter(torch.zeros(tags, tags))
        self.end = nn.Parameter(torch.zeros(tags))
        for parameter in (self.start, self.pairs, self.end):
            parameter.no_decay = True  # type: ignore[attr-defined]  # read by the optimizer's groups

    def scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of the start `(tags,)`, from tag to tag `(tags, tags)`, of the end `(tags,)`."""
        start, pairs, end = self.fixed.scores()
        return self.start + start, self.pairs + pairs, self.end + end

    def loss_sum(self, emissions: Tensor, labels: Tensor, lengths: Sequence[int]) -> Tensor:
        """Negative log-likelihood of the tags that are known, summed over the sentences.

        The sum is over the sentences' nats; divided by the number of annotated WORDS it can be
        compared with the loss of a linear head. A word without a label is summed over all its
        tags. A sentence whose tags the rules forbid (the maximum length cut a span in two)
        teaches nothing: its loss is 0.

        Args:
            emissions: Scores of each word's tags, `(sentences, words, tags)`.
            labels: `NO_LABEL` where there is none, `(sentences, words)`.
            lengths: Words of each sentence, at least one.
        """
        emissions, scores = emissions.float(), self.scores()
        admitted = torch.zeros_like(emissions)
        known = labels != NO_LABEL
        others = torch.arange(emissions.shape[2], device=labels.device) != labels.unsqueeze(-1)
        admitted = admitted.masked_fill(known.unsqueeze(-1) & others, FORBIDDEN)
        losses = log_partition(emissions, lengths, scores) - log_partition(
            emissions + admitted, lengths, scores
        )
        if self.fixed.has_rules:
            ways = log_partition(admitted, lengths, self.fixed.scores())
            losses = losses * (ways > FORBIDDEN / 2)
        return losses.sum()


def log_partition(
    emissions: Tensor, lengths: Sequence[int], scores: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Log of the sum over all ways to tag each sentence, `(sentences,)`.

    Args:
        emissions: In float32, `(sentences, words, tags)`.
        lengths: Words of each sentence, at least one.
        scores: Of start, pairs and end.
    """
    start, pairs, end = scores
    last = torch.tensor(lengths, device=emissions.device)
    total = start + emissions[:, 0]  # (sentences, tags)
    for at in range(1, emissions.shape[1]):
        onward = torch.logsumexp(total.unsqueeze(2) + pairs, dim=1) + emissions[:, at]
        total = torch.where((at < last).unsqueeze(1), onward, total)
    return torch.logsumexp(total + end, dim=1)


def viterbi(
    emissions: Tensor, lengths: Sequence[int], scores: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """The best tags of each sentence, `(sentences, words)`; 0 beyond its length.

    Args:
        emissions: Scores of each word's tags, `(sentences, words, tags)`.
        lengths: Words of each sentence, at least one.
        scores: Of start, pairs and end.
    """
    start, pairs, end = scores
    last = torch.tensor(lengths, device=emissions.device)
    stay = torch.arange(emissions.shape[2], device=emissions.device).expand(emissions[:, 0].shape)
    total = start + emissions[:, 0].float()  # (sentences, tags)
    origins = []
    for at in range(1, emissions.shape[1]):
        best, origin = (total.unsqueeze(2) + pairs).max(dim=1)
        goes_on = (at < last).unsqueeze(1)
        total = torch.where(goes_on, best + emissions[:, at].float(), total)
        origins.append(torch.where(goes_on, origin, stay))
    tags = [(total + end).argmax(dim=1)]
    for origin in reversed(origins):
        tags.append(origin.gather(1, tags[-1].unsqueeze(1)).squeeze(1))
    found = torch.stack(tags[::-1], dim=1)
    within = torch.arange(found.shape[1], device=last.device) < last.unsqueeze(1)
    return found * within
