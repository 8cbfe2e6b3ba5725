"""What a cohort costs a volume and a crop at 10, 100 and 1000 volumes, and what of it breaks first at 10,000.

Each size runs in a process of its own. `prepare`: small made scans into an empty home. `write`: a file of 200 crops a
volume. `search`: opening that table, its codes into memory, and one place looked for in every volume. Figures are
exponents between the two largest sizes: 1 is linear, less is better than that. What a real volume costs beside
this (voxels, the network) is linear by itself: rows `prepare` and `embed_limit`.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from benchmarks.lib.race import Figure, Measured, Setting

TITLE = "Scaling out"
AGAINST = "linear in volumes and crops"
CROPS, EDGE = 200, 24
VOLUMES, GRID = 10_000, 2_000
LINEAR = 1.05  # an exponent is a figure from two timings: a twentieth above linear is their noise

WHY = """For 10,000 volumes and 20 million crops, on paper from these slopes: see the list below. What breaks
first is the network's time, which asks for more machines; then the table's size on disk. Codes of a large table lie on
disk and are mapped, in memory are 160 bytes a crop to rule out most of them, and the other columns. `embed` under
torchrun, srun or a SLURM array writes its share of these files: two ranks write, byte for byte, the table that one
writes, and a lost one is redone by the next call (`tests/core/test_sharding.py`, on a real one-node SLURM
`tests/training/runs/test_slurm.py`)."""


def measure(setting: Setting) -> Measured:
    sizes = (4, 20, 80) if setting.quick else (10, 100, 1000)
    found: dict[int, dict[str, float]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as home:
            found[size] = {}
            for part in PARTS:
                found[size] |= _in_a_child(part, home, size)
    last, before = sizes[-1], sizes[-2]
    table = {
        f"{size} volumes": {
            "prepare, ms a volume": round(1e3 * one["prepare_s"] / size, 1),
            "prepare, MB of memory": round(one["prepare_mb"]),
            "write, ms a volume": round(1e3 * one["write_s"] / size, 2),
            "table, bytes a crop": round(one["table_bytes"] / (size * CROPS)),
            "open, ms a volume": round(1e3 * one["open_s"] / size, 2),
            "codes in memory, bytes a crop": round(1e6 * one["open_mb"] / (size * CROPS)),
            "a place in every volume, ms a volume": round(1e3 * one["find_s"] / size, 3),
        }
        for size, one in found.items()
    }
    names = {
        "prepare_s": "seconds to prepare",
        "prepare_mb": "memory while preparing",
        "write_s": "seconds to write the table",
        "table_bytes": "bytes of the table",
        "open_s": "seconds to open it and its codes",
        "open_mb": "memory of its codes",
        "find_s": "seconds to find a place in every volume",
    }
    figures = [
        Figure(f"{words}, exponent", exponent(before, last, found[before][name], found[last][name]), "", target=LINEAR)
        for name, words in names.items()
    ]
    return Measured([], {**on_paper(found[last], last), "table": table}, _curves(found, names), figures)


def exponent(before: int, last: int, first: float, second: float) -> float:
    """How cost grows with size between two sizes: 1 is linear. Less than a measurable cost counts as that."""
    least = 1e-6
    return float(np.log(max(second, least) / max(first, least)) / np.log(last / before))


def on_paper(one: dict[str, float], size: int) -> dict[str, Any]:
    """What 10,000 volumes of 2000 crops would cost, from the slopes of the largest size that was run."""
    crops, ratio = VOLUMES * GRID, VOLUMES / size
    a_crop = one["open_mb"] / (size * CROPS)
    return {
        "for 10,000 volumes: minutes of preparing beside reading and resampling": round(
            one["prepare_s"] * ratio / 60, 1
        ),
        "for 20 million crops: GB of the table on disk": round(one["table_bytes"] / (size * CROPS) * crops / 1e9, 1),
        "GB of memory for codes and their index": round(a_crop * crops / 1e3, 1),
        "crops whose codes fit in 16 GB, millions": round(16e3 / a_crop / 1e6, 1),
        "seconds to open the codes": round(one["open_s"] / (size * CROPS) * crops),
        "seconds for one place in every volume": round(one["find_s"] / (size * CROPS) * crops, 1),
    }


def _curves(found: dict[int, dict[str, float]], names: dict[str, str]) -> dict[str, dict[str, list[float]]]:
    return {words: {"x": list(found), "y": [one[name] for one in found.values()]} for name, words in names.items()}


def _in_a_child(part: str, home: str, size: int) -> dict[str, float]:
    environment = os.environ | {"ISIMED_HOME": home}
    command = [sys.executable, "-m", "benchmarks.rows.scale_out", part, str(size)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _prepare(size: int) -> dict[str, float]:
    import nibabel as nib

    from isimed.core import paths
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.prepared.cache import prepare_cohort
    from isimed.data.prepared.preprocess import Preparation

    folder, rng = paths.home() / "scans", np.random.default_rng(0)
    folder.mkdir(parents=True)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, EDGE)] * 3, indexing="ij"))
    inside = np.square(grid).sum(0) < 0.95
    volumes = []
    for number in range(size):
        voxels = np.where(inside, 100 + rng.normal(0, 5, inside.shape), 0).astype(np.float32)
        nib.Nifti1Image(voxels, np.diag([4.0, 4.0, 4.0, 1.0])).to_filename(folder / f"P{number}.nii")
        volumes.append({"subject": f"S{number}", "image": f"P{number}.nii"})
    manifest = {"name": "many", "modality": "MRI", "volumes": volumes}
    (folder / "dataset.json").write_text(json.dumps(manifest), encoding="utf-8")
    cohort, before = Cohort.load(folder / "dataset.json"), _peak_mb()
    start = time.perf_counter()
    prepare_cohort(cohort, Preparation.for_modality("MRI"))
    return {"prepare_s": time.perf_counter() - start, "prepare_mb": max(1.0, _peak_mb() - before)}


def _write(size: int) -> dict[str, float]:
    from isimed.explore.tables.store import table_folder, write_volume

    rng, info, start = np.random.default_rng(0), _info(), time.perf_counter()
    for number in range(size):
        places = rng.uniform(-100, 100, (CROPS, 3)).astype(np.float32)
        columns = {
            "cohort": np.full(CROPS, "many"), "subject": np.full(CROPS, f"S{number}"),
            "volume": np.full(CROPS, f"P{number}"), "centre_mm": places, "position": places,
            "organ": np.zeros(CROPS, np.int32), "tumour": np.zeros(CROPS, np.float32),
            "embedding": rng.standard_normal((CROPS, 1024), np.float32),
            "code": np.pad(places, ((0, 0), (0, 509))) + rng.standard_normal((CROPS, 512), np.float32),
        }  # fmt: skip
        write_volume(info, f"P{number}", columns)
    seconds = time.perf_counter() - start
    return {"write_s": seconds, "table_bytes": sum(file.stat().st_size for file in table_folder(info).iterdir())}


def _search(size: int) -> dict[str, float]:
    from isimed.explore.search.index import index_of
    from isimed.explore.search.retrieve import nearest_in_others
    from isimed.explore.tables.components import codes_of
    from isimed.explore.tables.store import open_table

    before, start = _resident_mb(), time.perf_counter()
    table = open_table(_info(), [f"P{number}" for number in range(size)])
    codes = codes_of(table)
    index_of(table)
    opened = time.perf_counter() - start
    held = _resident_mb() - before
    nearest_in_others(table, codes[0], subject="S0")  # the first search also reads the other columns
    repeats, start = 3, time.perf_counter()
    for query in codes[:repeats]:
        nearest_in_others(table, query, subject="S0")
    return {"open_s": opened, "open_mb": held, "find_s": (time.perf_counter() - start) / repeats}


def _info() -> Any:
    from isimed.explore.tables.store import TableInfo

    names = {"cohort": "many", "cohort_fingerprint": "0", "checkpoint": "made", "checkpoint_fingerprint": "0"}
    return TableInfo(**names, step_mm=24.0, crop_size=32, spacing_mm=3.0, in_mm=True)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _resident_mb() -> float:
    import psutil

    held = psutil.Process().memory_info()
    return (held.rss - getattr(held, "shared", 0)) / 1e6  # pages of mapped files are the system's to take back


PARTS = {"prepare": _prepare, "write": _write, "search": _search}
if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]](int(sys.argv[2]))))
