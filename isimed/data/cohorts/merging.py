"""One label map of many masks, one structure each, as TotalSegmentator writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import LABELS
from isimed.data.cohorts.layouts.names import stem
from isimed.data.cohorts.plan import Plan, Planned
from isimed.data.formats.volume import read_volume


def merge_structures(plan: Plan, volumes: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write the merged maps of a plan and put them into the entries; a structure has one number in the whole cohort.

    Where two structures overlap, the smaller one keeps the voxels.

    Raises:
        InputError: masks of one volume lie on different grids, or one cannot be read.
    """
    merged = [item for item in plan.items if item.role in LABELS and item.path.is_dir()]
    if not merged:
        return
    names = sorted({stem(file) for item in merged if item.role == "organs" for file in item.files})
    numbers = {name: number for number, name in enumerate(names, max(map(int, plan.organs), default=0) + 1)}
    plan.organs |= {str(number): name for name, number in numbers.items()}
    by_name = {volume["name"]: volume for volume in volumes}
    for number, item in enumerate(merged):
        target = folder / "merged" / f"{number:05d}-{item.role}.nii.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(item, numbers, target)
        by_name[item.volume][item.role] = target


def _write(item: Planned, numbers: dict[str, int], target: Path) -> None:
    import nibabel as nib

    whole, affine = None, np.eye(4)
    masks = [(file, read_volume(file)) for file in item.files]
    masks.sort(key=lambda pair: -int(np.count_nonzero(pair[1].voxels)))
    for file, mask in masks:
        if whole is None:
            whole, affine = np.zeros(mask.shape, np.uint16), mask.affine
        if mask.shape != whole.shape or not np.allclose(mask.affine, affine, atol=1e-3):
            raise InputError(f"{file} lies on a different grid from the masks beside it: leave these masks out.")
        whole[mask.voxels > 0] = numbers.get(stem(file), 1)
    nib.Nifti1Image(whole, affine).to_filename(target)
