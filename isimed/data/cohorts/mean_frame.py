"""A common frame for a cohort: every scan laid rigidly on the mean of all.

The authors of ISImed (arXiv 2410.16947) did so with autoPET before they took pairs of crops across patients. Here no
voxel is resampled: a rigid move is another affine, so copies of the scans and their label maps get that, and nothing is
blurred. The mean itself is made at 6 mm: the first scan, then twice the mean of all as they lie by then.
"""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import new_folder
from isimed.core.progress import Progress, silent
from isimed.data.cohorts.cohort import Cohort, Entry, write_manifest
from isimed.data.cohorts.json_files import read_object
from isimed.data.formats.reading import LPS_TO_RAS
from isimed.data.formats.volume import Volume, apply_affine, measured

MEAN_MM = 6.0
ROUNDS = 2
FRAME = "rigidly registered to the mean of the cohort"


def register_to_mean(cohort: Cohort, *, progress: Progress | None = None) -> Path:
    """Copy a cohort's scans into its folder, laid rigidly on their mean, and declare the common frame.

    Args:
        cohort: in ISIMED_HOME, at least two scans.
        progress: called with (done, total).

    Returns:
        The manifest, changed; files that it named before are left as they are.

    Raises:
        InputError: there is one scan alone, one cannot be laid on the others, or the disk is full.
    """
    if len(cohort.volumes) < 2:
        raise InputError(f"{cohort.name} holds one scan: a mean needs two, so import it without --register-to-mean.")
    folder, total = paths.cohorts_dir() / cohort.name, (ROUNDS + 1) * len(cohort.volumes)
    report = progress or silent
    scans = [_image(cohort.read(entry)) for entry in cohort.volumes]
    moves = [sitk.Euler3DTransform() for _ in scans]
    mean = _frame_of(scans)
    for turn in range(ROUNDS):
        for number, scan in enumerate(scans):
            try:
                moves[number] = rigid_transform(mean, scan)
            except RuntimeError:  # nothing in it, or nothing of it where the others lie
                name = cohort.volumes[number].id
                raise InputError(f"{name} cannot be laid on the others: look at it, and leave it out.") from None
            report(turn * len(scans) + number + 1, total)
        mean = _mean(mean, scans, moves)
    manifest = read_object(cohort.root / "dataset.json")
    with new_folder(folder / "registered") as new:
        for number, (entry, move) in enumerate(zip(cohort.volumes, moves, strict=True)):
            manifest["volumes"][number] |= _copies(cohort, entry, _ras(move), new, number)
            manifest["volumes"][number].pop("warp", None)  # which tells of places where they were before
            if cohort.start and cohort.start.volume == entry.id:
                manifest["start"]["mm"] = apply_affine(_ras(move), cohort.start.mm).tolist()
            report(ROUNDS * len(scans) + number + 1, total)
    manifest["frame"] = FRAME
    return write_manifest(manifest, folder=folder)


def rigid_transform(fixed: sitk.Image, moving: sitk.Image) -> sitk.Euler3DTransform:
    """The rigid map from points of one image to points of another (LPS mm), by Mattes mutual information."""
    centred = sitk.CenteredTransformInitializerFilter.MOMENTS
    move = sitk.Euler3DTransform(sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), centred))
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 300, gradientMagnitudeTolerance=1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1, 0])
    method.SetInitialTransform(move, inPlace=True)
    method.Execute(fixed, moving)
    return move


def _frame_of(scans: list[sitk.Image]) -> sitk.Image:
    """The first scan at the mean's resolution, on a grid that holds the largest scan."""
    first = scans[0]
    reach = np.max([np.array(scan.GetSize()) * scan.GetSpacing() for scan in scans], axis=0)
    size = [int(np.ceil(edge / MEAN_MM)) for edge in reach]
    middle = first.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in first.GetSize()])
    origin = np.array(middle) - (np.array(size) - 1) / 2 * MEAN_MM
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetSpacing([MEAN_MM] * 3)
    grid.SetOrigin(origin.tolist())
    return sitk.Resample(first, grid, sitk.Transform(), sitk.sitkLinear, 0.0)


def _mean(grid: sitk.Image, scans: list[sitk.Image], moves: list[sitk.Euler3DTransform]) -> sitk.Image:
    total = sum(
        sitk.GetArrayFromImage(sitk.Resample(scan, grid, move, sitk.sitkLinear, 0.0))
        for scan, move in zip(scans, moves, strict=True)
    )
    image = sitk.GetImageFromArray(np.asarray(total / len(scans), dtype=np.float32))
    image.CopyInformation(grid)
    return image


def _image(scan: Volume) -> sitk.Image:
    """About as fine as the mean; 0 to 1 between the 1st and the 99th percentile, 0 also for what lies around."""
    known = np.where(measured(scan.voxels), scan.voxels, np.nan).astype(np.float32)
    low, high = np.nanpercentile(known, [1, 99])
    voxels = np.nan_to_num(np.clip((known - low) / max(high - low, 1e-6), 0, 1))
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.transpose(2, 1, 0), dtype=np.float32))
    affine = LPS_TO_RAS @ scan.affine
    spacing = scan.spacing
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return sitk.BinShrink(image, [max(1, int(MEAN_MM / edge)) for edge in spacing])


def _ras(move: sitk.Euler3DTransform) -> NDArray[np.float64]:
    """(4, 4) scanner mm (RAS) of a scan -> mm of the mean: the map that resampling uses, the other way round."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(move.GetMatrix(), (3, 3))
    matrix[:3, 3] = move.TransformPoint((0.0, 0.0, 0.0))
    return np.asarray(LPS_TO_RAS @ np.linalg.inv(matrix) @ LPS_TO_RAS)


def _copies(cohort: Cohort, entry: Entry, move: NDArray[np.float64], folder: Path, number: int) -> dict[str, Any]:
    """The scan and its label maps in their new place; what the manifest says of them then."""
    volumes = {"image": cohort.read(entry)} | cohort.read_labels(entry)
    known: dict[str, Any] = {"name": entry.id, "channel": None, "series": None}
    for kind, volume in volumes.items():
        file = f"{number:05d}-{kind}.nii.gz"
        kept = np.promote_types(volume.voxels.dtype, np.uint8)  # NIfTI has no bool
        voxels = volume.voxels.astype(np.int32 if kept.kind in "iu" and kept.itemsize > 4 else kept)
        nib.Nifti1Image(voxels, move @ volume.affine).to_filename(folder / file)
        known[kind] = f"registered/{file}"
    return known
