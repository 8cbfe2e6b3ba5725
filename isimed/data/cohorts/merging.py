"""Label maps that an import writes itself: of many masks, one structure each, or of outlines in DICOM."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.core.files import refusals_in_words
from isimed.data.cohorts.cohort import LABELS
from isimed.data.cohorts.layouts.names import stem
from isimed.data.cohorts.layouts.outlines import kinds_of
from isimed.data.cohorts.plan import LEFT_LABELS, Plan, Planned
from isimed.data.formats.dicom_labels import about_outlines, structures_of
from isimed.data.formats.dicom_series import Series, scan_folder
from isimed.data.formats.overlaps import lay
from isimed.data.formats.volume import read_volume


def merge_structures(plan: Plan, volumes: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write the merged maps of a plan and put them into the entries; a structure has one number in the whole cohort.

    Where structures overlap, the smaller one keeps the voxels. Outlines that cannot be laid on their scan are left out
    of the plan, with the reason.

    Raises:
        InputError: masks of one volume lie on different grids, or one cannot be read.
    """
    merged = [(place, item) for place, item in enumerate(plan.items) if _is_merged(item)]
    if not merged:
        return
    names = sorted({name for _, item in merged if item.role == "organs" for name in _names(item).values()})
    numbers = {name: number for number, name in enumerate(names, max(map(int, plan.organs), default=0) + 1)}
    plan.organs |= {str(number): name for name, number in numbers.items()}
    by_name = {volume["name"]: volume for volume in volumes}
    (folder / "merged").mkdir(parents=True, exist_ok=True)
    for number, (place, item) in enumerate(merged):
        target = folder / "merged" / f"{number:05d}-{item.role}.nii.gz"
        try:
            _write(item, by_name[item.volume], numbers if item.role == "organs" else {}, target)
        except InputError as error:
            if not item.series:
                raise
            plan.items[place] = replace(item, role=LEFT_LABELS, why=str(error))
            del by_name[item.volume][item.role]
        else:
            by_name[item.volume][item.role] = target


def _is_merged(item: Planned) -> bool:
    return item.role in LABELS and (item.path.is_dir() or bool(item.series))


def _names(item: Planned) -> dict[int, str]:
    """The structures of a map by number: of masks, their places among the files."""
    if not item.series:
        return {number: stem(file) for number, file in enumerate(item.files)}
    about = about_outlines(item.path)
    return kinds_of(about)[item.role] or about.names  # a role given by hand counts more than names


def _structures(item: Planned, volume: dict[str, Any]) -> Iterator[tuple[int, NDArray[np.bool_], NDArray]]:
    """Number, voxels and affine of each structure."""
    if item.series:
        yield from structures_of(item.path, series=_series(volume), numbers=_names(item))
        return
    shape, affine = None, np.eye(4)
    for number, file in enumerate(item.files):
        mask = read_volume(file)
        if shape is None:
            shape, affine = mask.shape, mask.affine
        if mask.shape != shape or not np.allclose(mask.affine, affine, atol=1e-3):
            raise InputError(f"{file} lies on a different grid from the masks beside it: leave these masks out.")
        yield number, mask.voxels > 0, affine


def _series(volume: dict[str, Any]) -> Series:
    return next(one for one in scan_folder(Path(volume["image"])).series if one.uid == volume["series"])


def _write(item: Planned, volume: dict[str, Any], numbers: dict[str, int], target: Path) -> None:
    import nibabel as nib

    names, sizes = _names(item), dict[int, int]()
    whole, affine = np.zeros(0, np.uint16), np.eye(4)
    for number, inside, grid in _structures(item, volume):
        if not sizes:
            whole, affine = np.zeros(inside.shape, np.uint16), grid
        lay(whole, sizes, numbers.get(names[number], 1), inside)
    if not sizes:
        raise InputError(f"{item.path} outlines no voxel of {item.volume}: check that they belong together.")
    with refusals_in_words(target):
        nib.Nifti1Image(whole, affine).to_filename(target)
