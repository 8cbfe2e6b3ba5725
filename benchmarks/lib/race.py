"""Two things run in turn in one process, and what is kept of it: repeats, their ratio, the machine."""

import gc
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from isimed.data.cohorts.cohort import Cohort
from isimed.models.card import versions


@dataclass(frozen=True)
class Setting:
    """What a row is run on.

    Attributes:
        cohort: real scans.
        checkpoint: the network that embeds; ``untrained`` computes as fast as any other.
        quick: fewer repeats of less: to see that a row runs, not for figures.
        device: where the rows of pretraining compute, "cpu" or "cuda".
    """

    cohort: Cohort
    checkpoint: str = "untrained"
    quick: bool = False
    device: str = "cpu"

    def target(self, *, cpu: float, gpu: float) -> float:
        """The target of a row of pretraining, which a GPU moves."""
        return gpu if self.device == "cuda" else cpu


@dataclass(frozen=True)
class Ratio:
    """One figure: ours over the other's, repeat by repeat.

    Attributes:
        what: what is compared, in a few words.
        ours, other: one value a repeat, in ``unit``.
        target: at least this, or at most where ``at_most``; None where the figure is only stated.
    """

    what: str
    ours: Sequence[float]
    other: Sequence[float]
    unit: str
    target: float | None = None
    at_most: bool = False

    @property
    def values(self) -> list[float]:
        return [a / b for a, b in zip(self.ours, self.other, strict=True)]

    @property
    def median(self) -> float:
        return float(np.median(self.values))

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.median <= self.target if self.at_most else self.median >= self.target

    def to_dict(self) -> dict[str, Any]:
        spread = {"median": self.median, "low": min(self.values), "high": max(self.values)}
        return asdict(self) | {"ratio": spread, "met": self.met}


@dataclass(frozen=True)
class Figure:
    """One figure that is not a ratio of two ways: a time that a person waits, a count of errors.

    Attributes:
        target: at most this, or at least where ``at_least``; None where the figure is only stated.
    """

    what: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.met}


@dataclass(frozen=True)
class Measured:
    """What a row found: ratios, plain facts, curves (name -> x and y), and figures that are not ratios."""

    ratios: Sequence[Ratio]
    facts: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    figures: Sequence[Figure] = ()


def race(
    ways: Mapping[str, Callable[[], float]], *, repeats: int, warm: int = 1, budget_s: float = 100.0
) -> dict[str, list[float]]:
    """Run all ways in turn, again and again; each second round backwards, so that none always goes first.

    Args:
        ways: name -> what is run; it returns how much it did (crops, volumes, queries).
        warm: rounds that do not count.
        budget_s: seconds after which three repeats are enough.

    Returns:
        Name -> how much it did a second, one value a repeat.
    """
    rates: dict[str, list[float]] = {name: [] for name in ways}
    began = time.perf_counter()
    for turn in range(warm + repeats):
        if turn >= warm + 3 and time.perf_counter() - began > budget_s:
            break
        for name in list(ways)[:: -1 if turn % 2 else 1]:
            gc.collect()
            start = time.perf_counter()
            done = ways[name]()
            rate = done / (time.perf_counter() - start)
            if turn >= warm:
                rates[name].append(rate)
    return rates


def machine() -> dict[str, Any]:
    """The machine in words that do not name it."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions(),
    }


def record(name: str, setting: Setting, measured: Measured, before: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What is written for a row."""
    return {
        "row": name,
        "cohort": setting.cohort.name,
        "quick": setting.quick,
        "ratios": [ratio.to_dict() for ratio in measured.ratios],
        "figures": [figure.to_dict() for figure in measured.figures],
        "facts": dict(measured.facts),
        "curves": {name: dict(curve) for name, curve in measured.curves.items()},
        "machine": before,
        "seconds": round(seconds, 1),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
