"""What the GPUs do is read from their driver's program, and what it does not say is not made up."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from isimed.models.gpu import Gpu, read_gpus


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def answer(text: str, *, status: int = 0) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n")
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return answer


def test_every_gpu_is_told_with_its_name_share_and_memory(driver: Callable[..., None]) -> None:
    driver("NVIDIA H100 80GB HBM3, 97, 40960, 81559\nNVIDIA T4, 0, 3, 15360")
    first, second = read_gpus()
    assert (first.name, first.busy) == ("NVIDIA H100 80GB HBM3", 97.0)
    assert first.in_words() == "NVIDIA H100 80GB HBM3: 97 % busy, 42.9 of 86 GB in use"
    assert second.in_words() == "NVIDIA T4: 0 % busy, 0.0 of 16 GB in use"


def test_what_a_gpu_does_not_say_is_left_out(driver: Callable[..., None]) -> None:
    driver("NVIDIA A100, [N/A], 1024, 40960\nNVIDIA old, 3, [N/A], [N/A]")
    (gpu,) = read_gpus()
    assert gpu == Gpu("NVIDIA A100", None, 1024 * 2**20, 40960 * 2**20)
    assert "busy" not in gpu.in_words()


def test_a_driver_that_fails_or_is_not_there_tells_of_no_gpu(
    driver: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    driver("Failed to initialize NVML: Driver/library version mismatch", status=18)
    assert read_gpus() == []
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert read_gpus() == []
