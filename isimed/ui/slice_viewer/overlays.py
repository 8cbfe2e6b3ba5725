"""What can be drawn over a volume."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from numpy.typing import ArrayLike, NDArray

ACCENT = "#f2b84b"
# Neighbours differ for the colour-blind too, by lightness where the hue is lost; none is near the crop's ACCENT.
PALETTE = ("#56b4e9", "#d55e00", "#009e73", "#cc79a7", "#b8f0e0", "#4d6bff", "#8a5a44", "#e6ccff")


@dataclass(frozen=True)
class Box:
    """A crop: its centre in scanner mm, its edge lengths in mm along the voxel axes (one number for a cube)."""

    centre_mm: ArrayLike
    edge_mm: ArrayLike
    name: str = ""
    colour: str = ACCENT


@dataclass(frozen=True)
class Marker:
    """A named point, in scanner mm."""

    mm: ArrayLike
    name: str = ""
    colour: str = ACCENT


@dataclass(frozen=True)
class Measure:
    """A drawn measurement: two places on one plane in scanner mm, and what stands beside it.

    Attributes:
        kind: "distance" from end to end, or "circle" around the first through the second.
    """

    kind: Literal["distance", "circle"]
    plane: str
    ends_mm: tuple[ArrayLike, ArrayLike]
    words: str = ""


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Organs on the volume's grid.

    Attributes:
        voxels: (X, Y, Z) whole numbers, 0 is nothing.
        names: label value -> name; values without a name are not drawn.
        colours: label value -> "#rrggbb"; the others come from a palette.
        key: what the voxels are, for caching; by default the identity of the array.
    """

    voxels: NDArray
    names: Mapping[int, str]
    colours: Mapping[int, str] = field(default_factory=dict)
    key: str | None = None

    def legend(self) -> list[dict]:
        return [
            {"value": int(value), "name": name, "colour": self.colours.get(value, PALETTE[n % len(PALETTE)])}
            for n, (value, name) in enumerate(self.names.items())
        ]


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A number for every place of the volume, drawn as translucent colour.

    Attributes:
        voxels: (X, Y, Z) floats over the same field of view; may be coarser than the volume. NaN is not drawn.
        title: what the colour means.
        low, high: the ends of the colour scale; by default the smallest and the largest value.
        strong: which end is drawn boldly, "low" for a distance.
        unit: behind the numbers of the legend.
        key: what the voxels are, for caching; by default the identity of the array.
    """

    voxels: NDArray
    title: str
    low: float | None = None
    high: float | None = None
    strong: Literal["low", "high"] = "high"
    unit: str = ""
    key: str | None = None


@dataclass(frozen=True, eq=False)
class Overlays:
    """All that lies over a volume.

    Attributes:
        boxes: crops, drawn at their true size on the slices that cut them.
        markers: named points, faint up to 5 mm away from their slice.
        measures: distances and circles, drawn on their own slice.
        labels: organs, as contour or fill; their names are in the read-out.
        heat: a number for every place, as translucent colour with a legend.
    """

    boxes: Sequence[Box] = ()
    markers: Sequence[Marker] = ()
    labels: LabelMap | None = None
    heat: HeatMap | None = None
    measures: Sequence[Measure] = ()
