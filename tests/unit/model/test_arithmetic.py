from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from workbench.errors import ConfigError
from workbench.model import arithmetic
from workbench.model.arithmetic import choose_arithmetic, choose_matrix_backend


def machine(
    monkeypatch: pytest.MonkeyPatch, *, gpus: int = 0, bf16: bool = False, mps: bool = False
) -> None:
    """Make torch say that this is another machine."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("gpus", "bf16", "device", "precision"),
    [
        (0, False, "cpu", "fp32"),
        (1, True, "cuda", "bf16"),
        (1, False, "cuda", "fp32"),
    ],
)
def test_auto_takes_the_gpu_and_bf16_where_they_are(
    monkeypatch: pytest.MonkeyPatch, gpus: int, bf16: bool, device: str, precision: str
) -> None:
    machine(monkeypatch, gpus=gpus, bf16=bf16)

    chosen = choose_arithmetic("auto", "auto")

    assert (chosen.device.type, chosen.precision) == (device, precision)


def test_a_gpu_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpus=2, bf16=True)

    assert choose_arithmetic("cuda:1", "fp16").device == torch.device("cuda:1")
    assert choose_arithmetic("cpu", "auto").precision == "fp32"


@pytest.mark.parametrize(
    ("gpus", "device", "precision", "what", "where"),
    [
        (0, "cuda", "auto", r"The device cuda is not there; torch sees 0 GPU", "device"),
        (1, "cuda:1", "auto", r"The device cuda:1 is not there; torch sees 1 GPU", "device"),
        (1, "mps", "auto", r"The device mps is not there", "device"),
        (1, "cpu", "fp16", r"fp16 is for GPUs; the device here is cpu", "precision"),
        (0, "auto", "fp16", r"fp16 is for GPUs", "precision"),
    ],
)
def test_what_the_machine_has_not_is_refused(
    monkeypatch: pytest.MonkeyPatch, gpus: int, device: str, precision: str, what: str, where: str
) -> None:
    machine(monkeypatch, gpus=gpus)

    with pytest.raises(ConfigError, match=what) as caught:
        choose_arithmetic(device, precision)

    assert caught.value.where == f"[training] {where}"
    assert caught.value.next_step


def test_only_fp16_scales_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)

    assert not choose_arithmetic("cpu", "bf16").scaler().is_enabled()
    assert not choose_arithmetic("cpu", "fp32").scaler().is_enabled()


def test_autocast_computes_in_the_precision_that_was_chosen() -> None:
    linear = nn.Linear(2, 2)

    with choose_arithmetic("cpu", "bf16").autocast():
        assert linear(torch.ones(1, 2)).dtype == torch.bfloat16
    with choose_arithmetic("cpu", "fp32").autocast():
        assert linear(torch.ones(1, 2)).dtype == torch.float32


class FakeMatmul:
    """The CPU's settings, with candidates of known error and speed."""

    fp32_precision = "none"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMatmul]:
    settings = FakeMatmul()
    monkeypatch.setattr(torch.backends.mkldnn, "matmul", settings)
    choose_matrix_backend.cache_clear()
    yield settings
    choose_matrix_backend.cache_clear()


def candidates(
    monkeypatch: pytest.MonkeyPatch, fake: FakeMatmul, **known: tuple[float, float]
) -> None:
    """Give each candidate (error, seconds)."""
    exact_linear = nn.functional.linear

    def linear(inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        result = exact_linear(inputs, weights)
        return result + known[fake.fp32_precision][0] if inputs.dtype == torch.float32 else result

    monkeypatch.setattr(arithmetic.functional, "linear", linear)
    monkeypatch.setattr(arithmetic, "_fastest", lambda *_: known[fake.fp32_precision][1])


def test_a_faster_matrix_back_end_that_is_not_as_exact_is_refused(
    monkeypatch: pytest.MonkeyPatch, fake: FakeMatmul
) -> None:
    candidates(monkeypatch, fake, none=(1e-3, 1.0), tf32=(1e-1, 0.1), bf16=(1e-2, 0.1))

    assert choose_matrix_backend() == "none"
    assert fake.fp32_precision == "none"


@pytest.mark.parametrize(("seconds", "chosen"), [(0.5, "tf32"), (0.9, "none")])
def test_an_exact_matrix_back_end_must_gain_15_percent(
    monkeypatch: pytest.MonkeyPatch, fake: FakeMatmul, seconds: float, chosen: str
) -> None:
    candidates(monkeypatch, fake, none=(1e-3, 1.0), tf32=(1e-3, seconds), bf16=(1.0, 0.1))

    assert choose_matrix_backend() == chosen
    assert fake.fp32_precision == chosen


def test_the_matrix_back_end_is_chosen_once_in_a_process(
    monkeypatch: pytest.MonkeyPatch, fake: FakeMatmul
) -> None:
    # Else the last choice is the default that the next is measured by, and errors add up.
    candidates(monkeypatch, fake, none=(1e-3, 1.0), tf32=(1.5e-3, 0.5), bf16=(2.8e-3, 0.1))
    first = choose_matrix_backend()

    assert first == "tf32"
    assert choose_matrix_backend() == first


def test_the_matrix_back_end_is_measured_on_one_thread_by_few_products(
    monkeypatch: pytest.MonkeyPatch, fake: FakeMatmul
) -> None:
    threads: list[int] = []
    linear = nn.functional.linear

    def counted(inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        if inputs.dtype == torch.float32:
            threads.append(torch.get_num_threads())
        return linear(inputs, weights)

    monkeypatch.setattr(arithmetic.functional, "linear", counted)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        choose_matrix_backend()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)

    assert threads == [1] * 18


def test_a_back_end_that_the_build_does_not_know_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, fake: FakeMatmul
) -> None:
    class Old(FakeMatmul):
        def __setattr__(self, name: str, value: str) -> None:
            if value != "none":
                raise RuntimeError(f"unknown {value}")
            super().__setattr__(name, value)

    old = Old()
    monkeypatch.setattr(torch.backends.mkldnn, "matmul", old)
    candidates(monkeypatch, old, none=(1e-3, 1.0))

    assert choose_matrix_backend() == "none"
