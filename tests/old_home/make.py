"""Make a small ISIMED_HOME with whichever isimed is importable, and pack it: what `tests/test_old_home.py` opens.

    cd CHECKOUT_OF_THE_OLD_VERSION && python path/to/tests/old_home/make.py path/to/tests/old_home/0.1.0.zip

Everything is written by that version's own commands. Afterwards the weights and the state of the optimiser are filled
with zeros, so that 150 MB of them pack into a few kB: names, shapes, types and headers stay as they were written.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np

SIZE, SPACING_MM = 22, 6.0
LEFT_OUT = (
    "evaluations/crops/*",
    "prepared/S[12]-*/*",
    "quality/*/*.bin",
    "_maps/code/*",
)  # more of the same, or large


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        os.environ["ISIMED_HOME"] = str(home)
        cohort = write_cohort(home / "cohorts" / "old")
        isimed("check", "old", "--json")
        isimed("embed", "old", "--checkpoint", "demo-brain", "--step-mm", "60")
        tasks = ("--task", "distance", "position", "collapse")
        isimed("evaluate", "old", "--checkpoint", "demo-brain", *tasks, "--crops", "4", "--json", home / "result.json")
        keep_by_hand(cohort)
        size = ("--volumes-per-step", "2", "--crops-per-volume", "2", "--device", "cpu", "--threads", "1")
        train_and_stop("--epochs", "5", "--name", "old", "--validate-every", "1", *size)
        zeros_for_weights(next((home / "runs").iterdir()))
        pack(home, target)


def isimed(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "isimed", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def write_cohort(folder: Path) -> Path:
    """Three smooth ellipsoids with two organs and a tumour; patient p lies (10, -5, 3) × p mm further."""
    folder.mkdir(parents=True)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, SIZE)] * 3, indexing="ij"))
    inside = np.square(grid).sum(0) < 0.95
    volumes = []
    for patient in range(3):
        affine = np.diag([SPACING_MM] * 3 + [1.0])
        affine[:3, 3] = np.array([10, -5, 3]) * patient - 66
        image = np.where(inside, 100 + 40 * grid[0] + 20 * grid[1] * grid[2] + 10 * patient, 0).round()
        organs = np.where(inside, np.where(grid[0] < 0, 1, 2), 0)
        tumour = np.square(grid - 0.3).sum(0) < 0.08
        entry = {"subject": f"S{patient}"}
        for name, voxels in {"image": image, "organs": organs, "tumour": tumour}.items():
            entry[name] = f"S{patient}-{name}.nii.gz"
            nib.Nifti1Image(voxels.astype(np.int16), affine).to_filename(folder / entry[name])
        volumes.append(entry)
    manifest = {"name": "old", "modality": "MRI", "volumes": volumes}
    (folder / "dataset.json").write_text(json.dumps(manifest))
    return folder / "dataset.json"


def keep_by_hand(manifest: Path) -> None:
    """What the pages keep: a selection of crops, a split, the map, the latest evaluation."""
    from isimed.data.cohort import Cohort
    from isimed.data.splits import write_split
    from isimed.explore.project import open_map
    from isimed.explore.selection import keep, select
    from isimed.explore.store import open_table, tables_of
    from isimed.ui.evaluation_job import keep as keep_result

    cohort = Cohort.load(manifest)
    (info,) = tables_of("old")
    table = open_table(info, [entry.id for entry in cohort.volumes])
    keep(table, select(table, [0, 3, len(table) - 1]), "upper left")
    write_split(cohort, {"S0": "train", "S1": "validation", "S2": "test"})
    open_map(table)
    home = Path(os.environ["ISIMED_HOME"])
    keep_result(cohort, "evaluate", json.loads((home / "result.json").read_bytes()))


def train_and_stop(*options: str) -> None:
    """A training that a person stopped, by Ctrl-C, after its second epoch: its last step is saved."""
    runs = Path(os.environ["ISIMED_HOME"]) / "runs"
    process = subprocess.Popen([sys.executable, "-m", "isimed", "train", "old", *options], stdout=subprocess.DEVNULL)
    while not any(len(file.read_text().splitlines()) >= 3 for file in runs.glob("*/metrics.jsonl")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.wait()


def zeros_for_weights(run: Path) -> None:
    for file in run.rglob("*.safetensors"):
        content = bytearray(file.read_bytes())
        start = 8 + int.from_bytes(content[:8], "little")
        content[start:] = bytes(len(content) - start)
        file.write_bytes(content)
    shutil.rmtree(run / "tensorboard", ignore_errors=True)
    shutil.rmtree(run / "checkpoints" / "best", ignore_errors=True)


def pack(home: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive:
        for file in sorted(home.rglob("*")):
            if file.is_file() and not any(file.match(pattern) for pattern in LEFT_OUT):
                archive.write(file, file.relative_to(home))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
