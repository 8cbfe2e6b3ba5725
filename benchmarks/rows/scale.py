"""From one thread to two, and from one process to two (torchrun, gloo), each process with one thread.

Threads run in turn in this process. Processes are trainings of their own from the command line: crops a second of
their steps, the first one left out. Two trainings that know nothing of each other show what the machine itself leaves
of its second core: of that, processes of one training should lose little.
"""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from benchmarks.lib.pretraining import epoch_of, make_trainer
from benchmarks.lib.race import Measured, Ratio, Setting, race

TITLE = "Scaling up"
AGAINST = "one thread, one process"


def measure(setting: Setting) -> Measured:
    trainer = make_trainer(setting)
    before, turn = torch.get_num_threads(), epoch_of(trainer)

    def with_threads(count: int) -> float:
        torch.set_num_threads(count)
        return turn()

    ways = {str(count): lambda count=count: with_threads(count) for count in (1, 2)}
    try:
        threads = race(ways, repeats=2 if setting.quick else 3)
    finally:
        torch.set_num_threads(before)
    runs: dict[str, list[float]] = {"1": [_processes(setting, 1)], "2": [_processes(setting, 2)]}
    with ThreadPoolExecutor(2) as pool:
        apart = sum(pool.map(lambda _: _processes(setting, 1), range(2)))
    found = {"threads": threads, "processes": runs}
    efficiency = {f"efficiency of 2 {name}": _efficiency(rates) for name, rates in found.items()}
    return Measured(
        [
            Ratio("training, 2 threads over 1", threads["2"], threads["1"], "crops/s"),
            Ratio("training, 2 processes over 1, 1 thread each", runs["2"], runs["1"], "crops/s", target=1.6),
            Ratio("the same over two trainings of their own, side by side", runs["2"], [apart], "crops/s"),
        ],
        efficiency | {"efficiency of two trainings of their own": round(apart / runs["1"][0] / 2, 2)},
        {name: {"x": [1, 2], "y": [float(np.median(rates[n])) for n in ("1", "2")]} for name, rates in found.items()},
    )


def _efficiency(rates: dict[str, list[float]]) -> float:
    return round(float(np.median(rates["2"]) / np.median(rates["1"]) / 2), 2)


def _processes(setting: Setting, count: int) -> float:
    """Crops a second of a short training on so many processes."""
    size = (
        ["--crops-per-volume", "4", "--volumes-per-step", "2", "--limit", "4"] if setting.quick else ["--limit", "16"]
    )
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)] if count > 1 else []
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "ISIMED_HOME": home, "OMP_NUM_THREADS": "1"}
        train = ["-m", "isimed", "train", str(setting.cohort.root), "--epochs", "2", "--threads", "1"]
        validation = ["--validation", "0", "--device", "cpu"]
        command = [sys.executable, *launch, *train, *size, *validation]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        lines = next(Path(home).glob("runs/*/metrics.jsonl")).read_text(encoding="utf-8").splitlines()
    steps = [line["crops_per_second"] for line in map(json.loads, lines) if "terms" in line]
    return float(np.median(steps[1:]))
