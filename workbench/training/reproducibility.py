"""Everything that is random in a run: its seeds, and where its streams stand."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from workbench.training.state import State


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch on all devices."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the random streams as they were, whatever is drawn inside.

    So an evaluation more changes nothing of what is learned. It is not idle: what is imported at
    the first evaluation (scikit-learn) draws from Python's stream.
    """
    streams = RandomStreams()
    before = streams.state()
    try:
        yield
    finally:
        streams.restore(before)


class RandomStreams:
    """The streams that belong to the process: Python's, NumPy's, torch's on the CPU and GPUs."""

    def state(self) -> State:
        """Where each stream stands."""
        version, words, gauss = random.getstate()
        name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
        devices = {}
        if torch.cuda.is_available():
            devices["cuda"] = torch.cuda.get_rng_state_all()
        if torch.backends.mps.is_available():
            devices["mps"] = [torch.mps.get_rng_state()]
        return {
            "python": {"version": version, "words": torch.tensor(words), "gauss": gauss},
            "numpy": {
                "name": str(name),
                "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
                "position": int(position),
                "has_gauss": int(has_gauss),
                "gauss": float(cached),
            },
            "torch": torch.get_rng_state(),
            "devices": devices,
        }

    def restore(self, state: State) -> None:
        """Let each stream go on from there; of another number of GPUs, those that are there."""
        python, numpy = state["python"], state["numpy"]
        random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
        keys = numpy["keys"].numpy().astype(np.uint32)
        np.random.set_state(
            (numpy["name"], keys, numpy["position"], numpy["has_gauss"], numpy["gauss"])
        )
        torch.set_rng_state(state["torch"])
        for number, stream in enumerate(state["devices"].get("cuda", ())):
            if number < torch.cuda.device_count():
                torch.cuda.set_rng_state(stream, number)
        for stream in state["devices"].get("mps", ()):
            if torch.backends.mps.is_available():
                torch.mps.set_rng_state(stream)
