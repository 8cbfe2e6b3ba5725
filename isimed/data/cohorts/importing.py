"""Importing: recognise how a folder is laid out, and write a manifest that refers to its files in place."""

import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import LABELS, checked_name, register, write_manifest
from isimed.data.cohorts.layout_folders import dicom_tree, plain
from isimed.data.cohorts.layout_readers import (
    Channel,
    Found,
    Reader,
    autopet,
    brats,
    decathlon,
    nnunet,
    read_dataset_json,
    stem,
)
from isimed.data.formats.archive import unzip
from isimed.data.formats.dicom_series import scan_folder
from isimed.data.formats.itk import itk_shape
from isimed.data.formats.nifti import NIFTI_SUFFIXES, nifti_header
from isimed.data.formats.reading import reason
from isimed.data.formats.volume import read_volume, refuse_missing
from isimed.data.formats.walk import walk_files

LAYOUTS: dict[str, Reader] = {
    "decathlon": decathlon,
    "nnunet": nnunet,
    "autopet": autopet,
    "brats": brats,
    "dicom": dicom_tree,
    "plain": plain,
}
ALSO_CALLED = {"autopet3": "nnunet", "msd": "decathlon", "folder": "plain", "nnu-net": "nnunet"}
CT_AIR_HU = -800
Progress = Callable[[int, int], None]


def import_cohort(
    path: str | Path,
    *,
    name: str | None = None,
    layout: str = "auto",
    channel: Channel = None,
    series: Sequence[str] | None = None,
    copy: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Make a cohort of a folder, a file or a zip; its files stay where they are (a zip is unpacked).

    Args:
        path: folder, zip, or one volume.
        name: of the cohort, by default the folder's.
        layout: ``auto`` or one of `LAYOUTS`.
        channel: which image of a case where it has several: a number, or a name such as ``flair``, ``CT``, ``SUV``.
        series: SeriesInstanceUIDs to take of a DICOM tree; all by default.
        copy: copy the files into ISIMED_HOME.
        progress: called with (done, total) while headers are checked.

    Returns:
        The manifest, ``ISIMED_HOME/cohorts/<name>/dataset.json``. Its ``description`` says what was recognised, its
        ``import`` holds ``notices`` and the ``skipped`` files with their reasons.

    Raises:
        InputError: nothing there can be used, or the name is taken.
    """
    path = Path(path).expanduser()
    refuse_missing(path)
    path = path.absolute()
    if isinstance(channel, str) and channel.isdigit():
        channel = int(channel)
    if layout == "auto" and (manifest := _own_manifest(path)):
        return register(manifest, name=name)
    name = checked_name(name if name is not None else _name_from(path))
    folder = paths.cohorts_dir() / name
    _refuse_other_source(folder, path)
    existed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    files = Path(tempfile.mkdtemp(prefix="files-", dir=folder))
    try:
        root = _unpacked(path, files)
        found = recognise(root, layout=layout, channel=channel)
        if series is not None:
            found.cases = [case for case in found.cases if case.get("series") in set(series)]
        _leave_out_unreadable(found, progress)
        if not found.cases:
            raise InputError(
                found.skipped[0][1] if found.skipped else f"{path} holds no volumes to import: check the path."
            )
        _unique_names(found)
        if copy and root != files:
            _copy(found, files)
        manifest = write_manifest(_manifest(found, name, path), folder=folder)
    except BaseException:
        shutil.rmtree(files if existed else folder, ignore_errors=True)
        raise
    for older in folder.glob("files-*"):
        if older != files or not any(files.iterdir()):
            shutil.rmtree(older, ignore_errors=True)
    return manifest


def recognise(root: Path, *, layout: str = "auto", channel: Channel = None) -> Found:
    """What a folder (or a single file) holds.

    Raises:
        InputError: there is no such layout, or nothing of it here.
    """
    chosen = ALSO_CALLED.get(layout.lower(), layout.lower())
    if chosen != "auto" and chosen not in LAYOUTS:
        raise InputError(f"--layout {layout} is not known: use auto or one of {', '.join(LAYOUTS)}.")
    files = [root] if root.is_file() else list(walk_files(root))
    base = root.parent if root.is_file() else root
    if not files:
        raise InputError(f"{root} is empty: give a folder that holds scans.")
    for reader in LAYOUTS.values() if chosen == "auto" else [LAYOUTS[chosen]]:
        if found := reader(base, files, channel):
            return found
    if chosen == "auto":
        raise InputError(f"{root} holds no scan among its {len(files)} files: give NIfTI, NRRD, MHA or DICOM.")
    raise InputError(f"{root} is not laid out as {layout}: use --layout auto, or give the folder that is.")


def series_to_choose(path: str | Path) -> list[Any]:
    """The DICOM series of a folder, for a person to choose from; empty where there are none."""
    path = Path(path).expanduser().absolute()
    return list(scan_folder(path).series) if path.is_dir() else []


def _own_manifest(path: Path) -> Path | None:
    """A ``dataset.json`` of isimed's own form."""
    candidate = path if path.name == "dataset.json" else path / "dataset.json"
    return candidate if os.path.isfile(candidate) and "volumes" in read_dataset_json(candidate.parent) else None


def _name_from(path: Path) -> str:
    name = stem(path) if path.is_file() else path.name
    return re.sub(r"[^\w. -]+", "-", name).strip(" .-")[:60] or "cohort"


def _refuse_other_source(folder: Path, path: Path) -> None:
    before = read_dataset_json(folder)
    imported = before.get("import")
    source = imported.get("path") if isinstance(imported, dict) else None
    if before and source != str(path):
        raise InputError(
            f"There is a cohort {folder.name} already, from {source or 'elsewhere'}: choose another --name."
        )


def _unpacked(path: Path, files: Path) -> Path:
    if not path.name.lower().endswith(".zip"):
        return path
    unzip(path, files)
    return files


def _leave_out_unreadable(found: Found, progress: Progress | None) -> None:
    """Check every header; what cannot be read goes to ``skipped`` and the others go on."""
    good = []
    for done, case in enumerate(found.cases):
        try:
            _check_header(case)
            good.append(case)
        except InputError as error:
            found.skipped.append((str(case["image"]), str(error)))
        if progress:
            progress(done + 1, len(found.cases))
    found.cases = good
    if good and found.modality == "unknown":
        found.modality = _guess_modality(found)


def _check_header(case: dict[str, Any]) -> None:
    for key in ("image", *LABELS):
        file = case.get(key)
        if file is None or "series" in case:
            continue
        file = Path(file)
        refuse_missing(file)
        try:
            shape = nifti_header(file).shape if file.name.lower().endswith(NIFTI_SUFFIXES) else itk_shape(file)
        except OSError as error:
            raise InputError(f"{file} cannot be read ({reason(error)}): check its permissions.") from None
        channel = case.get("channel")
        if key == "image" and len(shape) == 4 and channel is None:
            raise InputError(f"{file} has {shape[3]} channels: choose one with --channel 0 to {shape[3] - 1}.")
        if key == "image" and len(shape) == 4 and channel is not None and channel >= shape[3]:
            raise InputError(f"{file} has {shape[3]} channels: --channel must be 0 to {shape[3] - 1}.")
        if key == "image" and len(shape) == 3:
            case.pop("channel", None)


def _guess_modality(found: Found) -> str:
    """CT where a volume holds air as CT shows it, else MRI; said, because it is a guess."""
    for case in found.cases[:3]:
        try:
            lowest = read_volume(case["image"], channel=case.get("channel")).voxels.min()
        except InputError:
            continue
        modality = "CT" if lowest <= CT_AIR_HU else "MRI"
        found.notices.append(
            f"Taken as {modality} (lowest value {lowest:g}): correct `modality` in the manifest if not."
        )
        return modality
    return "unknown"


def _unique_names(found: Found) -> None:
    taken: Counter[str] = Counter()
    for case in found.cases:
        taken[case["name"]] += 1
        if taken[case["name"]] > 1:
            case["name"] = f"{case['name']}_{taken[case['name']]}"


def _copy(found: Found, files: Path) -> None:
    try:
        for number, case in enumerate(found.cases):
            target = files / f"{number:05d}"
            target.mkdir()
            if "series" in case:
                chosen = next(s for s in scan_folder(Path(case["image"])).series if s.uid == case["series"])
                for index, file in enumerate(chosen.files):
                    shutil.copyfile(file, target / f"{index:05d}.dcm")
                case["image"] = target
                continue
            for key in ("image", *LABELS):
                if case.get(key):
                    source = Path(case[key])
                    (target / key).mkdir()
                    case[key] = shutil.copyfile(source, target / key / source.name)
    except OSError as error:
        raise InputError(
            f"{files} cannot be written ({reason(error)}): free space, or import without --copy."
        ) from None


def _manifest(found: Found, name: str, path: Path) -> dict[str, Any]:
    folder = paths.cohorts_dir() / name
    volumes = []
    for case in found.cases:
        relative = {}
        for key in ("image", *LABELS):
            if case.get(key):
                file = Path(case[key])
                relative[key] = str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
        volumes.append(case | relative)
    patients = len({case["subject"] for case in found.cases})
    said = [f"Recognised as {found.said}: {len(volumes)} volumes of {patients} patients in {path}."]
    if found.skipped:
        said.append(f"{len(found.skipped)} could not be used; the first: {found.skipped[0][1]}")
    return {
        "name": name,
        "description": " ".join(said + found.notices),
        "modality": found.modality,
        "frame": None,
        "organs": found.organs,
        "tumour": found.tumour,
        "import": {
            "path": str(path),
            "layout": found.layout,
            "notices": found.notices,
            "skipped": [{"file": file, "reason": why} for file, why in found.skipped],
        },
        "volumes": volumes,
    }
