"""Named points: kept in the session, drawn in their patient, and exported for tables and for 3D Slicer."""

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from isimed.core.text import plain_cell

COLUMNS = ("name", "role", "cohort", "volume", "x_mm", "y_mm", "z_mm", "latent_distance", "uncertainty_mm")
SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


@dataclass(frozen=True)
class Place:
    """A point of one volume, in scanner mm (R A S), as clicked or as found.

    Attributes:
        role: "clicked" or "found".
        distance, uncertainty_mm: of a found one.
    """

    volume: str
    mm: tuple[float, float, float]
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


def as_csv(points: Sequence[NamedPoint]) -> str:
    """One row a place, scanner mm with R A S axes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in points:
        for place in point.places:
            figures = ["" if v is None else f"{v:.2f}" for v in (place.distance, place.uncertainty_mm)]
            mm = [f"{v:.3f}" for v in place.mm]
            names = [plain_cell(name) for name in (point.name, place.role, point.cohort, place.volume)]
            writer.writerow([*names, *mm, *figures])
    return text.getvalue()


def as_fcsv(points: Sequence[tuple[str, tuple[float, float, float]]]) -> str:
    """Named R A S points as a Slicer markups file. It is written in L P S, and says so: Slicer 4.11 and later's way.

    Args:
        points: (name, (x, y, z) R A S mm), all of one volume.
    """
    text = io.StringIO()
    text.write("# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n")
    text.write("# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n")
    writer = csv.writer(text, lineterminator="\n")
    for number, (name, mm) in enumerate(points, start=1):
        writer.writerow([number, *(f"{v:.3f}" for v in to_lps(mm)), 0, 0, 0, 1, 1, 1, 0, name, "", ""])
    return text.getvalue()


def as_markups(points: Sequence[tuple[str, tuple[float, float, float]]]) -> str:
    """The same as ``.mrk.json``, Slicer 5's own format."""
    controls = [
        {
            "id": str(number),
            "label": name,
            "position": to_lps(mm),
            "orientation": [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0],
            "selected": True,
            "locked": False,
            "visibility": True,
            "positionStatus": "defined",
        }
        for number, (name, mm) in enumerate(points, start=1)
    ]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": controls}
    return json.dumps({"@schema": SCHEMA, "markups": [markup]}, indent=1) + "\n"


def to_lps(mm: Sequence[float]) -> list[float]:
    """R A S mm -> L P S mm, the axes of DICOM, ITK and Slicer's files."""
    x, y, z = mm
    return [0.0 - x, 0.0 - y, float(z)]


def as_slicer_zip(points: Sequence[NamedPoint]) -> bytes:
    """Both Slicer formats in a zip, a file a volume: every scan has millimetres of its own."""
    volumes: dict[str, list[tuple[str, tuple[float, float, float]]]] = {}
    for point in points:
        for place in point.places:
            volumes.setdefault(place.volume, []).append((point.name, place.mm))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for volume, named in volumes.items():
            archive.writestr(f"{volume}.fcsv", as_fcsv(named))
            archive.writestr(f"{volume}.mrk.json", as_markups(named))
    return buffer.getvalue()
