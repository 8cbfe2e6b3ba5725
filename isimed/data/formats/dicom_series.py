"""Finding DICOM series: which files of a folder belong together, and what each series is."""

import logging
import struct
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

from isimed.core.errors import InputError
from isimed.data.formats.reading import reason
from isimed.data.formats.walk import folder_stamp, walk_files

TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "Modality", "StudyDate",
    "SeriesNumber", "SeriesDescription", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "ImageType",
    "PhotometricInterpretation", "ImagePositionPatient", "FrameOfReferenceUID",
]  # fmt: skip
NOT_SCANS = ("SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "SR", "PR", "KO", "REG", "FID", "RWV", "DOC")
OUTLINES = ("SEG", "RTSTRUCT")
FEWEST_SLICES = 3

logging.getLogger("pydicom").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Series:
    """One DICOM series in place.

    Attributes:
        uid: SeriesInstanceUID.
        folder: the deepest folder that holds all its files.
        files: its files, sorted by path.
        modality: CT, MR, PT...
        patient: PatientID; the study's UID where that is empty.
        study: StudyInstanceUID.
        date: StudyDate.
        number, description: SeriesNumber and SeriesDescription.
        slices: files, or frames of a multi-frame file.
        size: columns and rows.
        problem: why it cannot be read as one volume, one sentence, or empty.
        crowded: whether slices lie at one place, or all in one file: it may hold several volumes.
        frame: FrameOfReferenceUID, empty where it is not said.
    """

    uid: str
    folder: Path
    files: tuple[Path, ...]
    modality: str
    patient: str
    study: str
    date: str
    number: str
    description: str
    slices: int
    size: tuple[int, int]
    problem: str = ""
    crowded: bool = False
    frame: str = ""

    @property
    def where(self) -> str:
        """Folder and series, for messages."""
        return f"{self.folder} (series {self.uid})"

    @property
    def title(self) -> str:
        """One line for a list to choose from."""
        text = f"{self.modality} · {self.slices} slices of {self.size[0]}×{self.size[1]}"
        return " · ".join(part for part in (self.patient, self.date, text, self.description) if part)


@dataclass(frozen=True)
class FolderSeries:
    """What a folder holds: its series, and the files that are no scans with the reason why; outlines are among them."""

    series: tuple[Series, ...]
    skipped: tuple[tuple[Path, str], ...]
    outlines: frozenset[Path] = frozenset()


def scan_folder(folder: Path) -> FolderSeries:
    """The DICOM series below a folder; remembered until a file is added or taken away.

    Raises:
        InputError: the folder cannot be listed.
    """
    return _scan_remembered(folder, folder_stamp(folder))


@lru_cache(maxsize=512)
def _scan_remembered(folder: Path, _stamp: tuple) -> FolderSeries:
    return scan_files(walk_files(folder))


def scan_files(files: Iterable[Path]) -> FolderSeries:
    """Group files by SeriesInstanceUID; what is not DICOM is passed by in silence."""
    groups: dict[str, list[tuple[Path, Any]]] = defaultdict(list)
    skipped, outlines = [], set()
    for path in files:
        try:
            header = read_header(path, TAGS)
        except InputError as error:
            skipped.append((path, str(error)))
            continue
        if header is None:
            continue
        uid, modality = text(header, "SeriesInstanceUID"), text(header, "Modality")
        if modality in OUTLINES:
            named = "it is `organs` or `tumour` of its scan in dataset.json"
            skipped.append((path, f"{path} holds outlines (DICOM {modality}), no image: {named}."))
            outlines.add(path)
        elif modality in NOT_SCANS or "Rows" not in header or "Columns" not in header:
            skipped.append((path, f"{path} is a DICOM {modality or 'object'} without an image: nothing to read in it."))
        elif not uid:
            skipped.append((path, f"{path} names no series (SeriesInstanceUID): export it again."))
        else:
            groups[uid].append((path, header))
    found = tuple(_series(uid, members) for uid, members in groups.items())
    return FolderSeries(found, tuple(skipped), frozenset(outlines))


def read_header(path: Path, tags: list[str]) -> Any | None:
    """The named elements of a DICOM file (a pydicom Dataset); None where it is another kind of file.

    Raises:
        InputError: it is DICOM and damaged, or may not be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(132)
        dicom = start[128:] == b"DICM"
        if not dicom and not _bare_dicom(start):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags, force=not dicom)
            for tag in tags:
                header.get(tag)  # values are decoded when first asked for: let damage show here
            return header if dicom or len(header) else None
    except PermissionError:
        raise InputError(f"{path} cannot be read: ask for read permission.") from None
    except InvalidDicomError:
        return None
    except Exception as error:
        raise InputError(f"{path} is a damaged DICOM file ({reason(error)}): export it again.") from None


def text(header: Any, tag: str) -> str:
    """An element as one line of text, empty where it is missing."""
    value = header.get(tag)
    return " ".join(str(value).split()) if value is not None else ""


def number(header: Any, tag: str, default: int) -> int:
    try:
        return int(header.get(tag))
    except (TypeError, ValueError):
        return default


def _bare_dicom(start: bytes) -> bool:
    """Old files begin with their first element: of group 8, or of the file's own group 2, little endian or big."""
    return any(
        start[:4] == struct.pack(f"{order}HH", group, element)
        for order in "<>"
        for group, elements in ((8, (0, 1, 5, 8, 0x12, 0x16, 0x18)), (2, (0, 1, 2)))
        for element in elements
    )


def _series(uid: str, members: list[tuple[Path, Any]]) -> Series:
    headers = [header for _, header in members]
    files = tuple(sorted(path for path, _ in members))
    first = headers[0]
    slices = sum(number(header, "NumberOfFrames", 1) for header in headers)
    series = Series(
        uid=uid,
        folder=_common_folder(files),
        files=files,
        modality=Counter(text(header, "Modality") for header in headers).most_common(1)[0][0] or "unknown",
        patient=text(first, "PatientID") or f"study-{text(first, 'StudyInstanceUID')[-12:] or uid[-12:]}",
        study=text(first, "StudyInstanceUID"),
        date=text(first, "StudyDate"),
        number=text(first, "SeriesNumber"),
        description=text(first, "SeriesDescription"),
        slices=slices,
        size=(number(first, "Columns", 0), number(first, "Rows", 0)),
        crowded=slices > len({text(header, "ImagePositionPatient") for header in headers}),
        frame=text(first, "FrameOfReferenceUID"),
    )
    return replace(series, problem=_problem(series, headers))


def _problem(series: Series, headers: list[Any]) -> str:
    where = series.where
    for tag, word in (("Modality", "modalities"), ("PatientID", "patients")):
        found = sorted({text(header, tag) for header in headers})
        if len(found) > 1:
            return f"{where} mixes {word} ({', '.join(found[:4])}) under one series UID: export the scans apart."
    if any(number(header, "SamplesPerPixel", 1) > 1 for header in headers):
        return f"{where} holds RGB colours, not a scan's grey values: export the original series."
    if any(text(header, "PhotometricInterpretation").startswith("PALETTE") for header in headers):
        return f"{where} holds colours of a palette, not a scan's grey values: export the original series."
    if any("MOSAIC" in text(header, "ImageType").upper() for header in headers):
        return f"{where} is a Siemens MOSAIC, all slices tiled in one picture: convert it with dcm2niix, import that."
    if all("LOCALIZER" in text(header, "ImageType").upper() for header in headers):
        return f"{where} is a localizer (scout), no volume: leave it out."
    if series.slices < FEWEST_SLICES:
        return f"{where} has {series.slices} slices, too few for a volume: it is probably a scout, leave it out."
    return ""


def _common_folder(files: tuple[Path, ...]) -> Path:
    folder = files[0].parent
    while any(folder not in file.parents for file in files):
        folder = folder.parent
    return folder
