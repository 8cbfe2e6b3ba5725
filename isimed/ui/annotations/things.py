"""What a person keeps of a cohort: named points, distances, and circles with the statistics of what they hold."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from isimed.data.formats.volume import Volume

Mm = tuple[float, float, float]
AXES = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}  # voxel axes across, up and through a plane


@dataclass(frozen=True)
class Place:
    """A point of one volume, in scanner mm (R A S), as clicked or as found.

    Attributes:
        role: "clicked" or "found".
        distance, uncertainty_mm: of a found one.
    """

    volume: str
    mm: Mm
    role: str = "clicked"
    distance: float | None = None
    uncertainty_mm: float | None = None


@dataclass(frozen=True)
class NamedPoint:
    """What a person kept under a name: the clicked place, and where it was found in other patients."""

    name: str
    cohort: str
    clicked: Place
    found: tuple[Place, ...] = field(default_factory=tuple)

    @property
    def places(self) -> tuple[Place, ...]:
        return (self.clicked, *self.found)


@dataclass(frozen=True)
class Measurement:
    """A distance or a circle in one volume.

    Attributes:
        kind: "distance" from end to end, or "circle" around the first place through the second.
        plane: axial, coronal or sagittal, the one it was drawn on.
        ends_mm: two places in scanner mm (R A S).
        mean, sd: of the voxels whose centres lie in the circle, in ``unit``; None for a distance.
        voxels: how many those are.
        unit: "HU", or "" for the values of the file.
    """

    name: str
    volume: str
    kind: Literal["distance", "circle"]
    plane: Literal["axial", "coronal", "sagittal"]
    ends_mm: tuple[Mm, Mm]
    mean: float | None = None
    sd: float | None = None
    voxels: int = 0
    unit: str = ""

    @property
    def length_mm(self) -> float:
        """The distance, or the circle's radius."""
        return float(np.linalg.norm(np.subtract(*self.ends_mm)))

    @property
    def area_mm2(self) -> float | None:
        """Of the circle as it was drawn."""
        return float(np.pi * self.length_mm**2) if self.kind == "circle" else None

    def words(self) -> str:
        """What stands beside it: "31.4 mm", or mean, SD and area of a circle."""
        if self.area_mm2 is None:
            return f"{self.length_mm:.1f} mm"
        if self.mean is None or self.sd is None:
            return f"no voxel, {self.area_mm2:.0f} mm²"
        digits = 1 if max(abs(self.mean), self.sd) >= 1 else 3
        unit = f" {self.unit}" if self.unit else ""
        return f"mean {self.mean:.{digits}f}{unit}, SD {self.sd:.{digits}f}, {self.area_mm2:.0f} mm²"


def measured(
    volume: Volume,
    *,
    name: str,
    volume_id: str,
    kind: Literal["distance", "circle"],
    plane: Literal["axial", "coronal", "sagittal"],
    ends_mm: tuple[Mm, Mm],
    unit: str = "",
) -> Measurement:
    """A measurement with its figures: of a circle, mean and SD of the voxels of its slice whose centres it holds.

    Args:
        volume: (X, Y, Z) voxels and affine; the slice is the one nearest to the circle's middle.
        unit: of the voxels' values.
    """
    drawn = Measurement(name, volume_id, kind, plane, ends_mm, unit=unit)
    if kind == "distance":
        return drawn
    values = _held(volume, plane, np.asarray(ends_mm[0]), drawn.length_mm)
    if not values.size:
        return drawn
    mean, sd = float(values.mean()), float(values.std())
    return Measurement(name, volume_id, kind, plane, ends_mm, mean, sd, int(values.size), unit)


def _held(volume: Volume, plane: str, centre_mm: np.ndarray, radius_mm: float) -> np.ndarray:
    across, up, through = AXES[plane]
    centre = volume.to_voxel(centre_mm)
    index = [np.arange(size) for size in volume.shape]
    index[through] = np.rint(centre[through : through + 1]).astype(int).clip(0, volume.shape[through] - 1)
    for axis in (across, up):  # the circle's own square, not the whole slice
        reach = radius_mm / volume.spacing[axis] + 1
        index[axis] = index[axis][np.abs(index[axis] - centre[axis]) <= reach]
    grid = np.stack(np.meshgrid(*index, indexing="ij"), axis=-1)
    offset = grid - centre
    offset[..., through] = 0  # the picture is flat
    inside = np.linalg.norm(offset @ volume.affine[:3, :3].T, axis=-1) <= radius_mm
    return volume.voxels[tuple(grid[inside].T)].astype(np.float64)
