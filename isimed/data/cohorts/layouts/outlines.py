"""Outlines of a DICOM tree (SEG, RTSTRUCT): which scan they were drawn on, and which are organs, which the tumour."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import LABELS
from isimed.data.cohorts.layouts.labels import TUMOUR_NAMES
from isimed.data.cohorts.plan import IMAGE, LEFT_LABELS, Planned
from isimed.data.formats.dicom_labels import Outlines, about_outlines, refuse_unreadable
from isimed.data.formats.dicom_series import Series

TARGET = re.compile(r"(ctv|ptv|itv|pgtv)", re.IGNORECASE)  # the tumour and a margin around it
NO_ANATOMY = re.compile(
    r"\W*(body|external|skin|patient|outer ?contour|couch|table|bolus|iso(centre|center)?|dose|ring)\b", re.IGNORECASE
)
NO_ANATOMY_TYPES = {
    "EXTERNAL", "SUPPORT", "FIXATION", "BOLUS", "MARKER", "ISOCENTER", "CONTROL", "DOSE_REGION", "REGISTRATION",
    "IRRAD_VOLUME", "TREATED_VOLUME", "DOSE_MEASUREMENT", "BRACHY_CHANNEL",
}  # fmt: skip


def kinds_of(about: Outlines) -> dict[str, dict[int, str]]:
    """``organs`` and ``tumour`` -> the numbers and names of a file's structures; what is neither is left out.

    Margins around a tumour (CTV, PTV) are the tumour only where nothing else is. The patient's outline, the couch and
    marks of the treatment are no organs.
    """
    anatomy = {
        number: name or f"structure {number}"
        for number, name in about.names.items()
        if about.types.get(number, "").upper() not in NO_ANATOMY_TYPES and not NO_ANATOMY.match(name)
    }
    targets = {number: name for number, name in anatomy.items() if TARGET.search(name)}
    rest = {number: name for number, name in anatomy.items() if number not in targets}
    tumour = {
        number: name
        for number, name in rest.items()
        if TUMOUR_NAMES.search(name) or about.types.get(number, "").upper() == "GTV"
    }
    organs = {number: name for number, name in rest.items() if number not in tumour}
    return dict(zip(LABELS, (organs, tumour or targets), strict=True))


def outlines(files: Iterable[Path], series: Sequence[Series], images: Mapping[str, Planned]) -> list[Planned]:
    """Files of outlines as label maps of the scans that they were drawn on.

    Args:
        files: SEG and RTSTRUCT.
        series: all series of the tree.
        images: SeriesInstanceUID -> what becomes of the series.
    """
    return [item for file in files for item in _planned(file, series, images)]


def _planned(file: Path, series: Sequence[Series], images: Mapping[str, Planned]) -> list[Planned]:
    try:
        about = about_outlines(file)
        refuse_unreadable(file)
        image, how = _image_of(file, about, series, images)
    except InputError as error:
        return [Planned(file, LEFT_LABELS, str(error))]
    kinds = {role: names for role, names in kinds_of(about).items() if names}
    left = sorted(set(about.names.values()) - {name for names in kinds.values() for name in names.values()} - {""})
    more = f" Not taken: {', '.join(left)}." if left else ""
    if not kinds:
        return [Planned(file, LEFT_LABELS, f"{file} outlines no organ and no tumour.{more}")]
    return [
        Planned(
            file, role, f"{how}: {', '.join(names.values())}.{more}",
            volume=image.volume, patient=image.patient, series=image.series,
        )
        for role, names in kinds.items()
    ]  # fmt: skip


def _image_of(
    file: Path, about: Outlines, series: Sequence[Series], images: Mapping[str, Planned]
) -> tuple[Planned, str]:
    """The scan that a file was drawn on, by its series or else by its millimetres, and which of these it was."""
    named = [one for one in series if one.uid in about.series]
    frame = [one for one in series if one.frame and one.frame in about.frames]
    for candidates, how in ((named, "Drawn on this series"), (frame, "In this series' frame of reference")):
        taken = [images[one.uid] for one in candidates if images[one.uid].role == IMAGE]
        if len(taken) == 1:
            return taken[0], how
        if len(taken) > 1:
            raise InputError(f"{file} fits {len(taken)} series and names none: export it with its references.")
    if named:
        raise InputError(f"{file} was drawn on the series {named[0].uid}, which is left out.")
    raise InputError(f"{file} was drawn on a series that is not here: put the two into one folder.")
