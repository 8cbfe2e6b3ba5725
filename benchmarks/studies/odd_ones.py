"""What `where` says of scans that are no patient, or lie the wrong way round.

python -m benchmarks.studies.odd_ones PATH/TO/headneck-ct --out docs/one-scan/odd.json

A water cylinder, a phantom like a foot (soft tissue with five rays of bone), and a test patient as it is, upside down,
back to front as well, mirrored, and at a fifth of its size.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.studies.part import add_patients, listed_patients
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import Volume
from isimed.explore.one_scan.where import where

AIR, WATER, SOFT, BONE = -1000.0, 0.0, 45.0, 900.0
SPACING_MM = 3.0


def grid_mm(*shape: int) -> NDArray[np.float64]:
    """(3, X, Y, Z) mm from the middle."""
    axes = [(np.arange(size) - (size - 1) / 2) * SPACING_MM for size in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def noisy(voxels: NDArray, name: str) -> Volume:
    noise = np.random.default_rng(0).normal(0, 12, voxels.shape)
    return Volume((voxels + noise).astype(np.float32), np.diag([SPACING_MM] * 3 + [1.0]), name=name)


def cylinder() -> Volume:
    """Water, 200 mm across and 240 mm long."""
    x, y, _ = grid_mm(90, 90, 80)
    return noisy(np.where(np.hypot(x, y) < 100, WATER, AIR), "a water cylinder")


def foot() -> Volume:
    """A flat ellipsoid of soft tissue, 250 mm long, five rays of bone to the front and a heel."""
    x, y, z = grid_mm(50, 100, 50)
    voxels = np.where((x / 48) ** 2 + (y / 130) ** 2 + (z / 40) ** 2 < 1, SOFT, AIR)
    for ray in np.linspace(-30, 30, 5):
        voxels[(np.hypot(x - ray, z) < 6) & (y > -20) & (y < 90) & (voxels > AIR)] = BONE
    voxels[((x / 22) ** 2 + ((y + 80) / 30) ** 2 + (z / 22) ** 2) < 1] = BONE
    return noisy(voxels, "a phantom like a foot")


def turned(scan: Volume, axes: tuple[int, ...], name: str) -> Volume:
    return Volume(np.flip(scan.voxels, axes).copy(), scan.affine, name=name)


def smaller(scan: Volume, times: float, name: str) -> Volume:
    affine = scan.affine.copy()
    affine[:3, :3] /= times
    return Volume(scan.voxels, affine, name=name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_patients(parser)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    patient = cohort.read(cohort.subset(listed_patients(options)[:1])[0])
    scans = [
        cylinder(),
        foot(),
        Volume(patient.voxels, patient.affine, name="a test patient"),
        turned(patient, (2,), "upside down"),
        turned(patient, (1, 2), "upside down and back to front"),
        turned(patient, (0,), "mirrored"),
        smaller(patient, 5, "at a fifth of the size"),
    ]
    found = {}
    for scan in scans:
        try:
            found[scan.name] = where(scan).lines()
        except InputError as error:
            found[scan.name] = [str(error)]
        print(scan.name, *found[scan.name], sep="\n    ", flush=True)
    Path(options.out).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
