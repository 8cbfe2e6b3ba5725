"""DICOM trees: one volume a series, the patient is the PatientID."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from isimed.core.errors import InputError
from isimed.data.cohorts.layouts.claims import Channel, Claim, unused
from isimed.data.cohorts.layouts.labels import LESION
from isimed.data.cohorts.layouts.names import region_in
from isimed.data.cohorts.layouts.outlines import outlines
from isimed.data.cohorts.plan import IMAGE, SKIPPED, TUMOUR, Planned
from isimed.data.formats.dicom_read import why_not_one_volume
from isimed.data.formats.dicom_series import Series, scan_files
from isimed.data.formats.dispatch import VOLUME_SUFFIXES

NOT_DICOM = (
    *VOLUME_SUFFIXES, ".json", ".csv", ".txt", ".tsv", ".pdf", ".png", ".jpg", ".md", ".xml", ".py", ".zip", ".gz",
    ".raw", ".zraw", ".img", ".hdr",
)  # fmt: skip
NAMES = {"MR": "MRI", "PT": "PET"}


def dicom_tree(root: Path, files: Sequence[Path], channel: Channel) -> list[Claim]:
    """Any tree of DICOM files; where it holds several modalities, one is taken: CT, or the most frequent.

    Segmentations and structure sets become label maps of the series that they were drawn on.
    """
    scan = scan_files(file for file in files if not file.name.lower().endswith(NOT_DICOM))
    if not scan.series and not scan.skipped:
        return []
    claim = Claim("dicom", f"DICOM tree ({len(scan.series)} series)")
    usable = [series for series in scan.series if not series.problem]
    counts = Counter(series.modality for series in usable)
    wanted = _wanted(channel, counts)
    left = [f"{modality} ({count} series)" for modality, count in counts.items() if modality != wanted]
    if left:
        claim.notices.append(f"{wanted} was taken; left out: {', '.join(left)}.")
    names: set[str] = set()
    images: dict[str, Planned] = {}
    for series in scan.series:
        why = series.problem or (f"{wanted} was taken: choose with --channel." if series.modality != wanted else "")
        number = channel if isinstance(channel, int) and _is_several(series) else None
        if not why and series.crowded:
            why = why_not_one_volume(series, number)
        item = images[series.uid] = _planned(series, number, why)
        if item.role == IMAGE:
            item = images[series.uid] = replace(item, volume=unused(item.volume, names))
        claim.items.append(item)
    claim.items += outlines(sorted(scan.outlines), scan.series, images)
    if any(item.role == TUMOUR for item in claim.items):
        claim.tumour = LESION
    claim.items += [Planned(path, SKIPPED, why) for path, why in scan.skipped if path not in scan.outlines]
    return [claim]


def _is_several(series: Series) -> bool:
    """Whether a series holds volumes to choose from; other series have no channel."""
    return series.crowded and "choose one with --channel" in why_not_one_volume(series)


def _wanted(channel: Channel, counts: Counter[str]) -> str:
    if isinstance(channel, str) and counts:
        wanted = next((modality for modality in counts if channel.upper() in (modality, NAMES.get(modality))), None)
        if wanted is None:
            raise InputError(f"--channel {channel} is not here: choose one of {', '.join(counts)}.")
        return wanted
    if "CT" in counts:
        return "CT"
    return counts.most_common(1)[0][0] if counts else "unknown"


def _planned(series: Series, channel: int | None, why: str) -> Planned:
    parts = [series.patient, series.date, series.number, series.description]
    name = re.sub(r"[^\w.-]+", "-", "_".join(part for part in parts if part)).strip("-_.")[:100]
    return Planned(
        series.folder,
        SKIPPED if why else IMAGE,
        why,
        volume=name or series.uid,
        patient=series.patient,
        modality=NAMES.get(series.modality, series.modality),
        region=region_in(series.description),
        session=series.date,
        study=series.study,
        channel=channel,
        series=series.uid,
        title=series.title,
        files=series.files,
    )
