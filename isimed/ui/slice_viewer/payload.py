"""Places and windows as the browser gets them: in voxels, and in plain numbers."""

import numpy as np
from numpy.typing import ArrayLike

from isimed.data.formats.volume import Volume
from isimed.ui.slice_viewer.options import Field
from isimed.ui.slice_viewer.overlays import Box, Marker, Measure


def cursor_voxel_of(volume: Volume, mm: ArrayLike | None, voxel: ArrayLike | None) -> list[float] | None:
    if mm is not None:
        voxel = volume.to_voxel(mm)
    return None if voxel is None else np.asarray(voxel, dtype=float).tolist()


def frame_of(volume: Volume, field: Field) -> tuple[list[float], list[float]]:
    """First and last voxel of a field."""
    half = field.edge_mm / volume.spacing / 2
    middle = volume.to_voxel(field.centre_mm)
    return (middle - half + 0.5).tolist(), (middle + half - 0.5).tolist()


def narrowed(volume: Volume, frame: tuple[list[int], list[int]], least_mm: float) -> tuple[list[float], list[float]]:
    """A frame that is no wider than it is tall, unless it is below some mm: shoulders would make a neck small."""
    first, last = ([float(end) for end in ends] for ends in frame)
    tall = (last[2] - first[2] + 1) * float(volume.spacing[2])
    most = max(least_mm, tall) / float(volume.spacing[0])
    spare = max(0.0, last[0] - first[0] + 1 - most) / 2
    first[0], last[0] = first[0] + spare, last[0] - spare
    return first, last


def box_data(volume: Volume, box: Box) -> dict:
    half = np.broadcast_to(np.asarray(box.edge_mm, dtype=float), 3) / volume.spacing / 2
    return {
        "centre": volume.to_voxel(box.centre_mm).tolist(),
        "half": half.tolist(),
        "name": box.name,
        "colour": box.colour,
    }


def marker_data(volume: Volume, marker: Marker) -> dict:
    return {"voxel": volume.to_voxel(marker.mm).tolist(), "name": marker.name, "colour": marker.colour}


def measure_data(volume: Volume, measure: Measure) -> dict:
    ends = [volume.to_voxel(end).tolist() for end in measure.ends_mm]
    return {"kind": measure.kind, "plane": measure.plane, "ends": ends, "words": measure.words}


def window_data(window: str | tuple[float, float] | None, choices: list[dict], *, ct: bool) -> dict:
    if window is None:
        window = "Soft tissue" if ct else choices[0]["name"]
    if isinstance(window, str):
        for choice in choices:
            if choice["name"].lower() == window.lower():
                return {"level": choice["level"], "width": choice["width"]}
        raise ValueError(
            f"window must be (level, width) or one of {', '.join(c['name'] for c in choices)}; got {window!r}"
        )
    level, width = (float(number) for number in window)
    return {"level": level, "width": max(width, 1e-9)}
