"""What cuDNN refuses is not asked of it: the way back through cells in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from workbench.model.heads.sentences import SentenceRnn
from workbench.model.stack import CharacterLstm, StackSettings, WordStack


def a_head() -> tuple[nn.Module, Callable[[nn.Module], Tensor]]:
    made = SentenceRnn(4, cell="lstm", hidden_size=3, layers=1, dropout=0.0)
    words = torch.randn(5, 4, requires_grad=True)
    return made, lambda module: module(words, [3, 2])


def characters() -> tuple[nn.Module, Callable[[nn.Module], Tensor]]:
    made = CharacterLstm(StackSettings(("char_lstm",), characters=6))
    return made, lambda module: module(torch.ones(2, dtype=torch.long), torch.ones(2, 3).long())


def layers() -> tuple[nn.Module, Callable[[nn.Module], Tensor]]:
    made = WordStack(StackSettings(("words",), known=6, words=6, rnn="gru", rnn_size=3))
    ids, mask = torch.ones(2, 3, 1).long(), torch.ones(2, 3).long()
    return made, lambda module: module(ids, mask)


@pytest.mark.parametrize("make", [a_head, characters, layers])
def test_cells_in_evaluation_mode_do_without_cudnn_if_a_gradient_is_wanted(
    make: Callable[[], tuple[nn.Module, Callable[[nn.Module], Tensor]]],
) -> None:
    module, run = make()
    seen: list[bool] = []
    for part in module.modules():
        if isinstance(part, nn.RNNBase):
            part.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.enabled))
    before = torch.backends.cudnn.enabled

    run(module.train())
    with torch.no_grad():
        run(module.eval())
    run(module.eval())

    assert seen == [before, before, False]
    assert torch.backends.cudnn.enabled is before
