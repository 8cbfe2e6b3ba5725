"""Scans as large as a hospital's, 400×400×326 voxels, made from small ones for the rows of pretraining.

    python -m benchmarks.lib.large_scans path/to/dataset.json FOLDER [--quick]

Each keeps its patient's field of view: voxels are interpolated, so that files are as long to read and to prepare as
real ones of this size.
"""

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from isimed.data.cohorts.cohort import Cohort

SHAPE, PATIENTS = (400, 400, 326), 4


def main(manifest: str, folder: str, *, quick: bool) -> None:
    cohort, place = Cohort.load(manifest), Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    shape = tuple(size // 4 for size in SHAPE) if quick else SHAPE
    volumes = []
    for entry in cohort.volumes[:PATIENTS]:
        scan = cohort.read(entry)
        factors = np.array(shape) / scan.shape
        voxels = ndimage.zoom(scan.voxels.astype(np.float32), factors, order=1, grid_mode=True, mode="nearest")
        affine = scan.affine @ np.diag([*(1 / factors), 1.0])
        image = nib.Nifti1Image(np.rint(voxels).astype(np.int16), affine)
        image.header.set_xyzt_units("mm")
        image.to_filename(place / f"{entry.id}.nii.gz")
        volumes.append({"subject": entry.subject, "image": f"{entry.id}.nii.gz"})
    about = {"name": "large", "description": "", "modality": cohort.modality, "volumes": volumes}
    (place / "dataset.json").write_text(json.dumps(about), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], quick="--quick" in sys.argv[3:])
