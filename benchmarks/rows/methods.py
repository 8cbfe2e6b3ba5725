"""Every method, three epochs on the first 40 patients from the command line: crops a second, and loss before and after.

Methods with two views push every crop through the network twice (DINO: four times and twice through the teacher).
The loss before and after is the mean over the steps of the first and of the last epoch.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.lib.race import Measured, Setting
from isimed.core import paths
from isimed.training.optimise.methods import METHODS

TITLE = "Methods"
AGAINST = "each other"
EPOCHS = 3


def measure(setting: Setting) -> Measured:
    found = {}
    for method in METHODS:
        found[method] = _train(setting, method)
        print(method, found[method], file=sys.stderr, flush=True)
    fell = sum(one["loss after"] < one["loss before"] for one in found.values())
    return Measured([], {"methods whose loss fell": f"{fell} of {len(found)}", "table": found})


def _train(setting: Setting, method: str) -> dict[str, float]:
    crops, patients = ("2", "4") if setting.quick else ("3", "40")
    with tempfile.TemporaryDirectory() as home:
        paths.prepared_dir().mkdir(parents=True, exist_ok=True)
        (Path(home) / "prepared").symlink_to(paths.prepared_dir())
        environment = {**os.environ, "ISIMED_HOME": home}
        command = [sys.executable, "-m", "isimed", "train", str(setting.cohort.root), "--method", method]
        options = ["--epochs", str(EPOCHS), "--limit", patients, "--crops-per-volume", crops]
        command += [*options, "--device", setting.device]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        lines = next(Path(home).glob("runs/*/metrics.jsonl")).read_text(encoding="utf-8").splitlines()
    steps = [line for line in map(json.loads, lines) if "terms" in line]
    per_epoch = len(steps) // EPOCHS
    losses = [line["terms"]["loss"] for line in steps]
    return {
        "crops/s": round(float(np.median([line["crops_per_second"] for line in steps[1:]])), 1),
        "steps": len(steps),
        "crops a step": int(crops) * 8,
        "loss before": round(float(np.mean(losses[:per_epoch])), 4),
        "loss after": round(float(np.mean(losses[-per_epoch:])), 4),
    }
