"""Folders without a data set's rules: DICOM trees and plain files. Readers as in `layout_readers`."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isimed.core.errors import InputError
from isimed.data.cohorts.layout_readers import Channel, Found, stem, volumes_of
from isimed.data.formats.dicom_series import Series, scan_files
from isimed.data.formats.volume import VOLUME_SUFFIXES

NOT_DICOM = (
    *VOLUME_SUFFIXES,
    ".json",
    ".csv",
    ".txt",
    ".tsv",
    ".pdf",
    ".png",
    ".jpg",
    ".md",
    ".xml",
    ".py",
    ".zip",
    ".gz",
)
TUMOUR_NAMES = ("tumour", "tumor", "tumours", "tumors", "lesion", "lesions")
ORGAN_NAMES = ("organs", "labels", "label", "masks", "mask", "seg", "segmentation", "segmentations", "labelstr")
IMAGE_NAMES = ("images", "image", "imagestr", "scans", "volumes", "anat", "img", "data")
LABEL_ENDING = re.compile(rf"(.+?)[_-]({'|'.join(TUMOUR_NAMES + ORGAN_NAMES)})", re.IGNORECASE)
BIDS_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")


def dicom_tree(root: Path, files: Sequence[Path], channel: Channel) -> Found | None:
    """Any tree of DICOM files: one volume a series, the patient is the PatientID."""
    candidates = [file for file in files if not file.name.lower().endswith(NOT_DICOM)]
    scan = scan_files(candidates)
    if not scan.series:
        if scan.skipped and not volumes_of(files):
            raise InputError(scan.skipped[0][1])
        return None
    usable = [series for series in scan.series if not series.problem]
    found = Found("dicom", f"DICOM tree ({len(scan.series)} series)", [])
    found.skipped = [(str(series.folder), series.problem) for series in scan.series if series.problem]
    found.skipped += [(str(path), why) for path, why in scan.skipped]
    number = channel if isinstance(channel, int) else None
    counts = Counter(series.modality for series in usable)
    wanted = _modality(channel, counts)
    if len(counts) > 1:
        left = ", ".join(f"{modality} ({count} series)" for modality, count in counts.items() if modality != wanted)
        found.notices.append(f"{wanted} was taken; left out: {left}.")
    found.modality = "MRI" if wanted == "MR" else wanted
    for series in usable:
        if series.modality == wanted:
            found.cases.append(_case(series) | ({} if number is None else {"channel": number}))
    if others := len(volumes_of(files)):
        found.notices.append(f"{others} files of other formats lie beside the DICOM files and were left out.")
    return found


def _modality(channel: Channel, counts: Counter[str]) -> str:
    if isinstance(channel, str):
        if channel.upper() not in counts:
            raise InputError(f"--channel {channel} is not here: choose one of {', '.join(counts) or 'none'}.")
        return channel.upper()
    if "CT" in counts:
        return "CT"
    return counts.most_common(1)[0][0] if counts else "unknown"


def _case(series: Series) -> dict[str, Any]:
    parts = [series.patient, series.date, series.number, series.description]
    name = re.sub(r"[^\w.-]+", "-", "_".join(part for part in parts if part)).strip("-_.")[:100]
    case = {"subject": series.patient, "image": series.folder, "series": series.uid, "name": name}
    return case | {"study": series.study, "title": series.title}


def plain(root: Path, files: Sequence[Path], channel: Channel) -> Found | None:
    """Volume files in any folders; label maps are known by their folder's name or the end of their own."""
    volumes = volumes_of(files)
    if not volumes:
        return None
    images: dict[tuple[str, ...], Path] = {}
    labels: dict[tuple[str, ...], dict[str, Path]] = {}
    generic = set()
    for file in volumes:
        kind, key, word = _kind_and_key(file.relative_to(root))
        if kind is None:
            key = key if key not in images else (*key, file.name)
            images[key] = file
        else:
            labels.setdefault(key, {})[kind] = file
            generic |= {word} if kind == "organs" and word != "organs" else set()
    found = Found("plain", f"plain folder ({len(images)} images)", [])
    number = channel if isinstance(channel, int) else None
    for key, file in images.items():
        case: dict[str, Any] = {"subject": _subject(key, file), "name": "_".join(key), "image": file}
        found.cases.append(case | labels.pop(key, {}) | ({} if number is None else {"channel": number}))
    if generic:
        found.notices.append(f"Label maps named {', '.join(sorted(generic))} were taken as organs.")
    for unmatched in labels.values():
        for kind, file in unmatched.items():
            found.skipped.append(
                (str(file), f"{file} looks like a label map ({kind}) and has no image: give it its image's name.")
            )
    return found


def _kind_and_key(path: Path) -> tuple[str | None, tuple[str, ...], str]:
    """``organs``, ``tumour`` or None for an image; what an image and its labels have in common; the telling word."""
    folders = [part for part in path.parts[:-1] if part.lower() not in IMAGE_NAMES]
    for place, part in enumerate(folders):
        if part.lower() in TUMOUR_NAMES + ORGAN_NAMES:
            kind = "tumour" if part.lower() in TUMOUR_NAMES else "organs"
            return kind, (*folders[:place], *folders[place + 1 :], stem(path)), part.lower()
    if match := LABEL_ENDING.fullmatch(stem(path)):
        word = match[2].lower()
        return ("tumour" if word in TUMOUR_NAMES else "organs"), (*folders, match[1]), word
    return None, (*folders, stem(path)), ""


def _subject(key: tuple[str, ...], file: Path) -> str:
    """BIDS names its patients; else the upper folder is the patient, or the file where there is none."""
    if match := BIDS_SUBJECT.search(str(file)):
        return match[0]
    return key[0]
