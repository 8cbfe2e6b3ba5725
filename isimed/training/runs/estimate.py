"""How long a training will take and how much memory, said before it starts."""

import os
import statistics
from dataclasses import dataclass

from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.methods import find_method
from isimed.training.runs.folder import Run

# Rough guesses of speed for where no run has measured it yet, for a 32³ crop with one view.
CROPS_PER_SECOND_A_CORE, CROPS_PER_SECOND_GPU = 8.0, 1500.0
# Measured on a CPU by docs/scripts/measure_memory.py (six cases without DINO, the fit within 2 %); as much is
# assumed of Apple's GPU, and less of CUDA's, where activations are bf16: that has not been measured.
BASE_BYTES, BYTES_A_CROP = 0.92e9, {"cpu": 16e6, "mps": 16e6, "cuda": 14e6}
TEACHER_WORK = 1.5  # a teacher adds two forward passes to the student's
RUNS_ASKED = 20


@dataclass(frozen=True)
class Estimate:
    """What a training would take.

    Attributes:
        steps: of the whole training.
        crops: crops a step.
        seconds: of the whole training, without preparing the cohort.
        memory: bytes on the device at the peak of a step.
        source: where the speed comes from, in words.
        rate: crops a second.
        volume_memory: bytes of ``memory`` that each volume of a step adds.
    """

    steps: int
    crops: int
    seconds: float
    memory: float
    source: str
    rate: float
    volume_memory: float

    def volumes_within(self, free: float) -> int:
        """How many volumes a step would fit into so many bytes; 0 where none does."""
        return max(0, int((free - BASE_BYTES) // self.volume_memory))


def estimate(config: TrainConfig, *, training_volumes: int, device: str) -> Estimate:
    """Time and memory of a training on this machine.

    The speed is that of the last run with the same method, device and crop size; a rough guess where there is none.
    """
    steps = config.steps_per_epoch(training_volumes) * config.epochs
    method = find_method(config.method)
    crops = min(config.volumes_per_step, training_volumes) * method.samples(config)
    total = training_volumes * method.samples(config) * config.epochs
    measured = _measured(config, device)
    rate, source = measured or (_guess(config, device), "a rough guess: no run of this method on this device yet")
    crop_memory = _size(config) * BYTES_A_CROP[device]
    return Estimate(
        steps=steps,
        crops=crops,
        seconds=total / rate,
        memory=BASE_BYTES + crops * crop_memory,
        source=source,
        rate=rate,
        volume_memory=method.samples(config) * crop_memory,
    )


def _views(config: TrainConfig) -> int:
    method = find_method(config.method)
    return method.full_views(config) + method.local_views(config)


def _guess(config: TrainConfig, device: str) -> float:
    work = _size(config) * (TEACHER_WORK if find_method(config.method).teacher else 1)
    cores = config.threads or os.cpu_count() or 1
    rate = CROPS_PER_SECOND_A_CORE * cores if device == "cpu" else CROPS_PER_SECOND_GPU
    processes = config.nodes * max(1, config.gpus) if config.on == "slurm" else 1
    return processes * rate / work


def _size(config: TrainConfig) -> float:
    """How many crops of 32³ voxels with one view a crop, or a window, amounts to."""
    if find_method(config.method).crops:
        return float(_views(config) * (config.crop_size / 32) ** 3)
    return float(((1 + config.largest_window / 32) / 2) ** 3)  # as long on the average in each direction


def _kind(config: TrainConfig) -> tuple:
    """Trainings of one kind are equally fast on one machine."""
    where = (config.on, config.nodes, config.gpus, config.threads)
    return config.method, config.crop_size, config.largest_window, _views(config), where


def _measured(config: TrainConfig, device: str) -> tuple[float, str] | None:
    for run in Run.all()[:RUNS_ASKED]:
        try:
            its = run.config
            if _kind(its) != _kind(config):
                continue
        except ValueError:
            continue
        if run.read_status().device.split(":")[0] == device:
            rates = [line["crops_per_second"] for line in run.metrics()[-50:] if "crops_per_second" in line]
            if len(rates) >= 3:
                return statistics.median(rates), f"as fast as {run.id} was"
    return None


def in_words(seconds: float) -> str:
    """A duration as a person says it: ``50 s``, ``12 min``, ``3 h 20 min``, ``2 days 4 h``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} days {minutes % 1440 // 60} h"
