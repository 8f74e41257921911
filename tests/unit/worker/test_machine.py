from __future__ import annotations

from workbench.worker.machine import GpuFigures, MachineFigures, as_shares


def test_a_gpu_that_tells_no_memory_has_no_share_of_it() -> None:
    gpus = (GpuFigures(0, "GPU-a", "card", 0.5, 0, 0, None),)
    figures = MachineFigures(2.0, 10**9, 4 * 10**9, 0.75, 0.5, 4, gpus)

    shares = as_shares(figures)

    assert shares["gpu0"] == 0.5
    assert "gpu0 memory" not in shares


def test_a_gpu_of_others_is_none_of_the_runs_business() -> None:
    gpus = (
        GpuFigures(0, "GPU-a", "card", 0.5, 3 * 10**9, 12 * 10**9, 60.0),
        GpuFigures(1, "GPU-b", "card", None, 6 * 10**9, 12 * 10**9, None),
    )
    figures = MachineFigures(2.0, 10**9, 4 * 10**9, 0.75, 0.5, 4, gpus)

    shares = as_shares(figures, visible="GPU-b")

    assert shares == {
        "worker cpu": 0.5,
        "worker memory": 0.25,
        "host cpu": 0.75,
        "host memory": 0.5,
        "gpu1 memory": 0.5,
    }
    assert as_shares(figures)["gpu0"] == 0.5
