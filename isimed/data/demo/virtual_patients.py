"""The demo cohorts: virtual patients, whose true corresponding points are known."""

import gzip
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.core.files import new_folder, remove_unfinished
from isimed.core.progress import Progress, silent
from isimed.data.cohorts.cohort import write_manifest
from isimed.data.demo.chest import CREDIT, load_chest
from isimed.data.demo.phantom import make_patient
from isimed.data.demo.template import Template, load_template

VERSION = 1
MAX_WORKERS = 8


@dataclass(frozen=True)
class Kind:
    """What a demo cohort is made from, and what is said of it."""

    load: Callable[[], Template]
    patients: int
    lesion: str
    description: str


KINDS = {
    "demo-brain": Kind(
        load_template,
        patients=16,
        lesion="synthetic lesion",
        description="SYNTHETIC: {patients} virtual patients, no real person. Made by isimed from the MNI152 template "
        "(ICBM 2009a) by random smooth warps, with T1-like and FLAIR-like contrast, bias field, noise, and differing "
        "spacing, field of view and orientation. Half carry a synthetic lesion. Organ labels are approximate: "
        "ellipsoids at well-known template coordinates, not segmentations. The warps are kept, so the true "
        "corresponding point in any other virtual patient is known.",
    ),
    "demo-ct": Kind(
        load_chest,
        patients=8,
        lesion="synthetic lung mass",
        description=f"SYNTHETIC: {{patients}} virtual patients, made by isimed from {CREDIT} by random smooth warps, "
        "with and without contrast agent, with noise, and differing spacing, field of view and orientation. Half carry "
        "a synthetic lung mass. All share one person's anatomy, so they are more alike than patients are. The warps "
        "are kept, so the true corresponding point in any other virtual patient is known.",
    ),
}


def make_demo(
    folder: str | Path,
    *,
    kind: str = "demo-brain",
    patients: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
    template: Template | None = None,
) -> Path:
    """Write a cohort of virtual patients, or find it already written.

    The same arguments give the same bytes. The cohort is built beside ``folder`` and renamed at the end,
    so that a killed process leaves nothing half made.

    Args:
        folder: where the cohort shall be; what lies there may only be an older demo cohort.
        kind: ``demo-brain``, or ``demo-ct``, whose chest CT is fetched first (35 MB, once).
        patients: how many; 16 brains or 8 chests by default.
        seed: another seed gives other patients; patient p of a seed is the same in a cohort of any size.
        progress: called with (patients done, patients in all).
        workers: threads; as many as there are cores by default, at most 8.
        template: the body to warp, for who has loaded it already.

    Returns:
        The path of ``dataset.json``.

    Raises:
        InputError: the numbers are out of range, ``folder`` holds something else, or the chest CT cannot be had.
    """
    made_of = KINDS[kind]
    patients = made_of.patients if patients is None else patients
    if patients < 1:
        raise InputError(f"A cohort of {patients} patients cannot be made: ask for at least 1.")
    if seed < 0:
        raise InputError(f"Seed {seed} is negative: give 0 or more.")
    folder = Path(folder).expanduser().absolute()
    generator = {"tool": "isimed.data.demo", "version": VERSION, "patients": patients, "seed": seed}
    report = progress or silent
    if _is_complete(folder, kind, generator):
        report(patients, patients)
        return folder / "dataset.json"
    _check_replaceable(folder)

    remove_unfinished(folder.parent)
    with new_folder(folder) as building:
        for part in ("images", "organs", "tumour", "warps"):
            (building / part).mkdir()
        body = template or made_of.load()
        workers = workers or min(os.cpu_count() or 1, MAX_WORKERS)
        entries: dict[int, dict] = {}
        with ThreadPoolExecutor(workers) as pool:
            futures = {pool.submit(_write_patient, building, body, seed, p): p for p in range(patients)}
            try:
                for future in as_completed(futures):
                    entries[futures[future]] = future.result()
                    report(len(entries), patients)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        manifest = {
            "name": kind,
            "description": made_of.description.format(patients=patients),
            "modality": body.modality,
            "synthetic": True,
            "frame": None,
            "organs": {str(label): organ for label, organ in body.organ_names.items()},
            "tumour": f"1 = {made_of.lesion}",
            "generator": generator,
            "volumes": [entries[p] for p in range(patients)],
        }
        write_manifest(manifest, folder=building)
    return folder / "dataset.json"


def _write_patient(folder: Path, template: Template, seed: int, index: int) -> dict:
    """Make one patient's files; returns its entry of the manifest."""
    subject = f"VP-{index + 1:02d}"
    scan = make_patient(template, seed=seed, index=index)
    entry = {"subject": subject, "image": f"images/{subject}.nii.gz", "organs": f"organs/{subject}.nii.gz"}
    _write_nifti(folder / entry["image"], scan.image, scan.affine)
    _write_nifti(folder / entry["organs"], scan.organs, scan.affine)
    if scan.tumour is not None:
        entry["tumour"] = f"tumour/{subject}.nii.gz"
        _write_nifti(folder / entry["tumour"], scan.tumour, scan.affine)
    entry["warp"] = f"warps/{subject}.npz"
    scan.warp.save(folder / entry["warp"])
    return entry | {"contrast": f"{scan.contrast}-like" if template.modality == "MRI" else scan.contrast}


def _write_nifti(path: Path, array: NDArray, affine: NDArray[np.float64]) -> None:
    """Write ``.nii.gz`` without the name and time that gzip would add, so that bytes repeat."""
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    image.header.set_xyzt_units("mm")
    with path.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0, compresslevel=1) as gz:
        gz.write(image.to_bytes())


def _read_manifest(folder: Path) -> dict:
    try:
        manifest = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _is_complete(folder: Path, name: str, generator: dict) -> bool:
    manifest = _read_manifest(folder)
    if manifest.get("generator") != generator or manifest.get("name") != name:
        return False
    files = [
        entry[key] for entry in manifest["volumes"] for key in ("image", "organs", "tumour", "warp") if key in entry
    ]
    return all((folder / file).is_file() for file in files)


def _check_replaceable(folder: Path) -> None:
    """Only an empty folder or an older demo cohort may be written over."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file: choose a folder for the demo cohort.")
    generator = _read_manifest(folder).get("generator")
    ours = isinstance(generator, dict) and generator.get("tool") == "isimed.data.demo"
    if not ours and any(folder.iterdir()):
        raise InputError(f"{folder} holds something other than a demo cohort: choose another folder.")
