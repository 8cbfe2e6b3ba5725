"""Where DICOM slices lie: one stack out of many frames, its affine, and what is odd about it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.data.formats.dicom_frames import APART, Frame, one_geometry, one_volume, without_repeats
from isimed.data.formats.dicom_series import number, read_header, text
from isimed.data.formats.reading import LPS_TO_RAS, Note, reason

TAGS = [
    "SOPInstanceUID", "Rows", "Columns", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "SliceThickness", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", *APART,
]  # fmt: skip
TILT_DEGREES = 0.5
UNEVEN_SHARE = 0.02


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices of one volume in order.

    Attributes:
        affine: (4, 4) (column, row, slice) -> scanner mm (RAS+).
        positions: (N,) mm along the normal.
        targets: where even slices would lie, or None where they are even.
    """

    frames: list[Frame]
    affine: NDArray[np.float64]
    positions: NDArray[np.float64]
    targets: NDArray[np.float64] | None

    @property
    def columns(self) -> int:
        return self.frames[0].size[0]

    @property
    def rows(self) -> int:
        return self.frames[0].size[1]


def frames_of(path: Path) -> list[Frame]:
    """The slices of a file: one, or those of an enhanced multi-frame file.

    Raises:
        InputError: the header does not say where they lie.
    """
    header = read_header(path, TAGS)
    if header is None:
        raise InputError(f"{path} is no longer a DICOM file: import the folder again.")
    try:
        if "PerFrameFunctionalGroupsSequence" in header:
            return _enhanced(path, header)
        if number(header, "NumberOfFrames", 1) > 1:
            raise InputError(f"{path} does not say where its frames lie: export it as single slices or enhanced DICOM.")
        return [_frame(path, 0, header, header, header, header, marks=_marks([header]))]
    except InputError:
        raise
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not say where its slices lie ({reason(error)}): export it again.") from None


def _enhanced(path: Path, header: Any) -> list[Frame]:
    shared = header.get("SharedFunctionalGroupsSequence") or [{}]
    groups = header.PerFrameFunctionalGroupsSequence

    def macro(group: Any, name: str) -> Any:
        found = group.get(name) or shared[0].get(name)
        return found[0] if found else None

    scales = {
        (text(scale, "RescaleSlope"), text(scale, "RescaleIntercept"))
        for group in groups
        if (scale := macro(group, "PixelValueTransformationSequence")) is not None
    }
    frames = []
    for index, group in enumerate(groups):
        frames.append(
            _frame(
                path, index, header,
                macro(group, "PlanePositionSequence"), macro(group, "PlaneOrientationSequence"),
                macro(group, "PixelMeasuresSequence"),
                marks=_marks([*_items(group), *_items(shared[0]), header]),
                scales_differ=len(scales) > 1,
            )
        )  # fmt: skip
    return frames


def _items(group: Any) -> list[Any]:
    """The first item of each of a group's sequences: where enhanced files keep what others keep at the top."""
    return [element.value[0] for element in group if element.VR == "SQ" and element.value] if group else []


def _marks(holders: list[Any]) -> tuple[str, ...]:
    """What `APART` says of a frame, from the first of some holders that has it."""
    return tuple(next((found for holder in holders if (found := text(holder, tag))), "") for tag in APART)


def _frame(
    path: Path,
    index: int,
    header: Any,
    place: Any,
    plane: Any,
    measures: Any,
    *,
    marks: tuple[str, ...],
    scales_differ: bool = False,
) -> Frame:
    for holder, tag in (
        (place, "ImagePositionPatient"),
        (plane, "ImageOrientationPatient"),
        (measures, "PixelSpacing"),
    ):
        if holder is None or holder.get(tag) is None:
            raise InputError(f"{path} has no {tag}, so its place in the body is unknown: export the original series.")
    position = np.array(place.get("ImagePositionPatient"), dtype=np.float64)
    axes = np.array(plane.get("ImageOrientationPatient"), dtype=np.float64)
    rows_apart, columns_apart = (float(value) for value in measures.get("PixelSpacing"))
    if position.shape != (3,) or axes.shape != (6,) or not (np.isfinite(position).all() and np.isfinite(axes).all()):
        raise InputError(f"{path} has a position or orientation that is not complete: export it again.")
    if not (0 < rows_apart < np.inf and 0 < columns_apart < np.inf):
        raise InputError(f"{path} says its pixels are {columns_apart:g} × {rows_apart:g} mm: export it again.")
    row, column = axes[:3], axes[3:]
    if abs(np.linalg.norm(row) - 1) > 0.01 or abs(np.linalg.norm(column) - 1) > 0.01 or abs(row @ column) > 0.01:
        raise InputError(f"{path} has an ImageOrientationPatient of no right angle: export it again.")
    return Frame(
        path=path,
        index=index,
        sop=text(header, "SOPInstanceUID"),
        position=position,
        row=row,
        column=column,
        spacing=(columns_apart, rows_apart),
        thickness=thickness if 0 < (thickness := float(measures.get("SliceThickness") or 0)) < np.inf else 0.0,
        size=(number(header, "Columns", 0), number(header, "Rows", 0)),
        marks=marks,
        scales_differ=scales_differ,
    )


def make_stack(frames: list[Frame], *, where: str, channel: int | None) -> tuple[Stack, tuple[Note, ...]]:
    """Order slices along their normal and find the affine.

    Args:
        where: folder and series, for messages.
        channel: which of several volumes at the same place.

    Raises:
        InputError: no single volume comes out of the slices.
    """
    notes: list[Note] = []
    frames = one_geometry(without_repeats(frames, notes), notes)
    frames = one_volume(frames, where=where, channel=channel, notes=notes)
    normal = frames[0].normal
    frames.sort(key=lambda frame: float(frame.position @ normal))
    positions = np.array([frame.position @ normal for frame in frames])
    places = np.array([frame.position for frame in frames])
    if len(frames) == 1:
        thick = frames[0].thickness
        step, targets = normal * (thick or 1.0), None
        said = "its thickness was taken as the spacing" if thick else "its thickness is not said, and was taken as 1 mm"
        notes.append(Note(f"A single slice: {said}.", "spacing"))
    else:
        targets = _targets(positions, where, notes)
        count = len(frames) if targets is None else len(targets)
        step = (places[-1] - places[0]) / (count - 1)
        _note_tilt(step, normal, places, positions, notes)
    first = frames[0]
    affine = np.eye(4)
    affine[:3, 0] = first.row * first.spacing[0]
    affine[:3, 1] = first.column * first.spacing[1]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    return Stack(frames, LPS_TO_RAS @ affine, positions, targets), tuple(notes)


def _targets(positions: NDArray, where: str, notes: list[Note]) -> NDArray | None:
    """Where even slices would lie, or None where the slices are even already."""
    gaps = np.diff(positions)
    usual = float(np.median(gaps))
    if np.abs(gaps - usual).max() <= max(UNEVEN_SHARE * usual, 0.011):
        return None
    steps = np.rint(gaps / usual)
    missing = int(np.maximum(steps - 1, 0).sum())
    if missing > len(positions):
        raise InputError(f"{where} has gaps as long as the scan itself: it holds several scans, export them apart.")
    if missing and np.abs(gaps - steps * usual).max() <= 0.1 * usual:
        first = positions[int(np.argmax(steps > 1))]
        notes.append(
            Note(
                f"{missing} slices are missing (the first after {first:.1f} mm): filled by interpolation.",
                "missing slices",
            )
        )
    else:
        notes.append(
            Note(
                f"Slices are uneven ({gaps.min():.2f} to {gaps.max():.2f} mm): interpolated to {usual:.2f} mm.",
                "uneven spacing",
            )
        )
    length = positions[-1] - positions[0]
    return np.linspace(positions[0], positions[-1], max(2, round(length / usual) + 1))


def _note_tilt(step: NDArray, normal: NDArray, places: NDArray, positions: NDArray, notes: list[Note]) -> None:
    cosine = np.clip(step @ normal / np.linalg.norm(step), -1, 1)
    tilt = float(np.degrees(np.arccos(cosine)))
    if tilt > TILT_DEGREES:
        notes.append(
            Note(f"The gantry was tilted by {tilt:.1f}°: voxels are sheared, millimetres exact.", "gantry tilt")
        )
    share = (positions - positions[0]) / (positions[-1] - positions[0])
    line = places[0] + share[:, None] * (places[-1] - places[0])
    off = float(np.linalg.norm(places - line, axis=1).max())
    if off > 0.5:
        notes.append(
            Note(f"Slices do not lie on a line (up to {off:.1f} mm off): the mean line was used.", "slice positions")
        )
