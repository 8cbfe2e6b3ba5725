"""Slices that were sent twice, that lie otherwise than the rest, or that are several volumes at one place."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.data.formats.reading import Note

APART = (
    "TemporalPositionIdentifier", "TemporalPositionIndex", "EchoNumbers", "EffectiveEchoTime", "EchoTime",
    "InversionTime", "FlipAngle", "DiffusionBValue", "TriggerTime", "NominalCardiacTriggerDelayTime",
    "FrameReferenceTime", "AcquisitionNumber", "FrameAcquisitionNumber", "DiffusionGradientOrientation",
    "AcquisitionTime", "AcquisitionDateTime", "FrameAcquisitionDateTime", "ContentTime", "ImageType", "FrameType",
)  # fmt: skip
TIMES = ("TriggerTime", "NominalCardiacTriggerDelayTime", "FrameReferenceTime", "AcquisitionTime", "ContentTime")
SAME_PLACE = 0.02  # of the usual distance between slices
SAME_PLACE_MM = 1e-3
SAME_DIRECTION = 2e-3  # of a unit vector: a tenth of a degree
SAME_SPACING = 0.005
SENT_AGAIN = 0.2  # share of the places that may have a second slice, to be called sent again


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice: where it is stored and where it lies (L P S mm, as in DICOM).

    ``thickness`` is mm, 0 where it is not said; ``marks`` are its values of `APART`.
    """

    path: Path
    index: int
    sop: str
    position: NDArray[np.float64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    spacing: tuple[float, float]
    thickness: float
    size: tuple[int, int]
    marks: tuple[str, ...]
    scales_differ: bool = False

    @property
    def normal(self) -> NDArray[np.float64]:
        return np.cross(self.row, self.column)


def without_repeats(frames: list[Frame], notes: list[Note]) -> list[Frame]:
    """Each image once, where a file lies there twice."""
    kept: dict[object, Frame] = {}
    for frame in frames:
        kept.setdefault((frame.sop, frame.index) if frame.sop else (frame.path, frame.index), frame)
    if len(kept) < len(frames):
        notes.append(Note(f"{len(frames) - len(kept)} slices are there twice: each was used once.", "duplicate slices"))
    return list(kept.values())


def one_geometry(frames: list[Frame], notes: list[Note]) -> list[Frame]:
    """The largest group of slices with one orientation, pixel size and matrix, within what rounding changes.

    A localizer among the rest is usual; other slices that do not fit are lost, and said to be.
    """
    groups: list[list[Frame]] = []
    for frame in frames:
        fitting = next((group for group in groups if _alike(group[0], frame)), None)
        if fitting is None:
            groups.append([frame])
        else:
            fitting.append(frame)
    chosen = max(groups, key=len)
    others = [frame for group in groups if group is not chosen for frame in group]
    scouts = [frame for frame in others if "LOCALIZER" in frame.marks[APART.index("ImageType")].upper()]
    if scouts:
        notes.append(Note(f"{len(scouts)} localizer slices were left out.", "localizer"))
    if lost := len(others) - len(scouts):
        notes.append(Note(f"{lost} slices of another orientation or size were left out.", "slices left out"))
    return chosen


def _alike(one: Frame, other: Frame) -> bool:
    return (
        one.size == other.size
        and float(np.abs(one.row - other.row).max()) < SAME_DIRECTION
        and float(np.abs(one.column - other.column).max()) < SAME_DIRECTION
        and bool(np.allclose(one.spacing, other.spacing, rtol=SAME_SPACING))
    )


def one_volume(frames: list[Frame], *, where: str, channel: int | None, notes: list[Note]) -> list[Frame]:
    """All frames, or those of one volume where a series holds several at the same places.

    Raises:
        InputError: several and none chosen, there is no such channel, or nothing tells them apart.
    """
    places = _places(frames)
    if len(places) < len(frames):
        extra = len(frames) - len(places)
        if extra <= max(1, SENT_AGAIN * len(places)):
            frames = _sent_once(places, notes)
        else:
            apart = _told_apart(frames, places)
            if apart is None:
                raise InputError(
                    f"{where} holds {len(frames)} slices at {len(places)} places under one series UID, and nothing "
                    "tells its volumes apart: export them apart."
                )
            what, volumes = apart
            if channel is None or not 0 <= channel < len(volumes):
                raise InputError(
                    f"{where} holds {len(volumes)} volumes at the same place ({what} "
                    f"{', '.join(list(volumes)[:4])}): choose one with --channel 0 to {len(volumes) - 1}."
                )
            return list(volumes.values())[channel]
    if channel not in (None, 0):
        raise InputError(f"{where} holds one volume: leave out --channel {channel}.")
    return frames


def _places(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames that lie at one place along the normal, together; in order."""
    normal = frames[0].normal
    ordered = sorted(frames, key=lambda frame: float(frame.position @ normal))
    gaps = np.diff([frame.position @ normal for frame in ordered])
    apart = gaps[gaps > SAME_PLACE_MM]
    tolerance = max(SAME_PLACE_MM, SAME_PLACE * float(np.median(apart))) if len(apart) else SAME_PLACE_MM
    places = [[ordered[0]]]
    for frame, gap in zip(ordered[1:], gaps, strict=True):
        if gap > tolerance:
            places.append([])
        places[-1].append(frame)
    return places


def _sent_once(places: list[list[Frame]], notes: list[Note]) -> list[Frame]:
    """The first of each place; what was sent again is named, and is an error where its picture differs."""
    for place in places:
        for other in place[1:]:
            name = f"{other.path.name} lies where {place[0].path.name} does"
            if _pixels(place[0]) == _pixels(other):
                notes.append(Note(f"{name} and shows the same: used once.", "duplicate slices"))
            else:
                notes.append(Note(f"{name} and shows something else: the first was used.", "slices left out"))
    return [place[0] for place in places]


def _pixels(frame: Frame) -> bytes:
    data = pydicom.dcmread(frame.path, force=True)
    stored = bytes(data.get("PixelData", b""))
    size = len(stored) // max(1, int(data.get("NumberOfFrames") or 1))
    return stored[frame.index * size : (frame.index + 1) * size]


def _told_apart(frames: list[Frame], places: list[list[Frame]]) -> tuple[str, dict[str, list[Frame]]] | None:
    """What tells volumes at one place apart, and value -> volume in their order; None where nothing does.

    First by a value, or two together, that all slices of a volume share; else by the order in time at each place.
    """
    marks = [mark for mark in range(len(APART)) if len({frame.marks[mark] for frame in frames}) > 1]
    for chosen in [(mark,) for mark in marks] + list(combinations(marks, 2)):
        values: dict[tuple[str, ...], list[Frame]] = defaultdict(list)
        for frame in frames:
            values[tuple(frame.marks[mark] for mark in chosen)].append(frame)
        if _whole(values, places):
            names = sorted(values, key=lambda value: [_natural(one) for one in value])
            what = " and ".join(APART[mark] for mark in chosen)
            return what, {" · ".join(name): values[name] for name in names}
    count = len(places[0])
    for mark in (APART.index(time) for time in TIMES):
        if all(len({frame.marks[mark] for frame in place}) == count == len(place) for place in places):
            rows = [sorted(place, key=lambda frame: _natural(frame.marks[mark])) for place in places]
            return f"in the order of {APART[mark]}", {str(n): [row[n] for row in rows] for n in range(count)}
    return None


def _whole(groups: dict[tuple[str, ...], list[Frame]], places: list[list[Frame]]) -> bool:
    """Whether each group is a volume: one slice at (nearly) every place, never two."""
    place_of = {id(frame): number for number, place in enumerate(places) for frame in place}
    found = [{place_of[id(frame)] for frame in group} for group in groups.values()]
    sizes = [len(group) for group in groups.values()]
    return (
        len(groups) > 1
        and all(len(numbers) == size for numbers, size in zip(found, sizes, strict=True))
        and min(sizes) >= (1 - SENT_AGAIN) * len(places)
    )


def _natural(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return float("inf"), name
