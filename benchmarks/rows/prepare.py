"""Preparing volumes against MONAI's transforms one after the other; images only, each way in a process of its own.

Ours also writes what it made, to an empty home. Imports do not count as time; peak memory is the whole process's.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.lib.race import Measured, Ratio, Setting

TITLE = "Preparing volumes"
AGAINST = "MONAI LoadImaged, Orientationd, Spacingd, CropForegroundd, ScaleIntensityRangePercentilesd in turn"


def measure(setting: Setting) -> Measured:
    count = 4 if setting.quick else 24
    found: dict[str, list[dict[str, float]]] = {"ours": [], "monai": []}
    for turn in range(2 if setting.quick else 5):
        for way in list(found)[:: -1 if turn % 2 else 1]:
            found[way].append(_in_a_child(way, setting.cohort.root, count))
    speeds = {way: [count / one["seconds"] for one in runs] for way, runs in found.items()}
    peaks = {way: [one["peak_mb"] for one in runs] for way, runs in found.items()}
    growth = {way: round(max(one["peak_mb"] - one["before_mb"] for one in runs)) for way, runs in found.items()}
    return Measured(
        [
            Ratio("volumes/s", speeds["ours"], speeds["monai"], "volumes/s", target=2.0),
            Ratio("peak resident memory", peaks["ours"], peaks["monai"], "MB", target=1.0, at_most=True),
        ],
        {"volumes a turn": count, "growth while working, ours MB": growth["ours"], "MONAI MB": growth["monai"]},
    )


def _in_a_child(way: str, cohort: Path, count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "ISIMED_HOME": home}
        command = [sys.executable, "-m", "benchmarks.rows.prepare", way, str(cohort), str(count)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _ours(cohort_path: str, count: int) -> float:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.prepared.cache import prepare_cohort
    from isimed.data.prepared.preprocess import Preparation

    cohort = Cohort.load(cohort_path)
    entries = [entry.model_copy(update={"organs": None, "tumour": None}) for entry in cohort.volumes[:count]]
    _ready()
    start = time.perf_counter()
    prepare_cohort(cohort, Preparation.for_modality(cohort.modality), entries=entries)
    return time.perf_counter() - start


def _monai(cohort_path: str, count: int) -> float:
    from monai.transforms import Compose

    from benchmarks.lib import monai_way
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.prepared.preprocess import Preparation

    cohort = Cohort.load(cohort_path)
    preparation = Preparation.for_modality(cohort.modality)
    steps = [*monai_way.reading(), *monai_way.same_grid(preparation.spacing_mm), *monai_way.scaling(preparation)[:2]]
    transform = Compose(steps)
    _ready()
    start = time.perf_counter()
    for entry in cohort.volumes[:count]:
        transform({"image": str(cohort.path(entry.image))})
    return time.perf_counter() - start


def _ready() -> None:
    global _before
    _before = _peak_mb()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


_before = 0.0
if __name__ == "__main__":
    seconds = {"ours": _ours, "monai": _monai}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    print(json.dumps({"seconds": seconds, "before_mb": _before, "peak_mb": _peak_mb()}))
