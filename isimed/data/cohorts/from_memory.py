"""Scans that a program holds become a cohort: arrays, and items of a MONAI or a TorchIO dataset."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import new_folder
from isimed.data.cohorts.cohort import Cohort, checked_name, write_manifest

Item = tuple[ArrayLike, ArrayLike] | Mapping[str, Any]


def cohort_of(name: str, scans: Iterable[Item], *, modality: str, key: str = "image") -> Cohort:
    """Write scans into ``ISIMED_HOME/cohorts`` and list them as a cohort: to train, embed and measure as any other.

    Args:
        name: of the cohort.
        scans: each (voxels (X, Y, Z), affine (4, 4) voxel -> scanner mm R A S+), or an item of a MONAI or TorchIO
            dataset: a mapping whose ``key`` holds an image with an ``affine``. Its ``subject`` or ``subject_id`` says
            which patient it is; without it each scan is a patient of its own.
        modality: CT, MRI or PET, as a cohort says it.
        key: of the image in a mapping.

    Raises:
        InputError: the name is taken, there are no scans, or one is no pair, has no (4, 4) affine or not three axes.

    >>> import os, tempfile
    >>> os.environ["ISIMED_HOME"] = tempfile.mkdtemp()
    >>> cohort_of("two", [(np.eye(8)[None] * np.ones((8, 1, 1)), np.eye(4))] * 2, modality="CT").subjects
    ['scan-0001', 'scan-0002']
    """
    folder = paths.cohorts_dir() / checked_name(name)
    if folder.exists():
        raise InputError(f"There is a cohort {name} already: choose another name, or delete that one first.")
    volumes: list[dict[str, str]] = []
    with new_folder(folder) as unfinished:
        for number, item in enumerate(scans, start=1):
            voxels, affine, subject = _scan(item, key, f"scan-{number:04d}")
            file = f"scan-{number:04d}.nii.gz"
            nib.Nifti1Image(voxels, affine).to_filename(unfinished / file)
            volumes.append({"subject": subject, "image": file})
        if not volumes:
            raise InputError(f"{name} would hold no scans: give some.")
        write_manifest({"name": name, "modality": modality, "volumes": volumes}, folder=unfinished)
    return Cohort.load(Path(folder))


def _scan(item: Item, key: str, name: str) -> tuple[NDArray, NDArray[np.float64], str]:
    subject = name
    if isinstance(item, Mapping):
        if key not in item:
            raise InputError(f"{name} has no {key!r}: say under which key its image lies.")
        image = item[key]
        said = (item.get(of) for of in ("subject", "subject_id"))
        subject = next((str(one) for one in said if one is not None and str(one).strip()), name)  # 0 is a patient too
        affine = getattr(image, "affine", None)
        held = image.data if not isinstance(image, np.ndarray) and hasattr(image, "data") else image
    elif isinstance(item, tuple | list) and len(item) == 2:
        held, affine = item
    else:
        raise InputError(f"{name} is no scan: give pairs of voxels and affine, or mappings with an image.")
    voxels = np.asarray(held)
    if voxels.ndim == 4 and voxels.shape[0] == 1:
        voxels = voxels[0]
    if affine is None or voxels.ndim != 3:
        raise InputError(f"{name} has the shape {voxels.shape}: a scan is (X, Y, Z) or (1, X, Y, Z), with its affine.")
    if np.shape(affine) != (4, 4):
        raise InputError(f"{name} has an affine of shape {np.shape(affine)}: give (4, 4), voxel -> scanner mm R A S+.")
    if voxels.dtype.kind not in "iuf" or voxels.dtype.itemsize > 4 or voxels.dtype == np.float16:
        voxels = voxels.astype(np.float32)  # what every reader of NIfTI knows
    return voxels, np.asarray(affine, dtype=np.float64), subject
