"""The layers of an encoder through `torch.compile`: one by one, in place.

In place, no parameter gets another name, so that checkpoints, adapters and freezing know nothing
of it. One by one, since layers are alike: what is compiled for the first serves them all, which
takes a fraction of the time, and what is not in a layer (pooling, heads, embeddings of which some
rows are trained) need not be made for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from workbench.model.multitask import MultiTaskModel
from workbench.model.parts import encoder_layers

BACKEND = "inductor"
"""What makes the kernels."""


def compile_layers(model: MultiTaskModel) -> None:
    """Compile the layers of the backbone; nothing happens before the first pass.

    For any length and number of texts at once: batches differ in both, and would else be compiled
    anew for each.
    """
    # Several backward passes through one graph (looks at tasks' gradients) need its buffers again.
    import torch._functorch.config as settings

    settings.donated_buffer = False
    # All layers share one function, which is compiled anew for each way that they are frozen, mode
    # and batch of a single text; past the limit it would run as it is, and only torch's log say so.
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)
    for layer in encoder_layers(model.backbone):
        layer.compile(dynamic=True, backend=BACKEND)


def why_not_compiled(model: MultiTaskModel, *, pad_id: int) -> str | None:
    """Try a pass forward and back, trained and evaluated; None if it works, and the kernels stay.

    Else the model is as it was before `compile_layers`. No gradient and no random number is
    touched.

    Args:
        model: On its device, frozen as it will be trained.
        pad_id: Any piece will do.
    """
    backbone = model.backbone
    device = next(backbone.parameters()).device
    trained = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    was_training = model.training
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            for texts, length in ((2, 5), (3, 9)):
                ids = torch.full((texts, length), pad_id, device=device)
                mask = torch.ones_like(ids)
                mask[0, length // 2 :] = 0
                model.train()
                hidden = model.hidden(ids, mask)
                if trained:
                    for keeps in (True, False):
                        torch.autograd.grad(
                            hidden.float().sum(), trained, retain_graph=keeps, allow_unused=True
                        )
                model.eval()
                with torch.no_grad():
                    model.hidden(ids, mask)
    except Exception as error:  # compilers raise whatever their back ends raise
        for layer in encoder_layers(backbone):
            layer._compiled_call_impl = None
        return _said_by(error)
    finally:
        model.train(was_training)
    return None


def _said_by(error: Exception) -> str:
    """What a compiler's error says first; a line that ends in a colon leads to the next."""
    told = ""
    for line in str(error).strip().splitlines():
        told = f"{told} {line.strip()}".lstrip()
        if line.strip() and not line.rstrip().endswith(":"):
            break
    return told or type(error).__name__


@contextmanager
def uncompiled(layers: Sequence[nn.Module]) -> Iterator[None]:
    """Inside, these layers are called as they are written, with whatever was put into them."""
    compiled: list[Any] = [layer._compiled_call_impl for layer in layers]
    for layer in layers:
        layer._compiled_call_impl = None
    try:
        yield
    finally:
        for layer, call in zip(layers, compiled, strict=True):
            layer._compiled_call_impl = call
