"""A small cohort on disk: quick to prepare and embed, with known moves between its patients."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np


def write_cohort(folder: Path, *, patients: int = 3, size: int = 40, name: str = "small") -> Path:
    """Ellipsoids with different textures; patient p is moved by p × (10, -5, 3) mm in the scanner."""
    folder.mkdir(parents=True, exist_ok=True)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, size)] * 3, indexing="ij"))
    inside = np.square(grid).sum(0) < 0.95
    volumes = []
    for patient in range(patients):
        rng = np.random.default_rng(patient)
        texture = 100 + 40 * grid[0] + 20 * grid[1] * grid[2] + rng.normal(0, 2, inside.shape)
        affine = np.diag([4.0, 4.0, 4.0, 1.0])
        affine[:3, 3] = np.array([10, -5, 3]) * patient - 80
        image = np.where(inside, texture, 0).astype(np.float32)
        nib.Nifti1Image(image, affine).to_filename(folder / f"P{patient}.nii.gz")
        tumour = (np.square(grid - 0.4).sum(0) < 0.05).astype(np.uint8)
        nib.Nifti1Image(tumour, affine).to_filename(folder / f"P{patient}-tumour.nii.gz")
        volumes.append({"subject": f"S{patient}", "image": f"P{patient}.nii.gz", "tumour": f"P{patient}-tumour.nii.gz"})
    manifest = {"name": name, "modality": "MRI", "volumes": volumes}
    (folder / "dataset.json").write_text(json.dumps(manifest))
    return folder / "dataset.json"
